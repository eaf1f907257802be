import type { Observer } from '../observe.ts'
import type { Clock } from '../ports/clock.ts'
import { isThenable, nativePromise } from '../routing/middleware.ts'
import { Census } from './census.ts'
import { Deadlines } from './deadlines.ts'
import { answerOf, caller, type Delivery } from './delivery.ts'
import { Fifo } from './fifo.ts'
import type { HandlerEngine } from './handler.ts'
import { Places } from './places.ts'
import { Settlement } from './settlement.ts'
import { type Worker, type WorkerEngine, Workers } from './worker.ts'

/** What an engine works with. */
export interface EngineParts {
  readonly observer: Observer
  readonly clock: Clock
  readonly stallAfterMs: number
}

/** How many deliveries of one lane a worker runs in a row while others wait for a worker. */
const BURST = 32

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
  readonly census: Census = new Census()
  readonly places: Places
  /** Whether the dispatcher takes no more from outside, and waits for the engine to become idle. */
  stopping = false
  /** Heads of their lanes, and deliveries without a key, that the pump has not looked at yet. */
  readonly #fresh = new Fifo<Delivery>()
  readonly #workers = new Workers(this)
  readonly #settlement: Settlement
  #pumping = false

  constructor({ observer, clock, stallAfterMs }: EngineParts) {
    this.clock = clock
    this.madeAtMs = clock.now()
    this.deadlines = new Deadlines(clock)
    this.places = new Places(() => this.#workers.adopted())
    this.#settlement = new Settlement({
      observer,
      deadlines: this.deadlines,
      stallAfterMs,
      ended: (delivery) => this.#finished(delivery),
      giveUp: (delivery, error) => this.abandon(delivery, error, 'dead'),
    })
  }

  /** The delivery whose handler is being called right now, if one is. */
  get starting(): Delivery | undefined {
    return this.#workers.starting
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
    const { limited } = this.places
    if (this.#pumping || timeoutMs !== undefined || (limited && !pool.isOpen)) return this.requestLater(delivery)
    if (!this.place(delivery)) return this.#answerLater(delivery, false)
    if (limited) pool.enter()
    this.#pumping = true
    try {
      return this.#requestNow(delivery, limited ? this.#workers.take(delivery) : undefined)
    } finally {
      this.#pumping = false
      this.pump()
    }
  }

  /** Starts what can start, one after the other; within a start, nothing: never one inside another. */
  pump(): void {
    if (this.#pumping || (this.#fresh.first === undefined && !this.places.pool.isWanted)) return
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
    delivery.waiter?.failed(reason, status, delivery)
    if (ran) return this.#settlement.watch(delivery)
    delivery.state = 'dropped'
    this.#finished(delivery)
    this.census.fewerWait()
  }

  /** Every delivery that waits or runs, but for those given up. */
  unfinished(): Delivery[] {
    return [...this.running(), ...this.#fresh, ...this.places.pool.waiting]
      .flatMap((head) => (head.lane?.head === head ? [head, ...head.lane] : [head]))
      .filter(({ abandoned }) => abandoned === undefined)
  }

  /** Every delivery that runs. */
  running(): Delivery[] {
    return this.holders().filter(({ state }) => state === 'running')
  }

  /** Every delivery that has a worker, or would have one if it was asynchronous. */
  holders(): Delivery[] {
    return this.#workers.holders()
  }

  /** Waits for none of them any more: they outlived the deadline of a stop. */
  forgetRunning(): void {
    for (const delivery of this.running()) {
      this.#finished(delivery)
      const rest = delivery.more()
      rest.forgotten = true
      rest.deadline?.cancel()
    }
  }

  /** Gives a delivery its place in the order. Tells whether nobody is before it. */
  protected place(delivery: Delivery): boolean {
    this.census.inFlight += 1
    const { key, target } = delivery
    return key === undefined || target.lanes.enter(key, delivery)
  }

  /** Runs one attempt: what it returns, or resolves to, is the response; what it throws is the failure. */
  protected run(delivery: Delivery): unknown {
    return delivery.target.attempt(delivery.message, delivery)
  }

  /** For workers: the promise of an attempt has been settled. What this gives or throws is for the caller of a request. */
  settled(worker: Worker, value: unknown, hasFailed: boolean): unknown {
    const delivery = worker.delivery as Delivery
    let error: Error | undefined
    this.#pumping = true
    try {
      error = hasFailed ? this.#settlement.fail(delivery, value) : this.#settlement.succeed(delivery, value)
      this.#goOn(delivery, worker)
      this.#startReady()
    } finally {
      this.#pumping = false
    }
    if (error !== undefined && delivery.waiter === caller) throw error
    return value
  }

  #requestNow(delivery: Delivery, worker: Worker | undefined): Promise<unknown> {
    let value: unknown
    let error: Error | undefined
    try {
      value = this.#call(delivery)
    } catch (thrown) {
      error = this.#settlement.fail(delivery, thrown)
    }
    const own = worker ?? this.#workers.takeAdopted()
    if (error === undefined && isThenable(value)) {
      const { done, failed } = own ?? this.#workers.take(delivery)
      return nativePromise(value).then(done, failed)
    }
    error ??= this.#settlement.succeed(delivery, value)
    this.#goOn(delivery, own)
    return error === undefined ? Promise.resolve(value) : Promise.reject(error)
  }

  /** The same, with a promise that is rejected at once when the delivery is given up. */
  requestLater(delivery: Delivery): Promise<unknown> {
    return this.#answerLater(delivery, this.place(delivery))
  }

  #answerLater(delivery: Delivery, first: boolean): Promise<unknown> {
    const answer = answerOf(delivery)
    this.#queue(delivery, first)
    this.pump()
    return answer
  }

  #startReady(): void {
    const { places } = this
    for (;;) {
      const fresh = this.#fresh.shift()
      const pool = fresh?.target.pool
      if (fresh !== undefined && places.limited && !pool?.isOpen) {
        fresh.stamp()
        pool?.wait(fresh)
        continue
      }
      if (fresh !== undefined && places.limited) pool?.enter()
      const next = fresh ?? (places.limited ? places.pool.take() : undefined)
      if (next === undefined) return
      this.#waitsNoMore(next)
      this.#run(next, places.limited ? this.#workers.take(next) : undefined)
    }
  }

  /**
   * Runs a delivery, and whatever comes next for its worker, until one is asynchronous or there is none. Where there are
   * no limits, only the asynchronous ones need a worker.
   */
  #run(first: Delivery, worker: Worker | undefined): void {
    let delivery: Delivery | undefined = first
    for (; delivery !== undefined; delivery = this.#nextFor(delivery, worker)) {
      if (delivery.state === 'dropped') {
        delivery.state = 'ended'
        continue
      }
      let value: unknown
      let thrown: { readonly error: unknown } | undefined
      try {
        value = this.#call(delivery)
      } catch (error) {
        thrown = { error }
      }
      worker ??= this.#workers.takeAdopted()
      if (thrown !== undefined) this.#settlement.fail(delivery, thrown.error)
      else if (isThenable(value)) {
        const { done, failed } = worker ?? this.#workers.take(delivery)
        void nativePromise(value).then(done, failed)
        return
      } else this.#settlement.succeed(delivery, value)
    }
  }

  /** A delivery has ended: runs what comes next for its worker, if anything does. */
  #goOn(ended: Delivery, worker: Worker | undefined): void {
    const next = this.#nextFor(ended, worker)
    if (next !== undefined) this.#run(next, worker)
  }

  /** Gives what comes next for the worker of a delivery that has ended, or lets the worker go. */
  #nextFor({ target, key, lane }: Delivery, worker: Worker | undefined): Delivery | undefined {
    const behind = key === undefined || lane === undefined ? undefined : target.lanes.leave(key, lane)
    let next = behind
    if (worker !== undefined && this.places.limited) {
      if (behind === undefined || worker.burst >= BURST || target.pool.isOver) {
        if (behind !== undefined) target.pool.wait(behind)
        target.pool.leave()
        worker.burst = 0
        next = this.places.pool.take()
      } else worker.burst += 1
    }
    if (next !== undefined) this.#waitsNoMore(next)
    if (worker === undefined) return next
    worker.delivery = next
    if (next === undefined) this.#workers.release(worker)
    return next
  }

  #call(delivery: Delivery): unknown {
    delivery.state = 'running'
    const { timeoutMs } = delivery.target
    if (timeoutMs !== undefined) this.#settlement.limitTime(delivery, timeoutMs)
    this.#workers.starting = delivery
    try {
      return this.run(delivery)
    } finally {
      this.#workers.starting = undefined
    }
  }

  #queue(delivery: Delivery, first: boolean): void {
    this.census.waiting += 1
    if (first) this.#fresh.push(delivery)
    else delivery.stamp()
  }

  #waitsNoMore(delivery: Delivery): void {
    if (delivery.state === 'waiting') this.census.fewerWait() // Else it was given up meanwhile, and is not counted any more.
  }

  #finished(delivery: Delivery): void {
    if (delivery.rest?.forgotten) return
    if (this.census.ended()) this.#workers.letSpareGo()
  }
}
