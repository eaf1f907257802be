import type { Clock } from './clock.ts'
import type { DeadLetterFilter } from './dead-letters.ts'
import type { Progress, Span } from './progress.ts'
import type { ScheduleStore } from './schedule-store.ts'
import type { Lack, Renewal } from './share.ts'
import type { StoreStats } from './store-stats.ts'

/**
 * Where messages survive a crash: a log of them, and how far each subscription has come in it.
 *
 * A message is in the log once, however many subscriptions take it. A subscription has a claim to each partition that it
 * reads; its {@link Progress} says what is finished. What cannot be said so is an {@link Exception}: a row for a message
 * that is retried, set aside behind another one of its key, or was started and is passed by the cursor.
 *
 * A store does not look into what it keeps: `envelope`, `body` and `note` are the bus's own.
 */
export interface Store {
  /** As errors and notices call it: `sqlite bus.db`. */
  readonly name: string
  /** Whether several nodes work on it at a time. */
  readonly isShared: boolean
  /**
   * Opens it, brings its schema up to date, and registers the subscriptions: a new one begins at the end of the log, unless
   * `from` is `'beginning'`; one that was renamed goes on under its new name. A type that a subscription did not take so far
   * begins at the end of the log.
   *
   * @throws {StoreFailed} where it cannot be opened: it has another owner, its schema is too new, it is damaged.
   */
  open(opening: StoreOpening): Promise<OpenStore>
}

/** What a store is opened with. */
export interface StoreOpening {
  /** Whose messages these are; a store that was made for another service is refused. */
  readonly service: string | undefined
  readonly subscriptions: readonly Subscription[]
  readonly clock: Clock
  /** To be called when there may be something new to read, or to do when due. */
  readonly wake: () => void
  /** To be called instead with what was appended here, where its places are known: nobody has to read it. */
  readonly appended?: ((page: Page) => void) | undefined
  /** To be called, where it is shared, when other nodes have released claims, have come or gone: then there may be some to take. */
  readonly claimsChanged?: (() => void) | undefined
  /** To be called, where it is shared, when other nodes have begun to replay dead letters, or have removed some. */
  readonly lettersChanged?: (() => void) | undefined
  /** To be called with what failed of what the store does by itself, and is tried again after so many milliseconds. */
  readonly failed?: ((error: Error, delayMs: number) => void) | undefined
}

/** Neighbours in a partition of the log: there is nothing between `after`, a position, and the first of them. */
export interface Page {
  readonly partition: number
  readonly after: number
  readonly messages: readonly LoggedMessage[]
  /** In `appended`: the `copy` of each, as it was given. A store that does not keep them leaves them out: then the texts are read. */
  readonly copies?: readonly (object | undefined)[] | undefined
}

/** A handler, as a store knows it. */
export interface Subscription {
  /** As `events/update-search`. */
  readonly name: string
  /** Under which names it may be known so far. */
  readonly formerly: readonly string[]
  /** The names of the message types that it takes. */
  readonly types: readonly string[]
  /** The highest version of each that can be read here, and older ones too: 1 of what is not named. */
  readonly versions?: ReadonlyMap<string, number> | undefined
  readonly from: 'now' | 'beginning'
}

/**
 * The transactions of the stores in use, for `context.commit` and `publish(..., { tx })`: each subpath of a store names its
 * own here, by merging this interface.
 */
export interface StoreTransactions {}

/** A transaction of one of the stores in use; unknown until one of them is imported. */
export type Transaction = keyof StoreTransactions extends never ? unknown : StoreTransactions[keyof StoreTransactions]

/** What `work` is given in `context.commit(work)`. Where several stores are in use, it has what each of them gives: it knows its own. */
export type WorkTransaction = keyof StoreTransactions extends never
  ? unknown
  : { [name in keyof StoreTransactions]: (tx: StoreTransactions[name]) => void }[keyof StoreTransactions] extends (
        tx: infer All,
      ) => void
    ? All
    : never

/** A message as it is stored. */
export interface StoredMessage {
  readonly id: string
  readonly type: string
  readonly key: string | undefined
  /** When it was accepted, in milliseconds since 1970. */
  readonly time: number
  /** What else its envelope has. */
  readonly envelope: string
  /** The message, as its codec wrote it. */
  readonly body: string
  /** A checksum over all of the above. */
  readonly crc: number
}

/** A message about to be stored. */
export interface NewMessage extends StoredMessage {
  /** Whether its id may come again: then the second one is refused, for as long as the store remembers ids. */
  readonly mayRepeat: boolean
  /** When it is to be appended to the log, in milliseconds since 1970; until then it can be cancelled. Default: at once. */
  readonly dueAt?: number | undefined
  /** What its body says, in an object that is for handlers alone. It is not stored. */
  readonly copy?: object | undefined
}

