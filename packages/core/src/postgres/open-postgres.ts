import type { Clock } from '../ports/clock.ts'
import type { Lack, Renewal } from '../ports/share.ts'
import { checkStorable } from '../ports/storable.ts'
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
  Subscription,
} from '../ports/store.ts'
import type { StoreStats } from '../ports/store-stats.ts'
import type { ScheduleStore } from '../ports/schedule-store.ts'
import { StoreFailed } from '../store-errors.ts'
import { Claims } from './claims.ts'
import type { CheckedOut } from './checked-out.ts'
import type { PostgresPool } from './client.ts'
import { Connection } from './connection.ts'
import { PostgresDeadLetters } from './dead-letters.ts'
import { Delays } from './delays.ts'
import { failureOf } from './failure.ts'
import { type Generation, Generations } from './generations.ts'
import { HeldClaims } from './held-claims.ts'
import { Housekeeper } from './housekeeper.ts'
import { Batch, numberOf } from './messages.ts'
import { callersFailure, callersTransaction } from './outbox/callers-transaction.ts'
import { Unplaced } from './outbox/unplaced.ts'
import { Reads } from './reads.ts'
import type { Registered } from './registration.ts'
import { ServerTime } from './server-time.ts'
import type { PostgresSettings } from './settings.ts'
import type { Statements } from './statements.ts'
import { TakenTypes } from './taken-types.ts'
import { Transactions } from './transactions.ts'
import { Watch } from './watch.ts'
import { Works } from './works.ts'
import { type Stored, Writer } from './writer.ts'

export interface OpenParts extends Registered {
  readonly name: string
  readonly pool: PostgresPool
  readonly settings: PostgresSettings
  readonly statements: Statements
  readonly channel: string
  readonly node: string
  readonly generations: readonly Generation[]
  readonly subscriptions: readonly Subscription[]
  /** What time it was for the server when it was opened. */
  readonly now: number
  readonly types: ReadonlySet<string>
  readonly clock: Clock
  readonly wake: () => void
  readonly appended: ((page: Page) => void) | undefined
  readonly claimsChanged: (() => void) | undefined
  readonly lettersChanged: (() => void) | undefined
  /** Called with what failed of what is done by itself, and after how many milliseconds that is tried again. */
  readonly failed: (error: Error, delayMs: number) => void
  /** Called when all is stored. */
  readonly closed: () => Promise<void>
}

/** A log in Postgres, as one node has it open. */
export class OpenPostgres implements OpenStore {
  readonly name: string
  readonly isShared = true
  readonly scanAhead: number
  readonly leaseMs: number
  readonly unknownTypeMs: number
  readonly findings: readonly Finding[]
  readonly deadLetters: DeadLetterLog
  readonly schedules: ScheduleStore
  readonly #parts: OpenParts
  readonly #time: ServerTime
  readonly #writing: Connection
  readonly #reading: Connection
  readonly #aside: Connection
  readonly #transactions: Transactions
  readonly #writer: Writer
  readonly #reads: Reads
  readonly #takenTypes: TakenTypes
  readonly #claims: Claims
  readonly #works: Works
  readonly #delays: Delays
  readonly #unplaced: Unplaced
  readonly #watch: Watch
  readonly #housekeeper: Housekeeper
  readonly #generations: Generations
  #isClosed = false

