import { asError, TimedOut } from '../errors.ts'
import type { Observer } from '../observe.ts'
import type { Deadlines } from './deadlines.ts'
import type { Delivery } from './delivery.ts'

/** What a settlement works with. */
export interface SettlementParts {
  readonly observer: Observer
  readonly deadlines: Deadlines
  /** How long a handler that was given up may go on before it is reported as stalled, in milliseconds. */
  readonly stallAfterMs: number
  /** To be called once for each delivery that has ended. */
  readonly ended: (delivery: Delivery) => void
  /** To be called for a delivery that ran out of time. */
  readonly giveUp: (delivery: Delivery, error: Error) => void
}

/** What becomes of an attempt: the one place where deliveries end. */
export class Settlement {
  readonly #parts: SettlementParts

  constructor(parts: SettlementParts) {
    this.#parts = parts
  }

  /** Gives the error that the success became, if it did. */
  succeed(delivery: Delivery, value: unknown): Error | undefined {
    const { target, waiter } = delivery
    if (delivery.rest !== undefined || target.responseEvents.length > 0) {
      delivery.rest?.deadline?.cancel()
      if (delivery.abandoned !== undefined) return this.#endLate(delivery, undefined)
      try {
        recordResponseEvents(delivery, value)
      } catch (thrown) {
        return this.fail(delivery, thrown)
      }
    }
    delivery.state = 'ended'
    const recorded = delivery.rest?.recorded
    if (recorded !== undefined) target.outlet.release(recorded)
    waiter?.done(value, delivery)
    this.#parts.ended(delivery)
    return undefined
  }

  fail(delivery: Delivery, thrown: unknown): Error {
    const error = asError(thrown)
    delivery.rest?.deadline?.cancel()
    if (delivery.abandoned !== undefined) return this.#endLate(delivery, error)
    delivery.state = 'ended'
    this.#sayFailed(delivery, error)
    delivery.waiter?.failed(error, 'dead', delivery)
    this.#parts.ended(delivery)
    return error
  }

  /** The attempt has ended after it had been given up. Gives the reason for that: it is what its caller is told. */
  #endLate(delivery: Delivery, error: Error | undefined): Error {
    const { envelope, handler, abandoned } = delivery
    delivery.state = 'ended'
    if (error !== abandoned) this.#parts.observer.say('late', { envelope, handler, error })
    this.#parts.ended(delivery)
    return abandoned as Error
  }

  /** Gives the attempt so much time: then it has failed, whatever it still does. */
  limitTime(delivery: Delivery, timeoutMs: number): void {
    delivery.more().deadline = this.#parts.deadlines.after(timeoutMs, () => {
      const { handler, type } = delivery
      const error = new TimedOut(`${handler} took longer than its timeoutMs of ${timeoutMs} for '${type}'.`)
      this.#sayFailed(delivery, error)
      this.#parts.giveUp(delivery, error)
    })
  }

  #sayFailed({ waiter, envelope, handler }: Delivery, error: Error): void {
    this.#parts.observer.say(waiter?.ownsFailure ? 'failed' : 'dead', { envelope, handler, error })
  }

  /** Reports a delivery that was given up, and has not ended after the grace time. */
  watch(delivery: Delivery): void {
    const rest = delivery.more()
    rest.deadline?.cancel()
    rest.deadline = this.#parts.deadlines.after(this.#parts.stallAfterMs, () => {
      const { envelope, handler } = delivery
      this.#parts.observer.say('stalled', { envelope, handler, afterMs: this.#parts.stallAfterMs })
    })
  }
}

/** Records, after what the handler recorded itself, the returned instances of the classes it was bound to respond with. */
function recordResponseEvents(delivery: Delivery, value: unknown): void {
  const { responseEvents } = delivery.target
  if (responseEvents.length === 0) return
  for (const event of Array.isArray(value) ? value : [value]) {
    if (responseEvents.some((type) => event instanceof type)) delivery.publish(event as object)
  }
}