/** A message in the log. */
export interface LoggedMessage extends StoredMessage {
  /**
   * Its place in the log of its partition, from 1 on: in the order of the commits, without gaps. What a store has moved from another
   * partition, with its exception, is before all of these: below zero.
   */
  readonly position: number
}

/** The right of one node to work for a subscription in one partition, as it was when it was given. */
export interface Claim {
  readonly subscription: string
  readonly partition: number
  /** Whoever claims it next has a higher one, and this one can settle nothing any more. */
  readonly epoch: number
  readonly progress: Progress
  /** Whether it was released in order: then nothing that it reached, and that is unfinished, had been started. */
  readonly isClean: boolean
  /**
   * Which messages are its: those of these types, at a position after `after`, and up to `upTo` if it takes them no more. Another
   * node may register more, or fewer: before any of those is given by `read`, or to `appended`, this is another array, with them.
   */
  readonly takes: readonly TypeRange[]
}

export interface TypeRange {
  readonly type: string
  readonly after: number
  readonly upTo: number | undefined
}

/**
 * A message that a subscription has not finished, and that its cursor may pass all the same.
 *
 * - `aside`: it waits behind another one of its key, and was not started.
 * - `started`: it was started, beside others. After a crash it is suspect.
 * - `alone`: it was started while no other suspect ran. After a crash, it is to blame.
 * - `retrying`: it failed, and waits until `dueAt`.
 * - `dead`: it failed for good, and those of its key wait behind it.
 */
export interface Exception {
  readonly position: number
  readonly key: string | undefined
  readonly state: 'aside' | 'started' | 'alone' | 'retrying' | 'dead'
  readonly dueAt: number | undefined
  /** What the bus has to know about it: the attempts so far, or which dead letter it is. */
  readonly note: string | undefined
}

/** What has happened to the messages of a claim: stored as a whole, or not at all. */
export interface Settlement {
  /** What is up to there may be started once this is stored. At most `AHEAD` beyond where the cursor is then. */
  readonly reached?: number | undefined
  /** What is finished, or is none of this subscription's. */
  readonly done?: readonly Span[]
  /** Exceptions that are new, or have changed: one for each position. The cursor may pass them. */
  readonly exceptions?: readonly Exception[]
  /** Positions whose exceptions are no more. */
  readonly cleared?: readonly number[]
  /** Dead letters that are new, or have died once more: they are the newest now. */
  readonly dead?: readonly StoredDeadLetter[]
  /** The ids of dead letters that are none any more. */
  readonly revived?: readonly string[]
  /** Messages to be appended, in this order, behind all that were appended before. One that repeats an id is not stored. */
  readonly caused?: readonly NewMessage[]
  /**
   * The effects of a handler, in the same transaction: given the transaction, it writes, and gives what else is caused. If it
   * throws, or rejects, nothing of this settlement is stored, and `settle` rejects with its error. One that is asynchronous is stored
   * when it is done: what is called meanwhile may be stored before.
   */
  readonly work?: ((tx: unknown) => readonly NewMessage[] | Promise<readonly NewMessage[]>) | undefined
}

/**
 * A store that is open. What is called first is stored first: where one cannot be stored, those that wait behind it fail too, and
 * so do those that are called before its promise, as it was returned, has been heard of.
 */
