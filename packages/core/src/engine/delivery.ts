import { inspect } from 'node:util'
import { AttemptEnded } from '../errors.ts'
import type { MessageHeaders } from '../message/augmentable.ts'
import { type Cause, Envelope } from '../message/envelope.ts'
import { messageTypeOf, typeName } from '../message/message-type.ts'
import type { Fits, ResultOf } from '../message/kind.ts'
import { noOptions, type RecordedOptions, type RequestOptions } from '../options.ts'
import type { WorkTransaction } from '../ports/store.ts'
import type { Context } from '../routing/context.ts'
import { AlreadyCommitted } from '../store-errors.ts'
import type { Deadline } from './deadlines.ts'
import type { Decision, Failures } from './failures.ts'
import type { Handler } from './handler.ts'
import type { Kept } from './kept.ts'
import type { Lane } from './lanes.ts'
import type { Dispatch } from './outlet.ts'

/** Who waits for the end of a delivery: the caller of a request, or of an event's outcomes. */
export interface Waiter {
  /** Whether its failure belongs to the waiter alone, and is not dead. */
  readonly ownsFailure: boolean
  done(value: unknown, delivery: Delivery): void
  failed(error: Error, status: 'dead' | 'skipped' | 'parked' | 'stopped', delivery: Delivery): void
}

/** The waiter of a request that started within its call: the promise that its caller has tells it of the end. */
export const caller: Waiter = { ownsFailure: true, done: () => {}, failed: () => {} }

/** The caller of a request that has to wait, with a promise of its own. It keeps one function, and many callers wait. */
class Caller implements Waiter {
  readonly done: (value: unknown) => void

  constructor(resolve: (value: unknown) => void) {
    this.done = resolve
  }

  get ownsFailure(): boolean {
    return true
  }

  failed(error: Error): void {
    this.done(Promise.reject(error))
  }
}

/** What few deliveries have. */
export interface Rest {
  /** Why it was given up. */
  abandoned?: Error
  /** What is to become of it once its handler ends, although the attempt has failed already: it ran out of time. */
  decision?: Decision & { readonly atMs: number }
  /** What went wrong before. */
  failures?: Failures
  /** Where it is kept, if it is: it survives a crash. */
  kept?: Kept
  /** What its handler has committed, once it has: then it is done, whatever comes after. */
  committed?: { readonly value: unknown }
  /** Whether it has begun to commit. */
  isCommitting?: boolean
  /** While it is the store that says whether it is done: resolves when that is known, with the error if it is not. */
  deciding?: Promise<Error | undefined>
  /** The id of the dead letter that it replays. */
  replays?: string
  /** The id of the dead letter that it has become. */
  letter?: string
  /** It fails with this when its turn comes, and its handler is not called. */
  fault?: Error
  /** What the attempt has caused so far. */
  recorded?: Dispatch[]
  /** How many requests the attempt has made, where it is kept. */
  asked?: number
  /** Requests of this delivery's handler that have not ended, but for those with a deadline. */
  requests?: Set<Delivery>
  abort?: AbortController
  /** Its timeout; once it was given up, the time after which it counts as stalled. */
  deadline?: Deadline
  /** Whether it outlived the deadline of a stop. */
  forgotten?: boolean
  cause?: Cause
}

/**
 * One envelope for one handler: the unit of order and of failure.
 *
 * `waiting` (in its lane, or for its turn to start), then `running`, then `ended`. If the attempt failed, another object
 * takes its place: one that is `retrying` until its time comes, and `waiting` then; so whatever still holds on to the
 * failed one can cause nothing any more. If it failed for good it may stay in its lane, `dead`, with those behind it
 * `parked`. A delivery can be given up: then `rest.abandoned` says why, whoever waited has been told, and what it still
 * does has no effect. One that had not started is `dropped` until its turn comes, and is passed over.
 *
 * It is also the {@link Context} that its handler sees, and what it is given: one object for a message in one process
 * (a hundred bytes), where an envelope, a context and a record of their own would be three. The envelope is made when
 * somebody asks for more than message and key.
 */
export class Delivery implements Context {
  readonly target: Handler
  readonly message: object | string
  readonly key: string | undefined
  #envelope: Envelope | undefined
  /** Whoever waits for the end. A failure is dead, unless it belongs to whoever waits. */
  waiter: Waiter | undefined
  state: 'waiting' | 'dropped' | 'running' | 'ended' | 'retrying' | 'dead' | 'parked' = 'waiting'
  lane: Lane | undefined = undefined
  /** The next in the line that this delivery stands in. */
  next: Delivery | undefined = undefined
  rest: Rest | undefined = undefined
  /** A handler that nothing is injected into is given the delivery itself: that is its context, and has it. */
  readonly context: Context = this
  /** Milliseconds since the engine was made: small numbers take no space of their own. */
  #waitsSinceMs: number | undefined = undefined

  constructor(
    target: Handler,
    message: object | string,
    /** Its envelope; or its key, where there is nothing else to put on one yet. */
    of: Envelope | string | undefined,
    waiter: Waiter | undefined,
  ) {
    this.target = target
    this.message = message
    this.waiter = waiter
    if (typeof of === 'object') {
      this.key = of.key
      this.#envelope = of
    } else {
      this.key = of
      this.#envelope = undefined
    }
  }

