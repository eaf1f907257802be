import type { Clock } from '../ports/clock.ts'
import type {
  Claim,
  DeadLetterLog,
  Exception,
  Finding,
  LoggedMessage,
  NewMessage,
  OpenStore,
  Page,
  Settlement,
} from '../ports/store.ts'
import type { StoreStats } from '../ports/store-stats.ts'
import type { ScheduleStore } from '../ports/schedule-store.ts'
import { StoreTime } from '../ports/store-time.ts'
import { ForeignTransaction } from '../store-errors.ts'
import type { Checkpoints } from './checkpoints.ts'
import { Claims } from './claims.ts'
import { SqliteDeadLetters } from './dead-letters.ts'
import { Delays } from './delays.ts'
import { failureOf } from './failure.ts'
import { GroupCommit } from './group-commit.ts'
import { isInTransaction, prepare, type SqliteDatabase } from './handle.ts'
import { KnownLog } from './known-log.ts'
import { Log } from './log.ts'
import { Pruning } from './prune.ts'
import { Reads } from './reads.ts'
import type { Registered } from './registration.ts'
import type { SqliteSettings } from './settings.ts'
import { SeenIds } from './seen-ids.ts'
import { COUNTS, prepareAll, type Statements } from './statements.ts'
import { Telling } from './telling.ts'
import { Transaction } from './transaction.ts'
import { Watch } from './watch.ts'
import type { WalSync } from './wal-sync.ts'
import { Works } from './works.ts'

export interface OpenParts extends Registered {
  readonly name: string
  readonly database: SqliteDatabase
  /** Whether the connection is the caller's. */
  readonly isGiven: boolean
  readonly settings: SqliteSettings
  readonly clock: Clock
  readonly wake: () => void
  readonly appended: (page: Page) => void
  /** `undefined` where SQLite syncs by itself, or nobody does. */
  readonly sync: WalSync | undefined
  readonly checkpoints: Checkpoints | undefined
  /** Called when a transaction is stored for good. */
  readonly stored: (transaction: Transaction) => void
  /** Called when all is stored. */
  readonly closed: () => Promise<void>
}

/** A file that is open. Reads are made at once; writes wait for the next transaction. */
export class OpenSqlite implements OpenStore {
  readonly name: string
  readonly isShared = false
  readonly scanAhead: number
  /**
   * Twice as many as elsewhere, for there is one partition: while a handler runs what was read, transactions of others may go
   * before the one that lets it begin the next ones.
   */
  readonly readAhead: number = 512
  readonly findings: readonly Finding[]
  readonly deadLetters: DeadLetterLog
  readonly schedules: ScheduleStore
  readonly #parts: OpenParts
  readonly #statements: Statements
  readonly #commits: GroupCommit
  readonly #log: Log
  readonly #claims: Claims
  readonly #delays: Delays
  readonly #watch: Watch
  readonly #works: Works
  readonly #reads: Reads
  readonly #seen: SeenIds
  readonly #time: StoreTime
  /** Up to where messages can be read while a transaction of the caller's is open that appends some. */
  #tailForNow: number | undefined
  #isClosed = false

  constructor(parts: OpenParts) {
    const { name, database, isGiven, settings, clock, wake, findings, ids, sync, checkpoints, stored, appended } = parts
    const now = (): number => this.now()
    const statements = prepareAll(database)
    this.name = name
    this.scanAhead = settings.scanAhead
    this.#parts = parts
    this.#statements = statements
    this.#time = new StoreTime(clock, (statements.log.get() as { readonly clock: number }).clock)
    this.#watch = new Watch(database)
    this.#works = new Works({ database, isGiven, clock, timeoutMs: settings.commitTimeoutMs })
    const seen = new SeenIds(statements, settings.dedupeMs)
    this.#commits = new GroupCommit({
      name,
      database,
      statements,
      known: new KnownLog(statements, isGiven),
      now,
      telling: new Telling({ sync, stored, wake, appended, told: () => this.#commits.schedule() }),
      checkpoints,
      works: this.#works,
      watch: this.#watch,
      seen,
      pruning: new Pruning(statements, now, settings.completion),
      busyTimeoutMs: settings.commitTimeoutMs,
    })
    const commits = this.#commits
    const reads = new Reads({ name, database, commits })
    this.#reads = reads
    const log = new Log({ statements, now, seen, isArchived: settings.completion === 'archive' })
    this.#log = log
    this.#seen = seen
    this.#claims = new Claims({ name, statements, commits, log, ids })
    this.#delays = new Delays({ statements, commits, reads, log, now })
    this.schedules = this.#delays
    this.deadLetters = new SqliteDeadLetters({ database, statements, commits, reads })
    this.findings = findings
  }

  now(): number {
    return this.#time.now()
  }

