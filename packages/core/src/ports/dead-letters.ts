import type { Envelope } from '../message/envelope.ts'

/** An attempt that failed, or several in a row that burned none. */
export interface FailedAttempt {
  /** Which attempt it was, from 1 on. */
  readonly attempt: number
  /** How often it had been replayed before: 0 until the first replay. */
  readonly replay: number
  /** Whether it burned none: the next one has the same number. */
  readonly isFree: boolean
  /** How many failed so in a row; `error` and `failedAt` are of the last. */
  readonly times: number
  readonly failedAt: Date
  /** As it was thrown, with its stack and the chain of its causes. */
  readonly error: Error
}

/** A delivery that failed for good, as it is kept. */
export interface DeadLetter<M extends object | string = object | string> {
  /** Its own id: a message may be dead at several handlers. */
  readonly id: string
  /** The handler, as `events/update-search`. */
  readonly handler: string
  /** The message, with its id, key, headers, time, correlation and causation id. */
  readonly envelope: Envelope<M>
  /** Every attempt that failed, the oldest first, also of replays. */
  readonly attempts: readonly FailedAttempt[]
  /** The error of the last attempt. */
  readonly error: Error
  readonly diedAt: Date
  /** The deliveries that led to it, each caused by the one before. */
  readonly causes: readonly { readonly id: string; readonly type: string; readonly handler: string }[]
  /** Whether it is being replayed. */
  readonly isReplaying: boolean
  /** How many later messages of its key wait behind it. */
  readonly parked: number
}

/** A dead letter as it is stored: how many are parked behind it, its lane knows. */
export type StoredLetter = Omit<DeadLetter, 'parked'>

/** Which dead letters are meant. What is left out does not matter. */
export interface DeadLetterFilter {
  /** The handler, as `events/update-search`. */
  readonly handler?: string
  /** The name of the message's type. */
  readonly type?: string
  readonly key?: string
  /** The id of the message. */
  readonly messageId?: string
  readonly correlationId?: string
  /** The `code` of the last error, or its `name` where it has none. */
  readonly error?: string
  /** Those that died at this time or later. */
  readonly since?: Date
  /** Those that died before this time. */
  readonly before?: Date
}

/** Some of the dead letters, the oldest death first. */
export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[]
  /** Where the next page begins, for the option `after`; `undefined` where this was the last. */
  readonly next: string | undefined
}

/** Where the dead letters of one process are kept, in the order of their deaths. */
export interface DeadLetterStore {
  readonly size: number
  get(id: string): StoredLetter | undefined
  /** Stores a letter. One that is there already has died once more: it is the newest now. */
  add(letter: StoredLetter): void
  /** Changes a letter that is there, in its place. */
  update(id: string, change: Partial<StoredLetter>): void
  remove(id: string): void
  /** Those that match, the oldest death first; `after` a cursor. */
  matching(filter: DeadLetterFilter, after?: string): Iterable<StoredLetter>
  /** Where a page goes on that ended with this letter. */
  cursorOf(letter: StoredLetter): string
}