  get envelope(): Envelope {
    if (this.#envelope === undefined) {
      const { message, target, key } = this
      const { clock, madeAtMs } = target.engine
      const time = this.#waitsSinceMs === undefined ? undefined : madeAtMs + this.#waitsSinceMs
      this.#envelope = new Envelope({ message, type: typeName(messageTypeOf(message)), clock, key, time })
    }
    return this.#envelope
  }

  /** Its message has to wait: it was accepted now. */
  stamp(): void {
    if (this.#envelope !== undefined) void this.#envelope.time
    else this.#waitsSinceMs = this.target.engine.clock.now() - this.target.engine.madeAtMs
  }

  get abandoned(): Error | undefined {
    return this.rest?.abandoned
  }

  /** Gives the delivery up: its handler is told by its signal, and what it recorded is dropped. */
  abandon(reason: Error): void {
    const rest = this.more()
    rest.abandoned = reason
    delete rest.recorded
    rest.abort?.abort(reason)
  }

  /** The next attempt, to take the place of this one. */
  again(failures: Failures): Delivery {
    const next = new Delivery(this.target, this.message, this.envelope, this.waiter)
    const { replays, fault, kept } = this.more()
    next.rest = { failures }
    if (replays !== undefined) next.rest.replays = replays
    if (fault !== undefined) next.rest.fault = fault
    if (kept !== undefined) next.rest.kept = kept
    return next
  }

  /** {@link Rest}, made when there is something to keep. */
  more(): Rest {
    this.rest ??= {}
    return this.rest
  }

  /** This delivery as the cause of others. */
  get asCause(): Cause {
    const { id, type, cause } = this.envelope
    const rest = this.more()
    rest.cause ??= { id, type, handler: this.handler, depth: (cause?.depth ?? 0) + 1, cause }
    return rest.cause
  }

  // What its handler sees of it: see `Context`.

  get type(): string {
    return this.envelope.type
  }

  get handler(): string {
    return this.target.name
  }

  get id(): string {
    return this.envelope.id
  }

  get attempt(): number {
    return this.rest?.failures?.next ?? 1
  }

  get replayed(): boolean {
    return this.rest?.replays !== undefined
  }

  get headers(): MessageHeaders {
    return this.envelope.headers
  }

  get correlationId(): string {
    return this.envelope.correlationId
  }

  get causationId(): string | undefined {
    return this.envelope.causationId
  }

  get time(): Date {
    return new Date(this.envelope.time)
  }

  get stopping(): boolean {
    return this.target.engine.stopping
  }

  /** Made when first asked for: a controller whose signal is read costs forty times a dispatch. */
  get signal(): AbortSignal {
    const rest = this.more()
    if (rest.abort === undefined) {
      rest.abort = new AbortController()
      if (rest.abandoned !== undefined) rest.abort.abort(rest.abandoned)
    }
    return rest.abort.signal
  }

  publish(event: Fits<'event'> | string, options: RecordedOptions = noOptions): void {
    this.#record('publish', event, options)
  }

  send(command: Fits<'command'> | string, options: RecordedOptions = noOptions): void {
    this.#record('send', command, options)
  }

  request<M extends Fits<'command' | 'query'> | string>(
    message: M,
    options: RequestOptions = noOptions,
  ): Promise<ResultOf<M>> {
    // The handler was bound to this very class, with this result.
    return this.target.outlet.request(message, options, this) as Promise<ResultOf<M>>
  }

  commit<T>(work: (tx: WorkTransaction) => T): Promise<Awaited<T>> {
    const committed = this.target.outlet.commit(work, this) as Promise<Awaited<T>>
    committed.catch(() => {}) // Not awaited, it is no failure of its own: the attempt has failed by that.
    return committed
  }

  #record(verb: 'publish' | 'send', message: object | string, options: RecordedOptions): void {
    this.checkActive()
    const dispatch = this.target.outlet.record(verb, message, options, this)
    const rest = this.more()
    if (rest.recorded === undefined) rest.recorded = [dispatch]
    else rest.recorded.push(dispatch)
  }

  /** Whether its handler runs, and what it causes can leave. */
  get isActive(): boolean {
    return this.state === 'running' && this.abandoned === undefined
  }

  /** @throws where what it would cause could not leave any more. */
  checkActive(): void {
    if (this.abandoned !== undefined) throw this.abandoned
    if (this.state !== 'running') throw new AttemptEnded(this.handler, this.type)
    if (this.rest?.committed !== undefined) throw new AlreadyCommitted(this.handler, this.type)
  }
}

/** Makes the promise of a request that has to wait. */
export function answerOf(delivery: Delivery): Promise<unknown> {
  return new Promise((resolve) => {
    delivery.waiter = new Caller(resolve)
  })
}

/** A context that is printed shows what it is for, and not what the engine keeps in it. */
Object.defineProperty(Delivery.prototype, inspect.custom, {
  value(this: Delivery): object {
    const { type, handler, id, key, attempt, replayed, headers, correlationId, causationId, time } = this
    return { type, handler, id, key, attempt, replayed, headers, correlationId, causationId, time }
  },
})
