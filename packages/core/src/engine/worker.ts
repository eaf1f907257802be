import type { Delivery } from './delivery.ts'

/** What a worker tells the engine. */
export interface WorkerEngine {
  done(worker: Worker, value: unknown): unknown
  failed(worker: Worker, thrown: unknown): unknown
}

/**
 * One of the deliveries that run at a time. It is used again for one delivery after the other, and so are its two
 * functions: to know the end of a promise costs no function made for it.
 */
export class Worker {
  delivery: Delivery | undefined = undefined
  /** How many deliveries of one lane it has run in a row. */
  burst = 0
  /** The next one that is free. */
  next: Worker | undefined = undefined
  readonly done: (value: unknown) => unknown
  readonly failed: (thrown: unknown) => unknown

  constructor(engine: WorkerEngine) {
    this.done = (value) => engine.done(this, value)
    this.failed = (thrown) => engine.failed(this, thrown)
  }
}
