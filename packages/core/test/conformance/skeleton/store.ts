import type { Claim, Exception, Finding, LoggedMessage, NewMessage } from '../../../src/ports/store.ts'
import type { DeadLetterLog, OpenStore, Settlement } from '../../../src/ports/store.ts'
import type { ScheduleStore } from '../../../src/ports/schedule-store.ts'
import type { Store, StoreOpening } from '../../../src/ports/store.ts'
import type { StoreStats } from '../../../src/ports/store-stats.ts'
import { ForeignTransaction, StoreFailed } from '../../../src/store-errors.ts'
import { closed, type Database, type Rows, type SubscriptionRow } from './database.ts'
import { bury, deadLettersOf } from './dead-letters.ts'
import { append, appendDue, cancel, contentOf, prune } from './log.ts'
import { register } from './registration.ts'

/** A store to begin with: of one node, with one partition. It passes the suite; make it yours table by table. */
export function skeletonStore(database: Database): Store {
  return { name: 'skeleton', isShared: false, open: async (opening) => new Skeleton(database, opening) }
}

class Skeleton implements OpenStore {
  readonly name = 'skeleton'
  readonly isShared = false
  readonly findings: readonly Finding[]
  readonly deadLetters: DeadLetterLog
  readonly schedules: ScheduleStore
  readonly #database: Database
  readonly #opening: StoreOpening
  /** The epochs of the claims that this opening has: no other one may have any. */
  readonly #held = new Map<string, number>()
  #last: Promise<unknown> = Promise.resolve()
  #isClosing = false

