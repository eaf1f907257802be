import { AttemptEnded } from '../errors.ts'
import type { Cause, Envelope } from '../message/envelope.ts'
import type { Route } from '../routing/handler-map.ts'
import type { MessageOptions, RequestOptions } from '../options.ts'
import type { Handler } from './handler.ts'

/** A message on its way out, with where it goes. */
export interface Dispatch {
  readonly envelope: Envelope
  readonly route: Route<Handler>
  /** The id that the caller gave it, if it did. */
  readonly givenId: string | undefined
}

/** How a delivery causes others. `delivery/admission.ts` is behind it. */
export interface Outlet {
  /** Makes the envelope of a caused message, without letting it go. @throws where it would be refused. */
  record(verb: 'publish' | 'send', message: unknown, options: MessageOptions, by: Delivery): Dispatch
  /** Lets go what was recorded, in order. */
  release(recorded: readonly Dispatch[]): void
  request(message: unknown, options: RequestOptions, by: Delivery): Promise<unknown>
}

/**
 * One envelope for one handler: the unit of order and of failure.
 *
 * `waiting` (in its lane, or for its turn to start), then `running`, then `ended`. A delivery can be given up while it
 * waits or runs: then its `abandoned` says why, whoever waited has been told, and what it still does has no effect.
 */
export class Delivery {
  readonly envelope: Envelope
  readonly handler: Handler
  readonly outlet: Outlet
  state: 'waiting' | 'running' | 'ended' = 'waiting'
  /** What the attempt has caused so far. */
  recorded: Dispatch[] | undefined
  abandoned: Error | undefined
  /** Whoever waits for the end; with nobody, a failure is reported as dead. */
  waiter: Waiter | undefined
  /** The next in the list that this delivery is in: of those ready, or of those running. */
  next: Delivery | undefined
  /** The one before it in the list of those running. */
  previous: Delivery | undefined
  /** The one behind it in its lane. */
  behind: Delivery | undefined
  #abort: AbortController | undefined
  #cause: Cause | undefined

  constructor(envelope: Envelope, handler: Handler, outlet: Outlet) {
    this.envelope = envelope
    this.handler = handler
    this.outlet = outlet
  }

  /** Made when first asked for: a controller whose signal is read costs forty times a dispatch. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.abandoned !== undefined) this.#abort.abort(this.abandoned)
    }
    return this.#abort.signal
  }

  /**
   * Records a message that is to leave when the attempt has succeeded.
   * @throws where it would be refused, and {@link AttemptEnded} where it could not leave any more.
   */
  record(verb: 'publish' | 'send', message: unknown, options: MessageOptions): void {
    this.checkActive()
    const dispatch = this.outlet.record(verb, message, options, this)
    if (this.recorded === undefined) this.recorded = [dispatch]
    else this.recorded.push(dispatch)
  }

  checkActive(): void {
    if (this.abandoned !== undefined) throw this.abandoned
    if (this.state === 'ended') throw new AttemptEnded(this.handler.name, this.envelope.type)
  }

  /** Gives the delivery up: its handler is told by its signal, and what it recorded is dropped. */
  abandon(reason: Error): void {
    this.abandoned = reason
    this.recorded = undefined
    this.#abort?.abort(reason)
  }

  /** This delivery as the cause of others. */
  get cause(): Cause {
    if (this.#cause === undefined) {
      const { id, type, cause } = this.envelope
      this.#cause = { id, type, handler: this.handler.name, depth: (cause?.depth ?? 0) + 1, cause }
    }
    return this.#cause
  }
}

/** Who waits for the end of a delivery: the caller of a request, or of an event's outcomes. */
export interface Waiter {
  /** Whether its failure belongs to the waiter alone, and is not dead. */
  readonly ownsFailure: boolean
  done(value: unknown): void
  failed(error: Error, status: 'dead' | 'stopped'): void
}
