import { LaneParked } from '../errors.ts'
import type { Observer } from '../observe.ts'
import type { Census } from './census.ts'
import type { Delivery } from './delivery.ts'

/** What is needed of the engine. */
export interface ParkingEngine {
  readonly census: Census
  abandon(delivery: Delivery, reason: Error, status: 'parked'): void
}

/**
 * The deliveries that wait behind a dead one of their lane. The dead one stays the head of the lane, in the state `dead`:
 * that is what makes a lane parked. Whoever waits for a parked delivery is told so; it runs when the dead one has been
 * replayed with success, or is discarded.
 */
export class Parking {
  /** How many deliveries are parked. */
  count = 0
  /** The heads of the parked lanes. */
  readonly #dead = new Set<Delivery>()
  readonly #engine: ParkingEngine
  readonly #observer: Observer

  constructor(engine: ParkingEngine, observer: Observer) {
    this.#engine = engine
    this.#observer = observer
  }

  /** Whether a request to this lane would have to wait for a person. */
  refuses({ key, target }: Delivery): boolean {
    return this.#dead.size > 0 && key !== undefined && target.lanes.of(key)?.head.state === 'dead'
  }

  /** A delivery has died: whatever is behind it, and will be, is parked. */
  park(dead: Delivery): void {
    dead.state = 'dead'
    this.#dead.add(dead)
    for (const behind of dead.lane ?? []) if (behind.state === 'waiting') this.add(behind)
  }

  /** One more waits behind a dead delivery; it has been counted as waiting so far. */
  add(delivery: Delivery): void {
    const { census } = this.#engine
    const { waiter, envelope, handler, key } = delivery
    const reason = new LaneParked(handler, key)
    if (waiter?.ownsFailure) return this.#engine.abandon(delivery, reason, 'parked')
    const kept = delivery.rest?.kept
    // One that is kept waits in the store: its place here is passed over.
    delivery.state = kept === undefined ? 'parked' : 'dropped'
    delivery.waiter = undefined
    if (kept === undefined) this.count += 1
    else kept.keeper.setAside(delivery)
    census.fewerWait()
    census.ended()
    this.#observer.say('parked', { envelope, handler })
    waiter?.failed(reason, 'parked', delivery)
  }

  /** A dead delivery is the head of its lane no more: what was parked behind it waits again. */
  unpark(dead: Delivery): void {
    const { census } = this.#engine
    if (!this.#dead.delete(dead)) return
    for (const behind of dead.lane ?? []) {
      if (behind.state !== 'parked') continue
      behind.state = 'waiting'
      this.count -= 1
      census.waiting += 1
      census.inFlight += 1
    }
  }

  /** Takes away what is parked behind a dead delivery, for good; each place is passed over when its turn comes. */
  drop(dead: Delivery): Delivery[] {
    const dropped = this.behind(dead)
    for (const one of dropped) one.state = 'dropped'
    this.count -= dropped.length
    return dropped
  }

  behind(dead: Delivery): Delivery[] {
    return [...(dead.lane ?? [])].filter(({ state }) => state === 'parked')
  }

  /** Everything that is parked. */
  *[Symbol.iterator](): Iterator<Delivery> {
    for (const dead of this.#dead) yield* this.behind(dead)
  }
}
