import type { Delivery } from './delivery.ts'
import { Fifo } from './fifo.ts'
import { KeyMap } from './key-map.ts'

/** The queue of one (handler, key). Its head is ready or running; the others stand in it, in the order of the calls. */
export class Lane extends Fifo<Delivery> {
  head: Delivery

  constructor(head: Delivery) {
    super()
    this.head = head
  }
}

/** The lanes of one handler. A lane exists only while it has a delivery. */
export class Lanes {
  readonly #byKey = new KeyMap<Lane>()

  /** Takes a place. Tells whether it is the head's. */
  enter(key: string, delivery: Delivery): boolean {
    const lane = this.#byKey.get(key)
    if (lane === undefined) {
      const made = new Lane(delivery)
      delivery.lane = made
      this.#byKey.set(key, made)
      return true
    }
    delivery.lane = lane
    lane.push(delivery)
    return false
  }

  /** Takes the place behind the head, before all that were not replayed. Tells whether it is the head's. */
  enterNext(key: string, delivery: Delivery): boolean {
    const lane = this.#byKey.get(key)
    if (lane === undefined) return this.enter(key, delivery)
    delivery.lane = lane
    lane.insertBefore(delivery, ({ replayed }) => !replayed)
    return false
  }

  /** Leaves the head's place, and gives the delivery that has it now, if there is one. */
  leave(key: string, lane: Lane): Delivery | undefined {
    const next = lane.shift()
    if (next === undefined) this.#byKey.delete(key)
    else lane.head = next
    return next
  }

  of(key: string): Lane | undefined {
    return this.#byKey.get(key)
  }

  /** How many keys have work. */
  get size(): number {
    return this.#byKey.size
  }
}
