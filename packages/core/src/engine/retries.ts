import type { Deadline, Deadlines } from './deadlines.ts'
import type { Delivery } from './delivery.ts'

/** The deliveries that wait for their next attempt. Each has its place in its lane all the while. */
export class Retries {
  readonly #waiting = new Map<Delivery, Deadline>()
  readonly #deadlines: Deadlines
  readonly #due: (delivery: Delivery) => void

  /** @param due is called for each when its time has come. */
  constructor(deadlines: Deadlines, due: (delivery: Delivery) => void) {
    this.#deadlines = deadlines
    this.#due = due
  }

  /** @param delayMs in milliseconds; rounded up, since it may never be early. */
  add(delivery: Delivery, delayMs: number): void {
    delivery.state = 'retrying'
    const deadline = this.#deadlines.after(Math.ceil(delayMs), () => {
      this.#waiting.delete(delivery)
      this.#due(delivery)
    })
    this.#waiting.set(delivery, deadline)
  }

  /** It will not be tried again by itself: its place is kept until `takeAll`. */
  disarm(delivery: Delivery): void {
    this.#waiting.get(delivery)?.cancel()
  }

  /** It will not be tried again, and leaves its place. */
  remove(delivery: Delivery): void {
    this.disarm(delivery)
    this.#waiting.delete(delivery)
  }

  /** Gives all of them, and forgets them. */
  takeAll(): Delivery[] {
    const all = [...this.#waiting.keys()]
    for (const delivery of all) this.disarm(delivery)
    this.#waiting.clear()
    return all
  }

  [Symbol.iterator](): Iterator<Delivery> {
    return this.#waiting.keys()
  }
}
