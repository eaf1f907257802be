import type { Verb } from '../../delivery/verb.ts'

/** A message that was accepted, or an event that nobody handles. */
export interface RecordedMessage {
  readonly message: object | string
  /** The name of the message's type. */
  readonly type: string
  /** How it left: in a handler, by `context.publish`, `context.send` or `context.request`; a schedule publishes or sends. */
  readonly verb: Verb
  readonly id: string
  readonly key: string | undefined
  /** The delivery whose handler caused it; `undefined` for what came from outside. */
  readonly cause: RecordedDelivery | undefined
  /** One for each handler. */
  readonly deliveries: readonly RecordedDelivery[]
  /** Whether it waits until it is due. */
  readonly isDelayed: boolean
  /** Whether it was taken back with `dp.cancel`, before it was due. */
  readonly isCancelled: boolean
}

/**
 * What became of a delivery so far. `'retry'`: it waits for its next attempt. `'rejected'`: the caller of the request has the
 * error. `undefined`: it waits or runs.
 */
export type RecordedOutcome = 'done' | 'retry' | 'dead' | 'skipped' | 'rejected' | 'parked' | 'stopped'

/** One message at one handler, with what became of it. */
export interface RecordedDelivery {
  readonly message: object | string
  /** The name of the message's type. */
  readonly type: string
  /** The handler, as `events/update-search`. */
  readonly handler: string
  readonly id: string
  readonly key: string | undefined
  /** How many attempts were started, those of replays among them. */
  readonly attempts: number
  readonly outcome: RecordedOutcome | undefined
  /** The error of the last attempt that failed. */
  readonly error: Error | undefined
  /** The errors of all attempts that failed, the oldest first. */
  readonly errors: readonly Error[]
  /** What it caused, in order. */
  readonly caused: readonly RecordedMessage[]
}

/** A delivery that failed for good. */
export interface RecordedDeadLetter<M extends object | string = object | string> {
  /** The id of the letter, for `dp.deadLetters.replay(id)`. */
  readonly id: string
  readonly message: M
  readonly type: string
  readonly handler: string
  readonly error: Error
}
