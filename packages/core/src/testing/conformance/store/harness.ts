import type { Store } from '../../../ports/store.ts'

/**
 * What an adapter can do besides what each must:
 *
 * - `shared`: several nodes may have it open at a time; `leaseMs` says how long a claim lasts.
 * - `partitions`: its log may have several.
 * - `keep`: what is finished may stay in the log.
 * - `tx`: messages may be appended in a transaction of the caller's own: `begin`. `manyTx`: in several at a time.
 * - `syncWork`, `asyncWork`: which `work` of a settlement it takes: `write`, `effects`.
 * - `openingClock`: its time is that of the clock that it is opened with. Without it, `elapse` moves its time.
 */
export type StoreFeature =
  | 'shared'
  | 'partitions'
  | 'keep'
  | 'tx'
  | 'manyTx'
  | 'syncWork'
  | 'asyncWork'
  | 'openingClock'

/** How the suite gets at an adapter. */
export interface StoreHarness {
  /** As reports call it: `sqlite, on a path`. */
  readonly name: string
  readonly features: readonly StoreFeature[]
  /** Makes a store that is empty, and nobody else's. Called once for each case. */
  create(setup: StoreSetup): StoreSubject | Promise<StoreSubject>
}

/** What the store of a case has to be like. */
export interface StoreSetup {
  /** 1, unless the adapter has `partitions`. */
  readonly partitions: number
  /** `'delete'`, unless the adapter has `keep`. */
  readonly completion: 'delete' | 'keep'
}

/** A store under test. */
export interface StoreSubject {
  /** Opened again after it was closed, or has crashed. It may be another object after a crash. */
  readonly store: Store
  /** For how long it remembers ids, in milliseconds: an hour at least. */
  readonly dedupeMs: number
  /** For how long a claim lasts, in milliseconds, where it is shared. */
  readonly leaseMs?: number
  /**
   * Does what `kill -9` does to all that have it open: what is not stored by now never is. Where the store is in this process
   * and cannot be killed, the harness may go on with a copy of the files, made at once and without waiting.
   */
  readonly crash: () => void | Promise<void>
  /** Has the store's own clock go forward by so many milliseconds. */
  readonly elapse?: (ms: number) => void | Promise<void>
  /** Begins a transaction of the caller's own. */
  readonly begin?: () => UserTransaction | Promise<UserTransaction>
  /** Writes a text to a table of the user's own, in a transaction: of `begin`, or the one that `work` was given. */
  readonly write?: (tx: unknown, effect: string) => void | Promise<void>
  /** All texts that were written and committed. */
  readonly effects?: () => readonly string[] | Promise<readonly string[]>
  /** Removes it, after all that had it open were closed. */
  readonly dispose?: () => void | Promise<void>
}

export interface UserTransaction {
  /** What `append` is given. */
  readonly tx: unknown
  readonly commit: () => void | Promise<void>
  readonly rollback: () => void | Promise<void>
}
