import { Progress } from '../ports/progress.ts'
import type { LoggedMessage, NewMessage } from '../ports/store.ts'
import type { Statements } from './statements.ts'

/** How far a subscription has come, as this transaction has it. */
export interface ClaimDraft {
  readonly epoch: number
  readonly isHeld: boolean
  readonly progress: Progress
  isChanged: boolean
}

/** What is known of the log. */
export interface LogState {
  readonly tail: number
  readonly clock: number
  readonly pruned: number
  readonly messages: number
  readonly turn: number
}

interface ClaimRow {
  readonly epoch: number
  readonly cursor: number
  readonly reach: number
  readonly finished: Uint8Array
  readonly is_held: number
}

interface TransactionParts {
  readonly statements: Statements
  readonly now: () => number
  readonly hasWork?: boolean
  /** What the transaction before it has left; `undefined` where that is not known, and has to be read. */
  readonly found?: LogState | undefined
}

/**
 * What a transaction knows while it is open. It is read when the transaction begins, or handed on by the one before it, which is
 * committed; and it is written at the end: there is no state in memory that could run ahead of the disk, or be left by a rollback.
 */
export class Transaction {
  tail = 0
  pruned = 0
  messages = 0
  /** Counts the transactions that have written it: so it is known afterwards whether one that somebody ended was committed. */
  turn = 0
  /** Whether anything but messages was written. */
  hasMore = false
  /** Whether something is due sooner than anything was before. */
  isSooner = false
  /** Whether finished messages may be below the lowest cursor. */
  hasMoved = false
  /** How many ids it has added to those that are remembered. */
  remembered = 0
  /** About how many bytes it adds to the write-ahead log, but for the pages that each transaction writes. */
  bytes = 0
  /** When it began, in milliseconds since 1970. */
  readonly beganAt: number
  /** The position of the last message that was there before it. */
  readonly tailBefore: number
  /** What it has appended behind that. */
  readonly appended: LoggedMessage[] = []
  /** The copy of each. */
  readonly copies: NewMessage['copy'][] = []
  /** Whether handlers write in it too: they may have taken back some of what was appended, or have ended it. */
  readonly hasWork: boolean
  /** Positions that have lost an exception. */
  readonly cleared: number[] = []
  readonly #statements: Statements
  readonly #now: () => number
  readonly #claims = new Map<number, ClaimDraft>()
  #clock = 0
  #hasTurned = false

  constructor({ statements, now, hasWork = false, found }: TransactionParts) {
    this.hasWork = hasWork
    this.#statements = statements
    this.#now = now
    this.beganAt = now()
    this.#set(found ?? this.reloadLog())
    this.tailBefore = this.tail
  }

  /** Forgets what was not written yet, and reads what is there now. */
  reload(): void {
    this.#set(this.reloadLog())
    this.#claims.clear()
  }

  /** The same for the messages alone. */
  reloadLog(): LogState {
    const state = this.#statements.log.get() as LogState
    this.tail = state.tail
    this.messages = state.messages
    while ((this.appended.at(-1)?.position ?? 0) > state.tail) this.appended.pop()
    this.copies.length = this.appended.length
    return state
  }

  #set({ tail, clock, pruned, messages, turn }: LogState): void {
    this.tail = tail
    this.#clock = clock
    this.pruned = pruned
    this.messages = messages
    this.turn = turn
  }

  /** What the next one finds, once this one is committed, and if nobody else writes. */
  get left(): LogState {
    const { tail, pruned, messages, turn } = this
    return { tail, clock: Math.max(this.#clock, this.#lastTime), pruned, messages, turn }
  }

  /** When the last message was accepted that it has appended. */
  get #lastTime(): number {
    return this.appended.at(-1)?.time ?? 0
  }

  /** Whether it writes nothing but the end of the messages. */
  get isAppend(): boolean {
    return !this.hasMore && !this.#hasTurned
  }

  /** Whether whoever has ended it has committed it; not where that cannot be said. What is there now is known then. */
  wasCommitted(): boolean {
    const { turn } = this
    try {
      this.reload()
    } catch {
      return false
    }
    return this.turn === turn
  }

  /** Rises with each transaction. */
  get changes(): number {
    return this.turn + this.tail
  }

  claim(subscription: number): ClaimDraft | undefined {
    let draft = this.#claims.get(subscription)
    if (draft !== undefined) return draft
    const row = this.#statements.claim.get(subscription) as ClaimRow | undefined
    if (row === undefined) return undefined
    const progress = new Progress(row.cursor, row.reach, row.finished)
    draft = { epoch: row.epoch, isHeld: row.is_held === 1, progress, isChanged: false }
    this.#claims.set(subscription, draft)
    return draft
  }

  /** Writes how far the claims have come. */
  writeClaims(): void {
    for (const [subscription, { progress, isChanged }] of this.#claims) {
      if (!isChanged) continue
      this.hasMore = true
      this.#statements.writeClaim.run(progress.cursor, progress.reach, progress.finished, subscription)
    }
    this.#claims.clear()
  }

  /** Writes what the messages do not say by themselves. Their time is the store's, unless the clock was set back. */
  writeIfNeeded(): void {
    this.writeClaims()
    const isOwed = this.tail === this.tailBefore || !this.isAppend
    if (isOwed || this.#lastTime < this.#clock) this.write()
  }

  /** Writes all that is known here: then the file is as it should be, whoever ends the transaction. */
  write(): void {
    this.writeClaims()
    if (!this.#hasTurned) this.turn += 1
    this.#hasTurned = true
    this.#clock = Math.max(this.#clock, this.#now())
    this.#statements.writeLog.run(this.tail, this.#clock, this.pruned, this.messages, this.turn)
  }
}