  constructor(parts: OpenParts) {
    const { name, pool, settings, statements, channel, node, ids, subscriptions, clock, types } = parts
    const { leaseMs, pollMs, completion, dedupeMs, statementTimeoutMs: timeoutMs } = settings
    this.#parts = parts
    this.name = name
    this.leaseMs = leaseMs
    this.scanAhead = settings.scanAhead
    this.unknownTypeMs = settings.unknownTypeMs
    this.findings = parts.findings
    this.#time = new ServerTime(clock, parts.now)
    const wake = (): void => this.#wake()
    // Who can listen has a session of its own. In one that is not, no plan is kept: it might have been made for an empty table.
    const isOwn = settings.listen
    const connecting = { name, pool, timeoutMs, statements, isPrepared: settings.prepare && isOwn }
    const own = { ...connecting, isOwn }
    this.#writing = new Connection(own)
    this.#aside = new Connection(own)
    const listen = (connection: CheckedOut): Promise<void> => this.#watch.listenOn(connection)
    this.#reading = new Connection({ ...own, begin: settings.listen ? listen : undefined })
    this.#takenTypes = new TakenTypes((...of) => this.#reads.run('ranges', of))
    const reads = new Reads({
      name,
      statements,
      connection: this.#reading,
      isArchived: settings.completion === 'archive',
      typesChanged: (changes) => this.#takenTypes.upTo(changes),
    })
    this.#reads = reads
    this.#unplaced = new Unplaced({ reads, channel, node, placed: wake })
    const unplaced = this.#unplaced
    this.#transactions = new Transactions({ name, writer: this.#writing, timeoutMs })
    const transactions = this.#transactions
    const generations = new Generations(reads, parts.generations)
    this.#generations = generations
    const held = new HeldClaims(name, (partition, cursor) => {
      if (generations.isEnd(partition, cursor)) this.#tellOfClaims()
    })
    const group = { statements, claims: held, node, generations, dedupeMs }
    const stored = (what: Stored): void => this.#stored(what)
    const writer = new Writer({ ...group, name, transactions, aside: this.#aside, unplaced, stored })
    this.#writer = writer
    const beat = ({ now, isOnDuty }: { readonly now: number; readonly isOnDuty: boolean }): void => {
      this.#time.told(now)
      this.#housekeeper.isOnDuty = isOnDuty
      this.#housekeeper.beat(now)
    }
    const claiming = { statements, writer, reads, held, node, leaseMs, generations, ids, subscriptions, beat }
    this.#claims = new Claims({ ...claiming, types: this.#takenTypes, released: () => this.#tellOfClaims() })
    this.#works = new Works({ ...group, ...connecting, transactions, writer, stored })
    this.#delays = new Delays({ statements, writer, reads, transactions, generations, dedupeMs, appended: wake })
    this.schedules = this.#delays
    const changed = (): void => this.#watch.tell('letters')
    this.deadLetters = new PostgresDeadLetters({ statements, writer, reads, changed })
    this.#housekeeper = new Housekeeper({
      statements,
      connecting: own,
      completion,
      leaseMs,
      failed: (error) => this.#failed(error, leaseMs / 3),
    })
    this.#housekeeper.isOnDuty = parts.isOnDuty
    const looked = ({ now, finished }: { readonly now: number; readonly finished: unknown }): void => {
      this.#time.told(now)
      this.#housekeeper.told(finished)
    }
    const { claimsChanged = (): void => {}, lettersChanged = (): void => {} } = parts
    const failed = (error: unknown, delayMs: number): void => this.#failed(error, delayMs)
    const heard = { wake, claimsChanged, lettersChanged, looked, failed }
    this.#watch = new Watch({ reads, unplaced, node, channel, pollMs, ...heard }, types)
    // The others have less to do from now on.
    this.#watch.tell('claims')
    // It listens from now on.
    if (settings.listen) void this.#reading.pinned().catch(() => {})
  }

  now(): number {
    return this.#time.now()
  }

  takes(type: string): boolean {
    return this.#watch.types.has(type)
  }

  append(messages: readonly NewMessage[], tx?: unknown): Promise<readonly boolean[]> {
    return tx === undefined ? this.#writer.store({ messages }) : this.#appendTo(messages, tx)
  }