  constructor(database: Database, opening: StoreOpening) {
    this.#database = database
    this.#opening = opening
    if (database.session !== undefined) {
      throw new StoreFailed('STORE_OWNED', 'The skeleton is open already. Close it first.')
    }
    const { service } = database.rows.meta
    if (service !== undefined && opening.service !== undefined && service !== opening.service) {
      const what = `The skeleton is of the service '${service}', and '${opening.service}' opens it.`
      throw new StoreFailed('STORE_OF_ANOTHER_SERVICE', `${what} Give each service a store of its own.`)
    }
    database.connect(this)
    try {
      // Here a database would make its tables, or bring them up to date.
      this.findings = this.#transaction((rows) => {
        rows.meta = { ...rows.meta, service: service ?? opening.service }
        return register(rows, opening.subscriptions)
      })
    } catch (error) {
      database.disconnect()
      throw error
    }
    this.deadLetters = deadLettersOf(
      () => this.#rows,
      (run) => this.#write(run),
    )
    this.schedules = this.#scheduleStore()
  }

  /** Where a clock is set back, time stands still: see `StoreTime` of the core for how it may go on. */
  now(): number {
    return Math.max(this.#database.rows.meta.time, this.#opening.clock.now())
  }

  takes(type: string): boolean {
    const rows = [...this.#database.rows.subscriptions.values()]
    return rows.some(({ takes }) => takes.some((range) => range.type === type && range.upTo === undefined))
  }

  async append(messages: readonly NewMessage[], tx?: unknown): Promise<readonly boolean[]> {
    // Where your users have transactions of your database: write with theirs, within this call. Feature `tx`.
    if (tx !== undefined) throw new ForeignTransaction('The skeleton takes no transactions. Publish without tx.')
    return this.#write((rows) => append(rows, messages))
  }

  claim(): Promise<readonly Claim[]> {
    return this.#write((rows) => {
      const free = this.#opening.subscriptions.filter(({ name }) => !this.#held.has(name))
      return free.map(({ name }): Claim => {
        const { isClean, takes, progress, ...row } = rows.subscriptions.get(name) as SubscriptionRow
        const epoch = row.epoch + 1
        rows.subscriptions.set(name, { name, epoch, isClean: false, progress, takes })
        this.#held.set(name, epoch)
        return { subscription: name, partition: 0, epoch, progress: progress.copy(), isClean, takes }
      })
    })
  }

  async read(_partition: number, after: number, limit: number): Promise<readonly LoggedMessage[]> {
    const found = this.#rows.log.filter(({ position }) => position > after).slice(0, limit)
    return found.map((one) => ({ ...contentOf(one), position: one.position }))
  }

  async readAt(_partition: number, positions: readonly number[]): Promise<readonly LoggedMessage[]> {
    const { log } = this.#rows
    const found = positions.flatMap((position) => log.find((one) => one.position === position) ?? [])
    return found.map((one) => ({ ...contentOf(one), position: one.position }))
  }

  async exceptions({ subscription }: Claim): Promise<readonly Exception[]> {
    const found = [...this.#rows.exceptions.values()].filter((one) => one.subscription === subscription)
    return found
      .sort((a, b) => a.position - b.position)
      .map(({ position, key, state, dueAt, note }) => ({ position, key, state, dueAt, note }))
  }

  /** All of it in one transaction, the claim checked in it: what throws leaves nothing. */
  settle(claim: Claim | undefined, settlement: Settlement): Promise<readonly boolean[]> {
    return this.#write((rows) => {
      if (claim !== undefined) this.#settleClaim(rows, claim, settlement)
      for (const letter of settlement.dead ?? []) bury(rows, letter)
      for (const id of settlement.revived ?? []) rows.letters.delete(id)
      const caused = settlement.work?.(rows) ?? []
      // Feature `asyncWork`: keep the transaction open until it resolves, and everybody else waiting.
      if (caused instanceof Promise) {
        caused.catch(() => {})
        throw new StoreFailed('STORE_FAILED', 'The skeleton takes no asynchronous work. Write without waiting.')
      }
      const isNew = append(rows, [...(settlement.caused ?? []), ...caused])
      prune(rows)
      return isNew
    })
  }

  release(claims: readonly Claim[]): Promise<void> {
    return this.#write((rows) => {
      for (const { subscription, epoch } of claims) {
        if (this.#held.get(subscription) !== epoch) continue
        this.#held.delete(subscription)
        rows.subscriptions.set(subscription, {
          ...(rows.subscriptions.get(subscription) as SubscriptionRow),
          isClean: true,
        })
      }
    })
  }

  cancel(id: string): Promise<boolean> {
    return this.#write((rows) => cancel(rows, id))
  }

  appendDue(limit: number): Promise<number | undefined> {
    return this.#write((rows) => appendDue(rows, limit))
  }

  async stats(): Promise<StoreStats> {
    const { meta, log, delayed, letters, subscriptions, exceptions } = this.#rows
    return {
      appended: meta.tail,
      messages: log.length,
      delayed: delayed.length,
      deadLetters: letters.size,
      subscriptions: [...subscriptions.values()].map(({ name, progress }) => ({
        name,
        behind: meta.tail - progress.cursor,
        exceptions: [...exceptions.values()].filter(({ subscription }) => subscription === name).length,
      })),
    }
  }

  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    await this.#last
    if (this.#database.session === this) this.#database.disconnect()
  }

  #settleClaim(rows: Rows, { subscription, epoch }: Claim, settlement: Settlement): void {
    const row = rows.subscriptions.get(subscription)
    if (row === undefined || row.epoch !== epoch || this.#held.get(subscription) !== epoch) {
      const what = `The claim of ${subscription}, epoch ${epoch}, was lost.`
      throw new StoreFailed('CLAIM_LOST', `${what} Drop what you have of it, and claim anew.`)
    }
    const { reached, done = [], exceptions = [], cleared = [] } = settlement
    const progress = row.progress.copy()
    progress.settle(reached, [...done, ...exceptions.map(({ position }) => [position, position] as const)])
    rows.subscriptions.set(subscription, { ...row, progress })
    for (const one of exceptions) rows.exceptions.set(`${subscription} ${one.position}`, { ...one, subscription })
    for (const position of cleared) rows.exceptions.delete(`${subscription} ${position}`)
  }

  #scheduleStore(): ScheduleStore {
    return {
      dueAt: async (name) => this.#rows.schedules.get(name),
      put: (name, dueAt) => this.#write(({ schedules }) => void schedules.set(name, dueAt)),
      fire: (name, { dueAt, next, message }) =>
        this.#write((rows) => {
          // Looked for and written in one transaction: of two that fire it, one finds another time.
          if (rows.schedules.get(name) !== dueAt) return false
          rows.schedules.set(name, next)
          append(rows, [message])
          return true
        }),
      remove: (name) => this.#write(({ schedules }) => schedules.delete(name)),
    }
  }

  /** What may be read: what is committed, by whoever has it open. */
  get #rows(): Database['rows'] {
    if (this.#database.session !== this) throw closed()
    return this.#database.rows
  }

  /**
   * One transaction after the other, in the order of the calls. Faster: all that waits in one. Where your database fails, reject
   * what waits too, and what is called in the same moment: nothing may be stored while something before it is not.
   */
  #write<T>(run: (rows: Rows) => T): Promise<T> {
    if (this.#isClosing) return Promise.reject(closed())
    const result = this.#last.then(() => this.#transaction(run))
    this.#last = result.catch(() => {}) // Whoever called has the error.
    return result
  }

  /** Where something can be read, or done when due, that could not before: the bus is woken after the commit. */
  #transaction<T>(run: (rows: Rows) => T): T {
    const { meta, delayed } = this.#database.rows
    const time = this.now()
    const result = this.#database.transaction(this, (rows) => {
      rows.meta = { ...rows.meta, time }
      return run(rows)
    })
    const now = this.#database.rows
    if (now.meta.tail > meta.tail || now.delayed.length > delayed.length) queueMicrotask(this.#opening.wake)
    return result
  }
}
