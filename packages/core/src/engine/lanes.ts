import type { Delivery } from './delivery.ts'

/**
 * The lanes of one handler: for each key, its deliveries in the order of the calls. The first of a lane is ready or
 * running, those behind it wait. A lane exists only while it has a delivery.
 */
export class Lanes {
  /** The last delivery of each lane; the others hang together by `behind`. */
  readonly #last = new Map<string, Delivery>()

  /** Takes a place. Tells whether it is the first one. */
  enter(key: string, delivery: Delivery): boolean {
    const last = this.#last.get(key)
    this.#last.set(key, delivery)
    if (last === undefined) return true
    last.behind = delivery
    return false
  }

  /** Leaves the first place, and gives the delivery that has it now, if there is one. */
  leave(key: string, delivery: Delivery): Delivery | undefined {
    const { behind } = delivery
    if (behind === undefined) this.#last.delete(key)
    delivery.behind = undefined
    return behind
  }

  /** How many keys have work. */
  get size(): number {
    return this.#last.size
  }
}
