import { asError, TimedOut } from '../errors.ts'
import type { Kind } from '../message/kind.ts'
import type { Observer } from '../observe.ts'
import type { Clock } from '../ports/clock.ts'
import type { Binding } from '../routing/binding.ts'
import { isThenable } from '../routing/middleware.ts'
import { Deadlines } from './deadlines.ts'
import { caller, type Delivery } from './delivery.ts'
import { Fifo } from './fifo.ts'
import type { HandlerEngine, Places } from './handler.ts'
import { Lanes } from './lanes.ts'
import { Pool } from './pool.ts'
import { Worker, type WorkerEngine } from './worker.ts'

/** What an engine works with. */
export interface EngineParts {
  readonly observer: Observer
  readonly clock: Clock
  /** How long a handler that was given up may go on before it is reported as stalled, in milliseconds. */
  readonly stallAfterMs: number
}

/** How many deliveries of one lane a worker runs in a row while others wait for a worker. */
const BURST = 32

/** How many workers without work are kept. */
const SPARE_WORKERS = 1_024

/**
 * Runs deliveries: those of one handler and key one after the other, in the order in which they took their places, all
 * others side by side, as many as the pools let.
 *
 * A delivery takes its place (`place`), then those that can start do so, one after the other and never one inside another
 * (`pump`). A worker runs a delivery, then the next of its lane, then whatever waits for a worker.
 *
 * To change how deliveries run, extend it, override `place` or `run`, and give the class to the dispatcher:
 * `new Dispatcher({ engine: MyEngine })`.
 */
export class Engine implements HandlerEngine, WorkerEngine {
  readonly clock: Clock
  readonly madeAtMs: number
  readonly deadlines: Deadlines
  /** The workers of the dispatcher, and below it those of each router. */
  readonly pool: Pool = new Pool()
  readonly routerPools: Readonly<Record<Kind, Pool>> = {
    event: new Pool(this.pool),
    command: new Pool(this.pool),
    query: new Pool(this.pool),
  }
  /** Whether the dispatcher takes no more from outside, and waits for the engine to become idle. */
  stopping = false
  /** Called when fewer deliveries wait than before, as long as somebody wants to know. */
  whenFewer: (() => void) | undefined = undefined
  protected readonly observer: Observer
  readonly #stallAfterMs: number
  /** Kept over a stop and a new start: a handler that outlived its deadline still holds its lane. */
  readonly #places = new Map<Binding, Places>()
  /** Heads of their lanes, and deliveries without a key, that the pump has not looked at yet. */
  readonly #fresh = new Fifo<Delivery>()
  #workers: Worker[] = []
  #freeWorker: Worker | undefined
  #inFlight = 0
  #waiting = 0
  #pumping = false
  /** The delivery whose handler is being called: known for the synchronous part of the call. */
  #starting: Delivery | undefined
  #whenIdle: (() => void)[] = []

  constructor({ observer, clock, stallAfterMs }: EngineParts) {
    this.observer = observer
    this.clock = clock
    this.madeAtMs = clock.now()
    this.deadlines = new Deadlines(clock)
    this.#stallAfterMs = stallAfterMs
  }

  placesOf(binding: Binding): Places {
    let places = this.#places.get(binding)
    if (places === undefined) {
      places = { lanes: new Lanes(), pool: new Pool(this.routerPools[binding.router]) }
      places.pool.limit = binding.workers ?? Number.POSITIVE_INFINITY
      this.#places.set(binding, places)
    }
    return places
  }

  /** How many deliveries wait or run. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** How many deliveries wait, in their lanes or for a worker. */
  get waiting(): number {
    return this.#waiting
  }

  /** The delivery whose handler is being called right now, if one is. */
  get starting(): Delivery | undefined {
    return this.#starting
  }

  /** Takes a delivery: it has its place when this returns, and starts with the next `pump`, or later. */
  submit(delivery: Delivery): void {
    this.#queue(delivery, this.place(delivery))
  }