  takes(type: string): boolean {
    return this.#parts.taken.has(type)
  }

  append(messages: readonly NewMessage[], tx?: unknown): Promise<readonly boolean[]> {
    if (tx !== undefined) return this.#appendTo(messages, tx)
    const log = this.#log
    return this.#commits.add({ rows: messages.length, apply: (transaction) => log.append(transaction, messages) })
  }

  /** What is in its body happens before the call returns. */
  async #appendTo(messages: readonly NewMessage[], tx: unknown): Promise<readonly boolean[]> {
    const { name, database, isGiven } = this.#parts
    const { transaction } = this.#commits
    if (transaction !== undefined && tx === this.#works.tx) return this.#log.append(transaction, messages)
    if (!isGiven) throw new ForeignTransaction(`${name} writes on a connection of its own: ${remedy}`)
    if (tx !== database) throw new ForeignTransaction(`The tx is not the connection of ${name}: ${remedy}`)
    if (this.#isClosed) throw this.#reads.closed()
    if (!isInTransaction(database)) {
      throw new ForeignTransaction(`No transaction is open on the connection of ${name}. Begin one, or leave 'tx' out.`)
    }
    return this.#appendIn(messages)
  }

  /** In the caller's transaction: all of them, or none. */
  #appendIn(messages: readonly NewMessage[]): readonly boolean[] {
    const statements = this.#statements
    statements.savepoint.run()
    try {
      const transaction = new Transaction({ statements, now: () => this.now() })
      const given = this.#log.append(transaction, messages)
      this.#seen.forgetSome(transaction)
      transaction.writeIfNeeded()
      this.#watchOut(transaction)
      statements.releaseTo.run()
      return given
    } catch (error) {
      if (isInTransaction(this.#parts.database)) {
        statements.rollbackTo.run()
        statements.releaseTo.run()
      }
      throw failureOf(error, this.#parts.name)
    }
  }

  /** When the caller's transaction has ended, there may be something to read, and until then there is not. */
  #watchOut({ tailBefore }: Transaction): void {
    if (this.#tailForNow !== undefined) return
    this.#tailForNow = tailBefore
    this.#watch.whenEnded(() => {
      this.#tailForNow = undefined
      this.#parts.wake()
    })
  }

  /** Up to where messages are stored for good. */
  get #readableUpTo(): number {
    const syncedUpTo = this.#parts.sync?.storedUpTo
    if (syncedUpTo !== undefined) return syncedUpTo
    if (!isInTransaction(this.#parts.database)) return Number.MAX_SAFE_INTEGER
    return this.#commits.transaction?.tailBefore ?? this.#tailForNow ?? Number.MAX_SAFE_INTEGER
  }

  claim(): Promise<readonly Claim[]> {
    return this.#claims.claim()
  }

  read(_partition: number, after: number, limit: number): Promise<readonly LoggedMessage[]> {
    return this.#reads.now(() => this.#log.read(after, this.#readableUpTo, limit))
  }

  readAt(_partition: number, positions: readonly number[]): Promise<readonly LoggedMessage[]> {
    return this.#reads.now(() => this.#log.readAt(positions, this.#readableUpTo))
  }

  exceptions(claim: Claim): Promise<readonly Exception[]> {
    return this.#reads.settled(() => this.#claims.exceptions(claim))
  }

  settle(claim: Claim | undefined, settlement: Settlement): Promise<readonly boolean[]> {
    return this.#claims.settle(claim, settlement)
  }

  release(claims: readonly Claim[]): Promise<void> {
    return this.#claims.release(claims)
  }

  cancel(id: string): Promise<boolean> {
    return this.#delays.cancel(id)
  }

  appendDue(limit: number): Promise<number | undefined> {
    return this.#delays.appendDue(limit)
  }

  stats(): Promise<StoreStats> {
    return this.#reads.settled(() => {
      const { tail, messages } = this.#statements.log.get() as { readonly tail: number; readonly messages: number }
      const rows = prepare(this.#parts.database, COUNTS.subscriptions).all() as SubscriptionRow[]
      const subscriptions = rows.map(({ name, cursor, exceptions }) => ({ name, behind: tail - cursor, exceptions }))
      const [delayed, deadLetters] = [this.#count(COUNTS.delayed), this.#count(COUNTS.deadLetters)]
      return { appended: tail, messages, delayed, deadLetters, subscriptions }
    })
  }

  #count(sql: string): number {
    return (prepare(this.#parts.database, sql).get() as { readonly count: number }).count
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    try {
      await this.#commits.close()
    } finally {
      await this.#parts.closed()
    }
  }
}

const remedy =
  'open the store by sqlite({ database }), and pass that very database as tx, with a transaction open on it.'

interface SubscriptionRow {
  readonly name: string
  readonly cursor: number
  readonly exceptions: number
}
