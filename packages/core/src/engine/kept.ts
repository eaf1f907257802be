import type { StoredLetter } from '../ports/dead-letters.ts'
import type { StoredMessage } from '../ports/store.ts'
import type { Caused } from './caused.ts'
import type { Delivery } from './delivery.ts'
import type { Failures } from './failures.ts'

/**
 * Where deliveries are kept that survive a crash: what becomes of one is written there, and only then is anybody told.
 * `durability/keeping.ts` is behind it.
 */
export interface Keeper {
  /** Makes what a delivery has caused ready to be written. @throws {CodecError} for what cannot be: then it has failed. */
  prepare(delivery: Delivery): void
  /** It has ended for good, and what it caused leaves with it. `tell` is called when that is written; nobody may want to know. */
  finish(delivery: Delivery, tell: (() => void) | undefined): void
  /** It is to be tried again after so many milliseconds. */
  retry(delivery: Delivery, failures: Failures, delayMs: number): void
  /** It is dead. `told` is called when that is written. */
  bury(delivery: Delivery, letter: StoredLetter, told: () => void): void
  /** Whether a dead one is there still, and holds its lane. */
  holds(delivery: Delivery): boolean
  /** A lane is held by a dead one from now on. */
  parked(key: string): void
  /** It was waiting behind a dead one in memory, and does so in the store from now on. */
  setAside(delivery: Delivery): void
  /** Its next attempt is due. `go` is called when it is written that it starts. */
  restart(delivery: Delivery, go: () => void): void
  /** Its attempt has ended, and what comes of that has been done to its lane: it leaves memory, or waits for its next one. */
  left(delivery: Delivery): void
  /** Stores what `work` writes and causes, and that the delivery is done, as one. @throws what `work` throws, and {@link StoreFailed}. */
  commit(delivery: Delivery, work: (tx: unknown) => Caused | Promise<Caused>): Promise<void>
}

/** What is known of a delivery that is kept. Its attempts have one of it together. */
export interface Kept {
  readonly keeper: Keeper
  /** Its position in the log; `undefined` for a dead letter that is replayed, and holds no lane. */
  readonly position: number | undefined
  /** Whether there is an exception of it in the store. */
  isException: boolean
  /** Why it has failed before it was called: the process crashed in it, or its message cannot be read. A crash is thrown once. */
  fault?: Error | undefined
  /** Whether its message cannot be read: then no other attempt will help here. */
  isUnreadable?: boolean
  /** For how long it waits for a node that can read it, in milliseconds, before it is dead; `undefined` if it does not, or has. */
  waitMs?: number | undefined
  /** Its message as it was stored, where it is that: a handler may change what it is given. */
  readonly stored?: StoredMessage | undefined
  /** Whether its commit is on its way to the store. */
  isCommitting?: boolean
  /** What it has caused, ready to be written: set by `prepare`, taken by `finish`. */
  caused?: Caused
  /** To be called when it leaves memory. */
  whenLeft?: (() => void) | undefined
}