  /**
   * Takes a request, and gives the promise of its answer. It starts at once if it can; whatever else was ready has been
   * started too when this returns.
   */
  request(delivery: Delivery): Promise<unknown> {
    const { pool, timeoutMs } = delivery.target
    const first = this.place(delivery)
    if (!first || this.#pumping || timeoutMs !== undefined || !pool.isOpen) return this.#requestLater(delivery, first)
    delivery.waiter = caller
    pool.enter()
    this.#pumping = true
    try {
      return this.#requestNow(delivery, this.#workerFor(delivery))
    } finally {
      this.#pumping = false
      this.pump()
    }
  }

  /** Starts what can start, one after the other; within a start, nothing: never one inside another. */
  pump(): void {
    if (this.#pumping || (this.#fresh.first === undefined && !this.pool.isWanted)) return
    this.#pumping = true
    try {
      this.#startReady()
    } finally {
      this.#pumping = false
    }
  }

  /**
   * Gives a delivery up: one that waits will not run; one that runs is told by its signal, keeps its lane and its worker
   * until it ends, and is reported if that takes long. Whoever waits is told at once, but for the caller of a request that
   * started within its call: that one is told when the handler ends.
   */
  abandon(delivery: Delivery, reason: Error, status: 'dead' | 'stopped' = 'stopped'): void {
    if (delivery.abandoned !== undefined || delivery.state === 'ended') return
    const ran = delivery.state === 'running'
    delivery.abandon(reason)
    delivery.waiter?.failed(reason, status)
    if (ran) this.#watch(delivery)
    else {
      delivery.state = 'ended'
      this.#finished(delivery)
      this.#fewerWait()
    }
  }

  /** Every delivery that waits or runs, but for those given up. */
  unfinished(): Delivery[] {
    const heads = [...this.running(), ...this.#fresh, ...this.pool.waiting]
    const all = heads.flatMap((head) => (head.lane?.head === head ? [head, ...head.lane.waiting] : [head]))
    return all.filter((delivery) => delivery.state !== 'ended' && delivery.abandoned === undefined)
  }

  /** Every delivery that runs. */
  running(): Delivery[] {
    return this.#workers.flatMap(({ delivery }) => (delivery?.state === 'running' ? [delivery] : []))
  }

  /** Waits for none of them any more: they outlived the deadline of a stop. */
  forgetRunning(): void {
    for (const delivery of this.running()) {
      this.#finished(delivery)
      delivery.more().forgotten = true
    }
  }

  /** Resolves when nothing waits or runs. */
  idle(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  /** Gives a delivery its place in the order. Tells whether nobody is before it. */
  protected place(delivery: Delivery): boolean {
    this.#inFlight += 1
    const { key, target } = delivery
    return key === undefined || target.lanes.enter(key, delivery)
  }

  /** Runs one attempt: what it returns, or resolves to, is the response; what it throws is the failure. */
  protected run(delivery: Delivery): unknown {
    return delivery.target.attempt(delivery.message, delivery)
  }

  /** For workers: the promise of an attempt has come true. */
  done(worker: Worker, value: unknown): unknown {
    const delivery = worker.delivery as Delivery
    let error: Error | undefined
    this.#pumping = true
    try {
      error = this.#succeed(delivery, value)
      this.#advance(worker)
      this.#startReady()
    } finally {
      this.#pumping = false
    }
    if (error !== undefined && delivery.waiter === caller) throw error
    return value
  }

  /** For workers: the promise of an attempt was rejected. */
  failed(worker: Worker, thrown: unknown): unknown {
    const delivery = worker.delivery as Delivery
    let error: Error
    this.#pumping = true
    try {
      error = this.#fail(delivery, thrown)
      this.#advance(worker)
      this.#startReady()
    } finally {
      this.#pumping = false
    }
    if (delivery.waiter === caller) throw error
    return undefined
  }

  #requestNow(delivery: Delivery, worker: Worker): Promise<unknown> {
    let error: Error | undefined
    let value: unknown
    try {
      value = this.#call(delivery)
      if (isThenable(value)) return nativePromise(value).then(worker.done, worker.failed)
    } catch (thrown) {
      error = this.#fail(delivery, thrown)
      this.#advance(worker)
      return Promise.reject(error)
    }
    error = this.#succeed(delivery, value)
    this.#advance(worker)
    return error === undefined ? Promise.resolve(value) : Promise.reject(error)
  }

  #requestLater(delivery: Delivery, first: boolean): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    delivery.waiter = { ownsFailure: true, done: resolve, failed: reject }
    this.#queue(delivery, first)
    this.pump()
    return promise
  }

  #startReady(): void {
    for (;;) {
      const fresh = this.#fresh.shift()
      if (fresh !== undefined) {
        const { pool } = fresh.target
        if (pool.isOpen) {
          pool.enter()
          this.#waitsNoMore(fresh)
          this.#drive(this.#workerFor(fresh))
        } else {
          fresh.stamp()
          pool.wait(fresh)
        }
        continue
      }
      const next = this.pool.take()
      if (next === undefined) return
      this.#waitsNoMore(next)
      this.#drive(this.#workerFor(next))
    }
  }

  /** Has the worker run its delivery, and whatever comes next for it, until one is asynchronous or there is none. */
  #drive(worker: Worker): void {
    for (let delivery = worker.delivery; delivery !== undefined; delivery = this.#nextFor(worker)) {
      if (delivery.state === 'ended') continue // Given up while it waited.
      let value: unknown
      try {
        value = this.#call(delivery)
      } catch (thrown) {
        this.#fail(delivery, thrown)
        continue
      }
      if (isThenable(value)) {
        void nativePromise(value).then(worker.done, worker.failed)
        return
      }
      this.#succeed(delivery, value)
    }
  }

