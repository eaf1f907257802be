import type { Dispatch } from '../engine/outlet.ts'
import { InvalidOption } from '../errors.ts'
import { Envelope } from '../message/envelope.ts'
import { channels, type Observer } from '../observe.ts'
import type { DelayOptions, MessageOptions } from '../options.ts'
import type { Clock } from '../ports/clock.ts'
import { type Due, DueHeap } from './due-heap.ts'
import { DueTimer } from './due-timer.ts'
import type { SeenIds } from '../engine/seen-ids.ts'

/** What delays in memory work with. */
export interface MemoryDelaysParts {
  readonly clock: Clock
  readonly observer: Observer
  readonly seenIds: SeenIds
  /** Has messages that are due take their places, in this order. */
  readonly release: (due: readonly Dispatch[]) => void
}

/** A message that waits. */
interface Delayed extends Due {
  readonly envelope: Envelope
  readonly route: Dispatch['route']
}

/** So many take their places at once. If more are due, others have a turn between. */
const AT_ONCE = 1_000

const resolved: Promise<void> = Promise.resolve()

/**
 * Delayed messages in memory, for handlers that are not durable: as long as the bus runs. They were accepted, and take no place
 * in a lane before they are due, and no capacity.
 */
export class MemoryDelays {
  readonly #parts: MemoryDelaysParts
  readonly #heap = new DueHeap<Delayed>()
  readonly #byId = new Map<string, Delayed>()
  readonly #timer: DueTimer
  #taken = 0
  #isClosed = false

  constructor(parts: MemoryDelaysParts) {
    this.#parts = parts
    const { clock, seenIds } = parts
    this.#timer = new DueTimer(clock, { now: () => clock.now(), run: () => this.#release() })
    // Such an id is taken for as long as its message waits: else `cancel` would not know which is meant.
    seenIds.held = this.#byId
  }

  /** How many messages wait until they are due. */
  get size(): number {
    return this.#heap.size
  }

  /** When the next is due, in milliseconds since 1970; `undefined` where none waits. */
  get dueAt(): number | undefined {
    return this.#heap.first?.dueAt
  }

  /** Takes a message with its delay, unless it is due: then it gives nothing, and the message is to take its place now. */
  take(dispatch: Dispatch, delay: DelayOptions): Promise<void> | undefined {
    const { clock, observer, seenIds } = this.#parts
    const now = clock.now()
    const dueAt = dueAtOf(delay, now)
    if (dueAt <= now) return undefined
    const envelope = envelopeOf(dispatch, clock)
    const { givenId: id } = envelope
    const delayed: Delayed = { dueAt, order: this.#taken, place: 0, envelope, route: dispatch.route }
    if (this.#isClosed) {
      sayDelayed(delayed, observer, 'stop() does not wait for what is delayed')
      return resolved
    }
    if (id !== undefined) {
      if (!seenIds.add(id, now)) {
        observer.say('duplicate', { id, type: envelope.type })
        return resolved
      }
      this.#byId.set(id, delayed)
    }
    this.#taken += 1
    this.#heap.add(delayed)
    this.#timer.setBy(dueAt)
    if (channels.delayed.hasSubscribers) observer.say('delayed', { envelope, dueAt: new Date(dueAt) })
    return resolved
  }

  /** Takes back a message that is not due yet, by the id that its caller gave it. Tells whether there was one. */
  cancel(id: string): boolean {
    const delayed = this.#byId.get(id)
    if (delayed === undefined) return false
    this.#heap.remove(delayed)
    this.#timer.set(this.#heap.first?.dueAt)
    this.#forget(id)
    return true
  }

  /** Has none take its place any more, and reports them. */
  close(): void {
    this.#isClosed = true
    this.report('stop() does not wait for what is delayed')
  }

  /** Reports those that wait: the process exits. */
  report(reason: string): void {
    this.#timer.set(undefined)
    for (const delayed of this.#heap.takeAll()) {
      sayDelayed(delayed, this.#parts.observer, reason)
      this.#forgetIdOf(delayed)
    }
  }

  #release(): void {
    const now = this.#parts.clock.now()
    const due: Dispatch[] = []
    for (let next = this.#heap.first; next !== undefined && next.dueAt <= now; next = this.#heap.first) {
      if (due.length === AT_ONCE) break
      this.#heap.remove(next)
      this.#forgetIdOf(next) // It is seen when it takes its place, and remembered from then on.
      const { envelope, route } = next
      due.push({ message: envelope.message, route, of: envelope })
    }
    this.#timer.set(this.#heap.first?.dueAt)
    this.#parts.release(due)
  }

  #forgetIdOf({ envelope: { givenId } }: Delayed): void {
    if (givenId !== undefined) this.#forget(givenId)
  }

  #forget(id: string): void {
    this.#byId.delete(id)
    this.#parts.seenIds.delete(id)
  }
}

/** The delay among these options, for later: whoever gave them may change them. */
export function delayOf({ delayMs, at }: DelayOptions): DelayOptions | undefined {
  if (delayMs !== undefined) return { delayMs }
  return at === undefined ? undefined : { at: new Date(at) }
}

/** @throws {InvalidOption} where somebody would wait for a delayed message: for its answer, or for what becomes of it. */
export function refuseDelay(options: (MessageOptions & DelayOptions) | null): void {
  const { delayMs, at } = options ?? {} // Without options, it is refused soon.
  if (delayMs === undefined && at === undefined) return
  throw new InvalidOption(
    `A message with ${at === undefined ? 'delayMs' : 'at'} runs later, and nobody waits for it. ` +
      'Leave out the delay, or publish() or send() it without waitForResponse.',
  )
}

/** When a message is due, in milliseconds since 1970: rounded up, since it may never be early. */
export function dueAtOf({ delayMs = 0, at }: DelayOptions, now: number): number {
  return at === undefined ? Math.ceil(now + delayMs) : at.getTime()
}

/** The envelope of what waits; it was accepted now. */
export function envelopeOf({ message, route, of }: Dispatch, clock: Clock): Envelope {
  const envelope = typeof of === 'object' ? of : new Envelope({ message, type: route.type, clock, key: of })
  void envelope.time
  return envelope
}

function sayDelayed({ envelope, route }: Delayed, observer: Observer, reason: string): void {
  for (const { name } of route.handlers) observer.say('stopped', { envelope, handler: name, state: 'delayed', reason })
}
