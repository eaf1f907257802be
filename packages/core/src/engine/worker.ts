import type { Delivery } from './delivery.ts'

/** What a worker tells the engine. */
export interface WorkerEngine {
  settled(worker: Worker, value: unknown, hasFailed: boolean): unknown
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
    this.done = (value) => engine.settled(this, value, false)
    this.failed = (thrown) => engine.settled(this, thrown, true)
  }
}

/** How many workers without work are kept: about 2 MB. */
const SPARE = 8_192

/** The workers of an engine. */
export class Workers {
  readonly #engine: WorkerEngine
  /** The delivery whose handler is being called: until it is settled, or has given a promise. */
  starting: Delivery | undefined = undefined
  #all: Worker[] = []
  #adopted: Worker | undefined = undefined
  #free: Worker | undefined = undefined

  constructor(engine: WorkerEngine) {
    this.#engine = engine
  }

  take(delivery: Delivery): Worker {
    let worker = this.#free
    if (worker === undefined) {
      worker = new Worker(this.#engine)
      this.#all.push(worker)
    } else this.#free = worker.next
    worker.next = undefined
    worker.delivery = delivery
    return worker
  }

  release(worker: Worker): void {
    worker.delivery = undefined
    worker.burst = 0
    worker.next = this.#free
    this.#free = worker
  }

  /** Whatever has a worker, or would have one if it was asynchronous. One of them may have ended just now. */
  holders(): Delivery[] {
    const holders = this.#all.flatMap(({ delivery }) => (delivery === undefined ? [] : [delivery]))
    const { starting } = this
    return starting === undefined || holders.includes(starting) ? holders : [...holders, starting]
  }

  /**
   * The same, when the first limit is set, and they begin to be counted. A delivery whose own handler sets it, and that
   * had no need of a worker so far, is given one.
   */
  adopted(): Delivery[] {
    const { starting } = this
    const hasWorker = this.#all.some(({ delivery }) => delivery === starting)
    if (starting !== undefined && !hasWorker) this.#adopted = this.take(starting)
    return this.holders()
  }

  /** The worker that the delivery was given while it was started without one. */
  takeAdopted(): Worker | undefined {
    const adopted = this.#adopted
    if (adopted !== undefined) this.#adopted = undefined
    return adopted
  }

  /** After a time of much work there may be many without any. */
  letSpareGo(): void {
    if (this.#all.length <= SPARE) return
    this.#all = this.#all.filter(({ delivery }) => delivery !== undefined)
    this.#free = undefined
  }
}
