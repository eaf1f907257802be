import { asError } from '../errors.ts'
import type { Observer } from '../observe.ts'
import type { Binding } from '../routing/binding.ts'
import { isThenable } from '../routing/middleware.ts'
import { DeliveryContext } from './context.ts'
import type { Delivery } from './delivery.ts'
import { ReadyList, RunningList } from './delivery-lists.ts'
import { Lanes } from './lanes.ts'

/**
 * Runs deliveries: those of one handler and key one after the other, in the order in which they were submitted, all
 * others side by side.
 *
 * To change how deliveries run, extend it, override `submit` or `run`, and give the class to the dispatcher:
 * `new Dispatcher({ engine: MyEngine })`.
 */
export class Engine {
  /** Whether the dispatcher takes no more from outside, and waits for the engine to become idle. */
  stopping = false
  protected readonly observer: Observer
  readonly #ready = new ReadyList()
  readonly #running = new RunningList()
  /** Kept over a stop and a new start: a handler that outlived its deadline still holds its lane. */
  readonly #lanes = new Map<Binding, Lanes>()
  #inFlight = 0
  #pumping = false
  #whenIdle: (() => void)[] = []

  constructor(observer: Observer) {
    this.observer = observer
  }

  /** The lanes of a handler, whatever became of the dispatcher meanwhile. */
  lanesOf(binding: Binding): Lanes {
    const lanes = this.#lanes.get(binding) ?? new Lanes()
    this.#lanes.set(binding, lanes)
    return lanes
  }

  /** How many deliveries wait or run, but for those given up. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Takes a delivery: it has its place in its lane when this returns, and starts with the next `pump`. */
  submit(delivery: Delivery): void {
    this.#inFlight += 1
    const { key } = delivery.envelope
    if (key !== undefined && !delivery.handler.lanes.enter(key, delivery)) return
    this.#ready.push(delivery)
  }

  /** Starts what is ready, one after the other; within a start, nothing: never one inside another. */
  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    try {
      for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) this.#start(next)
    } finally {
      this.#pumping = false
    }
  }

  /** Resolves when nothing waits or runs. */
  idle(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  /** Every delivery that waits or runs, but for those given up. */
  unfinished(): Delivery[] {
    const heads = [...this.#running, ...this.#ready]
    const all = heads.flatMap((head) => {
      const lane: Delivery[] = []
      for (let one: Delivery | undefined = head; one !== undefined; one = one.behind) lane.push(one)
      return lane
    })
    return all.filter((delivery) => delivery.abandoned === undefined)
  }

  /**
   * Gives a delivery up: one that waits will not run; one that runs is told by its signal, and keeps its lane until it
   * ends; whoever waited is told. From now on it does not count as unfinished.
   */
  abandon(delivery: Delivery, reason: Error): void {
    if (delivery.abandoned !== undefined || delivery.state === 'ended') return
    delivery.abandon(reason)
    delivery.waiter?.failed(reason, 'stopped')
    this.#finished()
  }

  /** Runs one attempt: what it returns, or resolves to, is the response; what it throws is the failure. */
  protected run(delivery: Delivery): unknown {
    return delivery.handler.attempt(delivery.envelope.message, new DeliveryContext(delivery, this))
  }

  #start(delivery: Delivery): void {
    if (delivery.abandoned !== undefined) return this.#end(delivery)
    delivery.state = 'running'
    this.#running.add(delivery)
    let value: unknown
    try {
      value = this.run(delivery)
    } catch (thrown) {
      return this.#fail(delivery, thrown)
    }
    if (!isThenable(value)) return this.#succeed(delivery, value)
    value.then(
      (response) => this.#succeed(delivery, response),
      (thrown) => this.#fail(delivery, thrown),
    )
  }

  #succeed(delivery: Delivery, value: unknown): void {
    if (delivery.abandoned !== undefined) return this.#endLate(delivery, undefined)
    try {
      recordResponseEvents(delivery, value)
    } catch (thrown) {
      return this.#fail(delivery, thrown)
    }
    const { recorded, waiter } = delivery
    this.#leaveRunning(delivery)
    if (recorded !== undefined) delivery.outlet.release(recorded)
    waiter?.done(value)
    this.#end(delivery)
  }

  #fail(delivery: Delivery, thrown: unknown): void {
    const error = asError(thrown)
    if (delivery.abandoned !== undefined) return this.#endLate(delivery, error)
    const { envelope, handler, waiter } = delivery
    this.#leaveRunning(delivery)
    this.observer.say(waiter?.ownsFailure ? 'failed' : 'dead', { envelope, handler: handler.name, error })
    waiter?.failed(error, 'dead')
    this.#end(delivery)
  }

  /** The attempt has ended, and whoever waited had been told before. */
  #endLate(delivery: Delivery, error: Error | undefined): void {
    const { envelope, handler } = delivery
    this.#leaveRunning(delivery)
    if (error !== delivery.abandoned) this.observer.say('late', { envelope, handler: handler.name, error })
    this.#end(delivery)
  }

  #leaveRunning(delivery: Delivery): void {
    this.#running.delete(delivery)
    delivery.state = 'ended'
  }

  /** The last step of every delivery: whoever is behind it in its lane comes next. */
  #end(delivery: Delivery): void {
    delivery.state = 'ended'
    const { key } = delivery.envelope
    const behind = key === undefined ? undefined : delivery.handler.lanes.leave(key, delivery)
    if (delivery.abandoned === undefined) this.#finished()
    if (behind !== undefined) this.#ready.push(behind)
    this.pump()
  }

  #finished(): void {
    this.#inFlight -= 1
    if (this.#inFlight > 0) return
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }
}

/** Records, after what the handler recorded itself, the returned instances of the classes it was bound to respond with. */
function recordResponseEvents(delivery: Delivery, value: unknown): void {
  const { responseEvents } = delivery.handler
  if (responseEvents.length === 0) return
  for (const event of Array.isArray(value) ? value : [value]) {
    if (responseEvents.some((type) => event instanceof type)) delivery.record('publish', event, {})
  }
}
