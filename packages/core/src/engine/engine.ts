import { LaneParked } from '../errors.ts'
import type { Observer } from '../observe.ts'
import type { Keeper } from './kept.ts'
import type { Clock } from '../ports/clock.ts'
import { Census } from './census.ts'
import { Deadlines } from './deadlines.ts'
import { DeadLetterQueue, type DeadLetterOptions } from './dead-letter-queue.ts'
import { answerOf, type Delivery } from './delivery.ts'
import type { Handler, HandlerEngine } from './handler.ts'
import { HeldLanes, type HoldingEngine } from './held-lanes.ts'
import { Places } from './places.ts'
import { Runner } from './runner.ts'
import { Settlement } from './settlement.ts'

/** What an engine works with. */
export interface EngineParts {
  readonly observer: Observer
  readonly clock: Clock
  /** Gives a number from 0 up to 1, for the jitter of retries. */
  readonly random: () => number
  readonly stallAfterMs: number
  readonly deadLetters: DeadLetterOptions
}

/**
 * Runs deliveries: those of one handler and key one after the other, in the order in which they took their places, all
 * others side by side, as many as the pools let.
 *
 * A delivery takes its place (`place`), then those that can start do so, one after the other and never one inside another
 * (`pump`, by the {@link Runner}). What becomes of an attempt is the {@link Settlement}'s; a lane may be held meanwhile
 * ({@link HeldLanes}).
 *
 * To change how deliveries run, extend it, override `place` or `run`, and give the class to the dispatcher:
 * `new Dispatcher({ engine: MyEngine })`.
 */
export class Engine implements HandlerEngine, HoldingEngine {
  readonly clock: Clock
  readonly madeAtMs: number
  readonly deadlines: Deadlines
  readonly census: Census = new Census()
  readonly places: Places
  /** By name. */
  readonly handlers: Map<string, Handler> = new Map()
  readonly held: HeldLanes
  readonly letters: DeadLetterQueue
  /** Whether the dispatcher takes no more from outside, and waits for the engine to become idle. */
  stopping = false
  /** Whether it has stopped, or not started yet: nothing runs, whatever is done to what is parked. */
  stopped = true
  readonly #observer: Observer
  readonly #settlement: Settlement
  readonly #runner: Runner

