import type { Delivery, Waiter } from '../engine/delivery.ts'
import type { Handler } from '../engine/handler.ts'
import type { Outcome } from '../engine/outcome.ts'

/** Waits for all deliveries of one event, and gives what became of each, in the order of the handlers. */
export class Join implements Waiter {
  readonly ownsFailure = false
  readonly outcomes: Promise<Outcome[]>
  readonly #handlers: readonly Handler[]
  readonly #settled: Outcome[] = []
  #resolve!: (outcomes: Outcome[]) => void
  #pending: number

  constructor(handlers: readonly Handler[]) {
    this.outcomes = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#handlers = handlers
    this.#pending = handlers.length
    if (handlers.length === 0) this.#resolve(this.#settled)
  }

  /** Nothing is run: the event was accepted before. */
  skip(): void {
    this.#resolve(this.#handlers.map(({ name }) => ({ handler: name, status: 'skipped' })))
  }

  done(value: unknown, { target }: Delivery): void {
    this.#settle(target, { handler: target.name, status: 'done', value })
  }

  failed(error: Error, status: 'dead' | 'skipped' | 'parked' | 'stopped', { target }: Delivery): void {
    this.#settle(target, { handler: target.name, status, error })
  }

  /** The bus has stopped: what is not known by now will not be. */
  stop(error: Error): void {
    for (const [index, { name: handler }] of this.#handlers.entries()) {
      this.#settled[index] ??= { handler, status: 'stopped', error }
    }
    this.#resolve(this.#settled)
  }

  #settle(handler: Handler, outcome: Outcome): void {
    this.#settled[this.#handlers.indexOf(handler)] = outcome
    this.#pending -= 1
    if (this.#pending === 0) this.#resolve(this.#settled)
  }
}
