import { channels, type Observer } from '../observe.ts'
import { isThenable, nativePromise } from '../routing/thenable.ts'
import type { Census } from './census.ts'
import { caller, type Delivery, type Rest } from './delivery.ts'
import { Fifo } from './fifo.ts'
import type { Places } from './places.ts'
import type { Settlement } from './settlement.ts'
import { type Worker, type WorkerEngine, Workers } from './worker.ts'

/** How many more deliveries of one lane a worker runs after the first, while others wait for a worker. */
const BURST = 32

const { started } = channels

/** What a runner works with. */
export interface RunnerParts {
  readonly observer: Observer
  readonly census: Census
  readonly places: Places
  readonly settlement: Settlement
  /** Runs one attempt. */
  readonly run: (delivery: Delivery) => unknown
}

/**
 * Starts what can start, and goes on with what comes next: a worker runs a delivery, then the next of its lane, then
 * whatever waits for a worker.
 */
export class Runner implements WorkerEngine {
  readonly workers: Workers = new Workers(this)
  /** Heads of their lanes, and deliveries without a key, that the pump has not looked at yet. */
  readonly fresh: Fifo<Delivery> = new Fifo()
  /** Whether something is being started: nothing starts inside of that. */
  isPumping = false
  readonly #observer: Observer
  readonly #census: Census
  readonly #places: Places
  readonly #settlement: Settlement
  readonly #run: (delivery: Delivery) => unknown

  constructor({ observer, census, places, settlement, run }: RunnerParts) {
    this.#observer = observer
    this.#census = census
    this.#places = places
    this.#settlement = settlement
    this.#run = run
  }

  pump(): void {
    if (this.isPumping || (this.fresh.first === undefined && !this.#places.pool.isWanted)) return
    this.isPumping = true
    try {
      this.#startReady()
    } finally {
      this.isPumping = false
    }
  }

  /** Starts a request within the call, and gives the promise of its answer. It has its places. */
  startNow(delivery: Delivery): Promise<unknown> {
    this.isPumping = true
    try {
      return this.#requestNow(delivery, this.#places.limited ? this.workers.take(delivery) : undefined)
    } finally {
      this.isPumping = false
      this.pump()
    }
  }

  /** For workers: the promise of an attempt has been settled. What this gives or throws is for the caller of a request. */
  settled(worker: Worker, value: unknown, hasFailed: boolean): unknown {
    const delivery = worker.delivery as Delivery
    const deciding = delivery.rest?.deciding
    if (deciding !== undefined) return this.#whenDecided(worker, deciding, { value, hasFailed })
    let error: Error | undefined
    this.isPumping = true
    try {
      error = hasFailed ? this.#settlement.fail(delivery, value) : this.#settlement.succeed(delivery, value)
      this.#goOn(delivery, worker)
      this.#startReady()
    } finally {
      this.isPumping = false
    }
    if (error !== undefined && delivery.waiter === caller) throw error
    const committed = delivery.rest?.committed
    return committed === undefined ? value : committed.value
  }

  /** Its handler has ended before its commit: what becomes of that decides. */
  #whenDecided(
    worker: Worker,
    deciding: Promise<Error | undefined>,
    { value, hasFailed }: { readonly value: unknown; readonly hasFailed: boolean },
  ): Promise<unknown> {
    return deciding.then((error) => {
      return error === undefined || hasFailed
        ? this.settled(worker, value, hasFailed)
        : this.settled(worker, error, true)
    })
  }

  #requestNow(delivery: Delivery, worker: Worker | undefined): Promise<unknown> {
    let value: unknown
    let isPromise = false
    let error: Error | undefined
    try {
      value = this.#call(delivery)
      isPromise = isThenable(value) // Which may throw, as the handler may.
    } catch (thrown) {
      error = this.#settlement.fail(delivery, thrown)
    }
    let own = worker ?? this.workers.takeAdopted()
    if (isPromise) {
      own ??= this.workers.take(delivery)
      this.workers.starting = undefined
      return nativePromise(value as PromiseLike<unknown>).then(own.done, own.failed)
    }
    error ??= this.#settlement.succeed(delivery, value)
    own ??= this.workers.takeAdopted()
    this.workers.starting = undefined
    this.#goOn(delivery, own)
    return error === undefined ? Promise.resolve(value) : Promise.reject(error)
  }