  constructor({ observer, clock, random, stallAfterMs, deadLetters }: EngineParts) {
    this.clock = clock
    this.madeAtMs = clock.now()
    this.deadlines = new Deadlines(clock)
    this.places = new Places(() => this.#runner.workers.adopted())
    this.held = new HeldLanes(this, observer)
    const { held, handlers } = this
    this.letters = new DeadLetterQueue({ ...deadLetters, observer, clock, held, handlers })
    this.#observer = observer
    this.#settlement = new Settlement({
      observer,
      clock,
      random,
      deadlines: this.deadlines,
      letters: this.letters,
      stallAfterMs,
      ended: (delivery) => this.#finished(delivery),
      giveUp: (delivery, error, status) => this.abandon(delivery, error, status),
      held,
    })
    const { census, places } = this
    const run = (delivery: Delivery): unknown => this.run(delivery)
    this.#runner = new Runner({ observer, census, places, settlement: this.#settlement, run })
  }

  /** The delivery whose handler is being called right now, if one is. */
  get starting(): Delivery | undefined {
    return this.#runner.workers.starting
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
    if (this.#runner.isPumping || timeoutMs !== undefined || (limited && !pool.isOpen))
      return this.requestLater(delivery)
    if (this.held.parking.refuses(delivery)) return refusal(delivery)
    if (!this.place(delivery)) return this.#answerLater(delivery, false)
    if (limited) pool.enter()
    return this.#runner.startNow(delivery)
  }

  /** The same, with a promise that is rejected at once when the delivery is given up. */
  requestLater(delivery: Delivery): Promise<unknown> {
    if (this.held.parking.refuses(delivery)) return refusal(delivery)
    return this.#answerLater(delivery, this.place(delivery))
  }

  /** Starts what can start, one after the other; within a start, nothing: never one inside another. */
  pump(): void {
    this.#runner.pump()
  }

  /**
   * Gives a delivery up: one that waits will not run; one that runs is told by its signal, keeps its lane and its worker
   * until it ends, and is reported if that takes long. Whoever waits is told at once, but for the caller of a request that
   * started within its call: that one is told when the handler ends.
   */
  abandon(delivery: Delivery, reason: Error, status: 'dead' | 'parked' | 'stopped' = 'stopped'): void {
    const { state } = delivery
    if (delivery.abandoned !== undefined || state === 'ended') return
    delivery.abandon(reason)
    delivery.waiter?.failed(reason, status, delivery)
    if (state === 'running') return this.#settlement.watch(delivery)
    if (state === 'retrying') return this.held.disarm(delivery)
    delivery.state = 'dropped'
    this.#finished(delivery)
    this.census.fewerWait()
  }

  /** Gives a delivery up because the bus stops, and says so. What is parked stays so; what is kept will be run again. */
  giveUpAtStop(delivery: Delivery, reason: string): void {
    if (delivery.rest?.kept === undefined || delivery.state === 'running') this.sayStopped(delivery, reason)
    if (delivery.state !== 'parked') this.#settlement.giveUpAtStop(delivery, reason)
  }

  sayStopped({ envelope, handler, state }: Delivery, reason: string): void {
    if (state !== 'waiting' && state !== 'running' && state !== 'retrying' && state !== 'parked') return
    this.#observer.say('stopped', { envelope, handler, state, reason })
  }

  /** What is kept, and has not started, leaves memory: it is where it is kept. */
  leaveKept(): void {
    for (const delivery of this.unfinished()) {
      const isThere = delivery.rest?.kept !== undefined && delivery.state === 'waiting'
      if (isThere) this.giveUpAtStop(delivery, 'The dispatcher stopped')
    }
    this.pump()
  }

  /** What is kept by this keeper is another node's from now on: it leaves memory, and what runs is told by its signal. */
  leaveTo(keeper: Keeper, reason: string): void {
    for (const delivery of this.unfinished()) if (isKeptBy(keeper, delivery)) this.#leave(delivery, reason)
    this.pump()
  }

  /** The same, but for what runs, which goes on. Tells whether anything does. */
  leaveUnstarted(keeper: Keeper, reason: string): boolean {
    for (const delivery of this.unfinished()) {
      if (isKeptBy(keeper, delivery) && delivery.state !== 'running') this.#leave(delivery, reason)
    }
    this.pump()
    return this.running().some((delivery) => isKeptBy(keeper, delivery))
  }

  #leave(delivery: Delivery, reason: string): void {
    const isRetrying = delivery.state === 'retrying'
    this.giveUpAtStop(delivery, reason)
    if (isRetrying) this.held.letGo(delivery)
  }

  /** Says what is left to say: nothing comes after this. */
  flushNotices(): void {
    this.#observer.sayAll()
  }

  /** Every delivery that has no outcome yet, and what is parked. */
  unfinished(): Delivery[] {
    const heads = [...this.running(), ...this.#runner.fresh, ...this.places.pool.waiting, ...this.held.retrying()]
    const behind = heads.flatMap((head) => (head.lane?.head === head ? [head, ...head.lane] : [head]))
    return [...behind, ...this.held.parking].filter(
      ({ abandoned, rest, state }) =>
        state !== 'dropped' &&
        state !== 'dead' &&
        (abandoned === undefined || rest?.decision?.recovery.outcome === 'retry'),
    )
  }

  /** Every delivery that runs. */
  running(): Delivery[] {
    return this.holders().filter(({ state }) => state === 'running')
  }

  /** Every delivery that has a worker, or would have one if it was asynchronous. */
  holders(): Delivery[] {
    return this.#runner.workers.holders()
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
    const { attempt } = delivery.target // A handler that is called as it was bound has no `this`.
    return attempt(delivery.message, delivery)
  }

  #answerLater(delivery: Delivery, first: boolean): Promise<unknown> {
    const answer = answerOf(delivery)
    this.#queue(delivery, first)
    this.pump()
    return answer
  }

  #queue(delivery: Delivery, first: boolean): void {
    this.census.waiting += 1
    if (first) this.#runner.fresh.push(delivery)
    else this.held.queue(delivery)
  }

  /** Takes one that is the head of its lane, or has none, and is not counted yet. */
  ready(delivery: Delivery): void {
    delivery.state = 'waiting'
    this.census.inFlight += 1
    this.#queue(delivery, true)
  }

  makeRoom(): void {
    this.letters.makeRoom()
  }

  /** Goes on with a lane that nobody holds any more: this one waits in it. */
  resume(head: Delivery): void {
    this.#runner.fresh.push(head)
  }

  #finished(delivery: Delivery): void {
    if (delivery.rest?.forgotten) return
    if (this.census.ended()) this.#runner.workers.letSpareGo()
  }
}

function isKeptBy(keeper: Keeper, { rest }: Delivery): boolean {
  return rest?.kept?.keeper === keeper
}

/** A request would have to wait until somebody replays what died before it. */
function refusal(delivery: Delivery): Promise<never> {
  delivery.state = 'ended'
  return Promise.reject(new LaneParked(delivery.handler, delivery.key))
}