  async #appendTo(messages: readonly NewMessage[], tx: unknown): Promise<readonly boolean[]> {
    const { name, settings, statements } = this.#parts
    const transaction = callersTransaction(tx, name)
    if (this.#isClosed) throw this.#closed()
    for (const message of messages) checkStorable(message)
    const batch = new Batch(this.#generations.newest)
    batch.add(messages)
    if (batch.isEmpty) return messages.map(() => false)
    try {
      const { rows } = await transaction.query(statements.text('publish'), [batch.json, settings.dedupeMs])
      const strict = rows[0]?.['strict']
      if (typeof strict === 'string') this.#unplaced.add(strict)
      return batch.areNew(rows)
    } catch (error) {
      throw callersFailure(error, { name, schema: settings.schema })
    }
  }

  claim(): Promise<readonly Claim[]> {
    return this.#claims.claim()
  }

  renew(claims: readonly Claim[], lacks: readonly Lack[] = []): Promise<Renewal> {
    return this.#claims.renew(claims, lacks)
  }

  read(partition: number, after: number, limit: number): Promise<readonly LoggedMessage[]> {
    return this.#reads.page(partition, after, limit)
  }

  readAt(partition: number, positions: readonly number[]): Promise<readonly LoggedMessage[]> {
    return this.#reads.at(partition, positions)
  }

  exceptions(claim: Claim): Promise<readonly Exception[]> {
    return this.#claims.exceptions(claim)
  }

  settle(claim: Claim | undefined, settlement: Settlement): Promise<readonly boolean[]> {
    const { work, caused = [] } = settlement
    if (work !== undefined) return this.#works.settle(claim, settlement, work)
    return this.#writer.store({ claim, settlement, messages: caused })
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

  async stats(): Promise<StoreStats> {
    await this.#housekeeper.idle()
    const [row] = await this.#reads.run('stats')
    const subscriptions = await this.#reads.run('progressOfAll')
    return {
      appended: numberOf(row?.['appended']),
      messages: numberOf(row?.['messages']),
      delayed: numberOf(row?.['delayed']),
      deadLetters: numberOf(row?.['dead_letters']),
      subscriptions: subscriptions.map((one) => {
        return { name: one['name'] as string, behind: numberOf(one['behind']), exceptions: numberOf(one['exceptions']) }
      }),
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const { statements, node, channel } = this.#parts
    this.#watch.close()
    this.#transactions.close()
    try {
      await this.#writer.close()
      await this.#writing.query(statements.text('leave'), [node])
      await this.#writing.query(statements.text('notify'), [channel, `claims ${node}`])
    } catch (error) {
      throw failureOf(error, this.name) // What it has ends by itself: when its lease is over.
    } finally {
      await Promise.all([this.#housekeeper.close(), this.#writing.close(), this.#aside.close(), this.#reading.close()])
      await this.#parts.closed()
    }
  }

  #stored({ pages, mayRemove }: Stored): void {
    if (pages === undefined || pages.length > 0) {
      const { appended } = this.#parts
      // Where what is taken has changed, it is read: that finds out.
      const areKnown = pages?.every(({ typeChanges }) => this.#takenTypes.isUpTo(typeChanges)) === true
      if (!areKnown || appended === undefined) this.#wake()
      else queueMicrotask(() => !this.#isClosed && pages.forEach(appended))
      this.#watch.tell('messages')
    }
    if (mayRemove) this.#housekeeper.wake()
  }

  /** There may be claims that can be had. While a generation drains, what this node has given back may be what it waits for. */
  #tellOfClaims(): void {
    this.#watch.tell('claims')
    if (this.#generations.isDraining && !this.#isClosed) queueMicrotask(() => this.#parts.claimsChanged?.())
  }

  #failed(error: unknown, delayMs: number): void {
    if (!this.#isClosed) this.#parts.failed(failureOf(error, this.name), delayMs)
  }

  #wake(): void {
    if (!this.#isClosed) queueMicrotask(this.#parts.wake)
  }

  #closed(): StoreFailed {
    return new StoreFailed('STORE_CLOSED', `${this.name} is closed, and stores nothing any more. Start the bus again.`)
  }
}