export interface OpenStore {
  /** As errors and notices call it. */
  readonly name: string
  /** Whether several nodes work on it at a time. */
  readonly isShared: boolean
  /** How many messages of a claim may be exceptions before no more are read. Default 10 000. */
  readonly scanAhead?: number | undefined
  /** How many messages of a claim are in memory at a time, waiting or running. Default 256. */
  readonly readAhead?: number | undefined
  /** What was found that somebody should know. */
  readonly findings: readonly Finding[]
  /** What time it is for this store, in milliseconds since 1970: never before anything that it has stored. */
  now(): number
  /** Whether there is a subscription, of any node, that takes messages of this type. */
  takes(type: string): boolean
  /**
   * Stores messages: all of them, or none. Resolves when they are stored for good, and tells for each whether it is new: one
   * that repeats an id is not stored.
   *
   * @param tx a transaction of the caller's own: they are written when the call returns, and stored for good when the caller
   *   commits.
   * @throws {ForeignTransaction} as a rejection, for a `tx` that is none of this store.
   */
  append(messages: readonly NewMessage[], tx?: unknown): Promise<readonly boolean[]>
  /**
   * Takes what this node may work for, and does not yet. Where it is shared: what nobody has, and is this node's share by the
   * live nodes ({@link Renewal}); and whatever nobody has had for a lease, lest it waits for somebody who never comes.
   */
  claim(): Promise<readonly Claim[]>
  /** Messages of a partition after a position, the first ones first, whoever takes them; fewer where there are no more. */
  read(partition: number, after: number, limit: number): Promise<readonly LoggedMessage[]>
  /** Those at these positions, in this order; one that is not there any more is left out. */
  readAt(partition: number, positions: readonly number[]): Promise<readonly LoggedMessage[]>
  /** All exceptions of a claim, by position. */
  exceptions(claim: Claim): Promise<readonly Exception[]>
  /**
   * Stores what has happened. Resolves when it is stored for good, and tells for each message that is caused whether it is new,
   * as `append` does: those of `caused`, and then those that `work` gave. A rejection says that nothing was stored: a store that does
   * not know, because an answer got lost, finds out first. What was stored, and is tried again, would have its effects twice.
   *
   * @param claim `undefined` for what is of no subscription: only what is caused, and `work`.
   * @throws {StoreFailed} as a rejection: with `CLAIM_LOST`, when another one has the claim. Then nothing was stored.
   */
  settle(claim: Claim | undefined, settlement: Settlement): Promise<readonly boolean[]>
  /** Gives claims back, in order: nothing of them is running. */
  release(claims: readonly Claim[]): Promise<void>
  /** Takes back a message that is not due yet. Tells whether there was one. */
  cancel(id: string): Promise<boolean>
  /** Appends what is due, the earliest first. Gives when the next one is: `undefined` where there is none. */
  appendDue(limit: number): Promise<number | undefined>
  readonly deadLetters: DeadLetterLog
  readonly schedules: ScheduleStore
  stats(): Promise<StoreStats>
  /** Stores what it was given, and closes. */
  close(): Promise<void>

  /** For how long a claim lasts, in milliseconds, where claims end by themselves unless they are renewed. */
  readonly leaseMs?: number | undefined
  /** Keeps the claims, where they end by themselves, and says that this node is live; `lacks` is all that it cannot read. */
  renew?(claims: readonly Claim[], lacks?: readonly Lack[]): Promise<Renewal>
  /** For how long a message that no live node can read waits for one, in milliseconds. Default: it does not wait. */
  readonly unknownTypeMs?: number | undefined
}

/** What a store noticed when it was opened. `pending`: how many messages at most; `since`: when a node had it last, if known. */
export type Finding =
  | { readonly kind: 'orphan'; readonly subscription: string; readonly pending: number; readonly since?: number }
  | { readonly kind: 'forgotten'; readonly subscription: string; readonly pending: number }
  | { readonly kind: 'typeRemoved'; readonly subscription: string; readonly type: string; readonly pending: number }
  | { readonly kind: 'renamed'; readonly subscription: string; readonly from: string }
  | { readonly kind: 'added'; readonly subscription: string }
  | { readonly kind: 'lost'; readonly text: string }

/** A delivery that failed for good, with its message: it does not need the log any more. */
export interface StoredDeadLetter {
  readonly id: string
  readonly subscription: string
  readonly partition: number
  readonly message: StoredMessage
  readonly correlationId: string
  /** The `code` or `name` of the last error. */
  readonly error: string
  /** The attempts, the last error among them. */
  readonly attempts: string
  /** In milliseconds since 1970. */
  readonly diedAt: number
  readonly isReplaying: boolean
}

/** The dead letters of all subscriptions, in the order of their deaths. */
export interface DeadLetterLog {
  get(id: string): Promise<StoredDeadLetter | undefined>
  /** Which of these ids are those of dead letters that there are, in any order. */
  existing(ids: readonly string[]): Promise<readonly string[]>
  /** The oldest death first; `next` is where the next page begins, for `after`, and `undefined` where this is the last. */
  list(
    filter: DeadLetterFilter,
    page: { readonly after: string | undefined; readonly limit: number },
  ): Promise<{ readonly letters: readonly StoredDeadLetter[]; readonly next: string | undefined }>
  /** Begins a replay, of the message as edited, if it was; the node that has the claim runs it. Tells whether none was under way. */
  beginReplay(id: string, edited?: StoredMessage): Promise<boolean>
  endReplay(id: string): Promise<void>
  /** Those of one subscription that are being replayed, the oldest death first. */
  replaying(subscription: string): Promise<readonly StoredDeadLetter[]>
  /** Removes those that are not being replayed. Gives the ids of those that were removed. */
  remove(ids: readonly string[]): Promise<readonly string[]>
}