  /** The worker's delivery has ended: has it run what comes next for it, if anything does. */
  #advance(worker: Worker): void {
    if (this.#nextFor(worker) !== undefined) this.#drive(worker)
  }

  /** The delivery of this worker has ended. Gives the next one, or lets the worker go. */
  #nextFor(worker: Worker): Delivery | undefined {
    const { target, key, lane } = worker.delivery as Delivery
    const behind = key === undefined || lane === undefined ? undefined : target.lanes.leave(key, lane)
    if (behind !== undefined && worker.burst < BURST && !target.pool.isOver) {
      worker.burst += 1
      return this.#give(worker, behind)
    }
    if (behind !== undefined) target.pool.wait(behind)
    target.pool.leave()
    worker.burst = 0
    const next = this.pool.take()
    if (next !== undefined) return this.#give(worker, next)
    worker.delivery = undefined
    worker.next = this.#freeWorker
    this.#freeWorker = worker
    return undefined
  }

  #give(worker: Worker, delivery: Delivery): Delivery {
    this.#waitsNoMore(delivery)
    worker.delivery = delivery
    return delivery
  }

  #workerFor(delivery: Delivery): Worker {
    let worker = this.#freeWorker
    if (worker === undefined) {
      worker = new Worker(this)
      this.#workers.push(worker)
    } else this.#freeWorker = worker.next
    worker.next = undefined
    worker.delivery = delivery
    return worker
  }

  #call(delivery: Delivery): unknown {
    delivery.state = 'running'
    const { timeoutMs } = delivery.target
    if (timeoutMs !== undefined) {
      delivery.more().deadline = this.deadlines.after(timeoutMs, () => this.#timeOut(delivery, timeoutMs))
    }
    this.#starting = delivery
    try {
      return this.run(delivery)
    } finally {
      this.#starting = undefined
    }
  }

  /** Gives the error that the success became, if it did. */
  #succeed(delivery: Delivery, value: unknown): Error | undefined {
    const { target, waiter } = delivery
    if (delivery.rest !== undefined || target.responseEvents.length > 0) {
      delivery.rest?.deadline?.cancel()
      if (delivery.abandoned !== undefined) return this.#endLate(delivery, undefined)
      try {
        recordResponseEvents(delivery, value)
      } catch (thrown) {
        return this.#fail(delivery, thrown)
      }
      delivery.state = 'ended'
      const recorded = delivery.rest?.recorded
      if (recorded !== undefined) target.outlet.release(recorded)
    }
    delivery.state = 'ended'
    waiter?.done(value)
    this.#finished(delivery)
    return undefined
  }

  #fail(delivery: Delivery, thrown: unknown): Error {
    const error = asError(thrown)
    delivery.rest?.deadline?.cancel()
    if (delivery.abandoned !== undefined) return this.#endLate(delivery, error)
    delivery.state = 'ended'
    this.#sayFailed(delivery, error)
    delivery.waiter?.failed(error, 'dead')
    this.#finished(delivery)
    return error
  }

  /** The attempt has ended after it had been given up. Gives the reason for that: it is what its caller is told. */
  #endLate(delivery: Delivery, error: Error | undefined): Error {
    const { envelope, handler, abandoned } = delivery
    delivery.state = 'ended'
    if (error !== abandoned) this.observer.say('late', { envelope, handler, error })
    this.#finished(delivery)
    return abandoned as Error
  }

  #timeOut(delivery: Delivery, timeoutMs: number): void {
    const error = new TimedOut(`${delivery.handler} took longer than its timeoutMs of ${timeoutMs} for '${delivery.type}'.`)
    this.#sayFailed(delivery, error)
    this.abandon(delivery, error, 'dead')
  }

  #sayFailed({ waiter, envelope, handler }: Delivery, error: Error): void {
    this.observer.say(waiter?.ownsFailure ? 'failed' : 'dead', { envelope, handler, error })
  }

  /** Reports a delivery that was given up, and has not ended after the grace time. */
  #watch(delivery: Delivery): void {
    const rest = delivery.more()
    rest.deadline?.cancel()
    rest.deadline = this.deadlines.after(this.#stallAfterMs, () => {
      const { envelope, handler } = delivery
      this.observer.say('stalled', { envelope, handler, afterMs: this.#stallAfterMs })
    })
  }

  #queue(delivery: Delivery, first: boolean): void {
    this.#waiting += 1
    if (first) this.#fresh.push(delivery)
    else delivery.stamp()
  }

  #waitsNoMore(delivery: Delivery): void {
    if (delivery.state === 'waiting') this.#fewerWait() // Else it was given up meanwhile, and is not counted any more.
  }

  #fewerWait(): void {
    this.#waiting -= 1
    this.whenFewer?.()
  }

  #finished(delivery: Delivery): void {
    if (delivery.rest?.forgotten) return
    this.#inFlight -= 1
    if (this.#inFlight > 0) return
    if (this.#workers.length > SPARE_WORKERS) this.#letWorkersGo()
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  /** Nothing runs, but perhaps for deliveries that were forgotten. */
  #letWorkersGo(): void {
    this.#workers = this.#workers.filter(({ delivery }) => delivery !== undefined)
    this.#freeWorker = undefined
  }
}

function nativePromise(value: PromiseLike<unknown>): Promise<unknown> {
  return value instanceof Promise ? value : Promise.resolve(value)
}

/** Records, after what the handler recorded itself, the returned instances of the classes it was bound to respond with. */
function recordResponseEvents(delivery: Delivery, value: unknown): void {
  const { responseEvents } = delivery.target
  if (responseEvents.length === 0) return
  for (const event of Array.isArray(value) ? value : [value]) {
    if (responseEvents.some((type) => event instanceof type)) delivery.publish(event as object)
  }
}