  #startReady(): void {
    const places = this.#places
    for (;;) {
      const fresh = this.fresh.shift()
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
      this.#runAll(next, places.limited ? this.workers.take(next) : undefined)
    }
  }

  /**
   * Runs a delivery, and whatever comes next for its worker, until one is asynchronous or there is none. Where there are
   * no limits, only the asynchronous ones need a worker.
   */
  #runAll(first: Delivery, worker: Worker | undefined): void {
    let delivery: Delivery | undefined = first
    for (; delivery !== undefined; delivery = this.#nextFor(delivery, worker)) {
      if (delivery.state === 'dropped') {
        delivery.state = 'ended'
        continue
      }
      if (delivery.state === 'dead') {
        this.#settlement.park(delivery)
        continue
      }
      let value: unknown
      let isPromise = false
      let thrown: { readonly error: unknown } | undefined
      try {
        value = this.#call(delivery)
        isPromise = isThenable(value)
      } catch (error) {
        thrown = { error }
      }
      if (isPromise) {
        worker ??= this.workers.takeAdopted() ?? this.workers.take(delivery)
        this.workers.starting = undefined
        void nativePromise(value as PromiseLike<unknown>).then(worker.done, worker.failed)
        return
      }
      if (thrown === undefined) this.#settlement.succeed(delivery, value)
      else this.#settlement.fail(delivery, thrown.error)
      worker ??= this.workers.takeAdopted()
      this.workers.starting = undefined
    }
  }

  /** A delivery has ended: runs what comes next for its worker, if anything does. */
  #goOn(ended: Delivery, worker: Worker | undefined): void {
    const next = this.#nextFor(ended, worker)
    if (next !== undefined) this.#runAll(next, worker)
  }

  /** Gives what comes next for the worker of a delivery that has ended, or lets the worker go. */
  #nextFor(ended: Delivery, worker: Worker | undefined): Delivery | undefined {
    const { target, key, lane, state } = ended
    // The lane of one that is tried again, or is dead, may be held.
    const goesOn = key !== undefined && lane?.head === ended && state !== 'dead'
    const behind = goesOn ? target.lanes.leave(key, lane) : undefined
    let next = behind
    if (worker !== undefined && this.#places.limited) {
      if (behind === undefined || worker.burst >= BURST || target.pool.isOver) {
        if (behind !== undefined) target.pool.wait(behind)
        target.pool.leave()
        worker.burst = 0
        next = this.#places.pool.take()
      } else worker.burst += 1
    }
    if (next !== undefined) this.#waitsNoMore(next)
    if (worker === undefined) return next
    worker.delivery = next
    if (next === undefined) this.workers.release(worker)
    return next
  }

  /** Calls the handler. Until it is settled, or has given a promise, it is the one that is starting. */
  #call(delivery: Delivery): unknown {
    delivery.state = 'running'
    this.workers.starting = delivery
    if (started.hasSubscribers) this.#sayStarted(delivery)
    if (delivery.rest !== undefined) refuseFaulty(delivery.rest)
    const { timeoutMs } = delivery.target
    if (timeoutMs !== undefined) this.#settlement.limitTime(delivery, timeoutMs)
    return this.#run(delivery)
  }

  #waitsNoMore(delivery: Delivery): void {
    // Else it was given up meanwhile, and is not counted any more.
    if (delivery.state === 'waiting') this.#census.fewerWait()
  }

  #sayStarted({ envelope, handler, attempt }: Delivery): void {
    this.#observer.say('started', { envelope, handler, attempt })
  }
}

/** @throws what a delivery is to fail with before its handler is called. */
function refuseFaulty({ fault, kept }: Rest): void {
  if (fault !== undefined) throw fault
  const before = kept?.fault
  if (kept === undefined || before === undefined) return
  if (!kept.isUnreadable) kept.fault = undefined
  throw before
}
