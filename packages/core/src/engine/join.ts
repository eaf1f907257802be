import type { Delivery, Waiter } from './delivery.ts'
import type { Handler } from './handler.ts'
import type { Outcome } from './outcome.ts'

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

  /** Nobody will know any more what becomes of those that are not settled. */
  stop(error: Error): void {
    for (const handler of this.#handlers) this.#settle(handler, { handler: handler.name, status: 'stopped', error })
  }

  done(value: unknown, { target }: Delivery): void {
    this.#settle(target, { handler: target.name, status: 'done', value })
  }

  failed(error: Error, status: 'dead' | 'skipped' | 'parked' | 'stopped', { target }: Delivery): void {
    this.#settle(target, { handler: target.name, status, error })
  }

  #settle(handler: Handler, outcome: Outcome): void {
    const index = this.#handlers.indexOf(handler)
    if (this.#settled[index] !== undefined) return // It was parked, and has gone on.
    this.#settled[index] = outcome
    this.#pending -= 1
    if (this.#pending === 0) this.#resolve(this.#settled)
  }
}
