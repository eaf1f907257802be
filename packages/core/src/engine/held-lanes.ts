import type { Observer } from '../observe.ts'
import type { Census } from './census.ts'
import type { Deadlines } from './deadlines.ts'
import type { Delivery } from './delivery.ts'
import type { Failures } from './failures.ts'
import { Parking } from './parking.ts'
import { Retries } from './retries.ts'

/** What is needed of the engine. */
export interface HoldingEngine {
  readonly census: Census
  readonly deadlines: Deadlines
  readonly stopping: boolean
  readonly stopped: boolean
  abandon(delivery: Delivery, reason: Error, status: 'parked'): void
  /** Gives a delivery up because the bus stops, and says so. */
  giveUpAtStop(delivery: Delivery, reason: string): void
  /** Takes one that is the head of its lane, or has none. */
  ready(delivery: Delivery): void
  /** Goes on with a lane that nobody holds any more. */
  resume(head: Delivery): void
  pump(): void
  /** One more is parked: there may be too many. */
  makeRoom(): void
}

/**
 * Lanes that a delivery holds without running: it waits for its next attempt, or is dead and has the others parked behind
 * it. Here deliveries take the places of others.
 */
export class HeldLanes {
  readonly parking: Parking
  readonly #engine: HoldingEngine
  readonly #retries: Retries
  /** Their time has come, and it is not written yet that they start. */
  readonly #starting = new Set<Delivery>()
  /** Heads of lanes that are held no more. */
  readonly #freed: Delivery[] = []

  constructor(engine: HoldingEngine, observer: Observer) {
    this.#engine = engine
    this.parking = new Parking(engine, observer)
    this.#retries = new Retries(engine.deadlines, (delivery) => this.#due(delivery))
  }

  /** Has another attempt take the place of one that failed, after so many milliseconds. */
  retry(failed: Delivery, failures: Failures, delayMs: number): void {
    const next = failed.again(failures)
    this.#takePlaceOf(failed, next)
    if (delayMs === 0 && next.rest?.kept === undefined) return this.#engine.ready(next)
    this.hold(next, delayMs)
    if (this.#engine.stopping) this.#stopLane(next)
  }

  /** A delivery takes a free lane, if it has a key, and waits for so many milliseconds. */
  hold(delivery: Delivery, delayMs: number): void {
    const { key, lane, target } = delivery
    if (key !== undefined && lane === undefined) target.lanes.enter(key, delivery)
    this.#retries.add(delivery, delayMs)
  }

  /** A dead delivery takes its lane, and holds it: now, or when a handler from before a stop has left it. */
  holdDead(dead: Delivery): void {
    dead.state = 'dead'
    if (dead.key !== undefined && dead.target.lanes.enter(dead.key, dead)) this.parking.park(dead)
  }

  /** Puts a dead letter back: where its dead delivery stands, or as the next in its lane. */
  replay(delivery: Delivery, dead: Delivery | undefined): void {
    const { key, target } = delivery
    const holds = dead !== undefined && (dead.lane === undefined || dead.lane.head === dead)
    if (holds) this.#takePlaceOf(dead, delivery)
    else if (dead !== undefined) dead.state = 'dropped'
    if (holds || key === undefined || target.lanes.enterNext(key, delivery)) this.#engine.ready(delivery)
    else {
      this.#engine.census.inFlight += 1
      this.#engine.census.waiting += 1
      this.queue(delivery)
    }
    this.#engine.pump()
  }

  /** A delivery has its place behind others, and has been counted as waiting. */
  queue(delivery: Delivery): void {
    delivery.stamp()
    const head = delivery.lane?.head
    if (head?.state === 'dead') {
      this.parking.add(delivery)
      this.#engine.makeRoom()
    } else if (head?.state === 'retrying' && this.#engine.stopping) this.#stopLane(head)
  }

  /** Lets a lane go on that the delivery has held, with the next pump. */
  free(delivery: Delivery): void {
    const { key, lane, target } = delivery
    this.parking.unpark(delivery)
    const isBehind = lane !== undefined && lane.head !== delivery
    delivery.state = isBehind ? 'dropped' : 'ended'
    if (key === undefined || lane === undefined || isBehind) return
    let next = target.lanes.leave(key, lane)
    while (next?.state === 'dropped') {
      next.state = 'ended'
      next = target.lanes.leave(key, lane)
    }
    if (next !== undefined && this.#engine.stopped) this.#freed.push(next)
    else if (next !== undefined) this.#engine.resume(next)
  }

  /** Goes on with the lanes that were freed while nothing could run. */
  resumeFreed(): void {
    for (const head of this.#freed.splice(0)) this.#engine.resume(head)
    this.#engine.pump()
  }

  /** It will not be tried again; its lane is held until `freeRetrying`. */
  disarm(delivery: Delivery): void {
    this.#retries.disarm(delivery)
  }

  /** Gives up what waits for its next attempt, and whatever is behind it or will be: nothing can overtake it. */
  stopRetrying(): void {
    for (const delivery of this.retrying()) this.#stopLane(delivery)
  }

  /** One that waits for its next attempt is somebody else's now: its lane goes on without it. */
  letGo(retrying: Delivery): void {
    this.#retries.remove(retrying)
    this.#starting.delete(retrying)
    this.free(retrying)
  }

  freeRetrying(): void {
    for (const delivery of [...this.#retries.takeAll(), ...this.#starting]) this.free(delivery)
    this.#starting.clear()
  }

  /** Every delivery that waits for its next attempt. */
  retrying(): Delivery[] {
    return [...this.#retries, ...this.#starting]
  }

  #due(delivery: Delivery): void {
    const { rest } = delivery
    const go = (): void => {
      this.#starting.delete(delivery)
      if (delivery.state !== 'retrying' || delivery.abandoned !== undefined) return
      this.#engine.ready(delivery)
      this.#engine.pump()
    }
    if (rest?.kept === undefined) return go()
    this.#starting.add(delivery)
    rest.kept.keeper.restart(delivery, go)
  }

  #takePlaceOf(held: Delivery, next: Delivery): void {
    const { lane } = held
    this.parking.unpark(held)
    held.state = 'ended'
    if (lane === undefined) return
    next.lane = lane
    lane.head = next
  }

  #stopLane(head: Delivery): void {
    for (const delivery of head.lane === undefined ? [head] : [head, ...head.lane]) {
      if (delivery.abandoned === undefined) this.#engine.giveUpAtStop(delivery, 'stop() does not wait for retries')
    }
  }
}
