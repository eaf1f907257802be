import type { NewMessage } from '../ports/store.ts'
import { CommitDeadlock, StoreFailed } from '../store-errors.ts'
import { failureOf, isBusy, isOfTheFile } from './failure.ts'
import { isInTransaction, type SqliteDatabase } from './handle.ts'
import type { Checkpoints } from './checkpoints.ts'
import type { KnownLog } from './known-log.ts'
import type { Pruning } from './prune.ts'
import { type Operation, Queued, WriteQueue } from './write-queue.ts'
import type { SeenIds } from './seen-ids.ts'
import type { Statements } from './statements.ts'
import type { Telling } from './telling.ts'
import { Transaction } from './transaction.ts'
import { openTooLong, type Watch } from './watch.ts'
import { endedByWork, insideWork, type Works } from './works.ts'

interface GroupCommitParts {
  readonly name: string
  readonly database: SqliteDatabase
  readonly statements: Statements
  readonly known: KnownLog
  readonly now: () => number
  readonly pruning: Pruning
  readonly seen: SeenIds
  readonly works: Works
  readonly watch: Watch
  /** For how long another connection may keep this one from beginning, in milliseconds. */
  readonly busyTimeoutMs: number
  readonly telling: Telling
  /** `undefined` where SQLite makes them by itself. */
  readonly checkpoints: Checkpoints | undefined
}

const nothing: readonly NewMessage[] = []
/** Stores nothing: for what a transaction does at its end, or to know that it has ended. */
const empty: Operation<void> = { rows: 0, apply: () => {} }

/**
 * Stores what waits, in the order of the calls, many operations in one transaction; each resolves after the commit.
 *
 * Operations have no savepoints of their own: they check before they write. If one fails all the same, or where one has work
 * of a handler to do, the group is run with care: each in a savepoint, and what is known of the transaction written before.
 * So one that fails is undone alone, and if somebody's work ends the transaction, the file is as it should be.
 */
export class GroupCommit {
  readonly #parts: GroupCommitParts
  readonly #queue = new WriteQueue()
  #transaction: Transaction | undefined
  #isScheduled = false
  #isClosed = false
  #busySince: number | undefined
  /** What was thrown when the transaction was found ended. */
  #lostBy: unknown
  /** Those who wait until it has ended, to read. */
  #readers: (() => void)[] = []

  constructor(parts: GroupCommitParts) {
    this.#parts = parts
  }

  /** The transaction that is open, while somebody's work is done in it. */
  get transaction(): Transaction | undefined {
    return this.#transaction
  }

  add<T>(operation: Operation<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const { works, name } = this.#parts
      if (this.#isClosed) {
        reject(new StoreFailed('STORE_CLOSED', `${name} is closed, and stores nothing any more. Start the bus again.`))
        return
      }
      const { isInside } = works
      if (isInside && works.isLong) reject(new CommitDeadlock(insideWork))
      else this.#queue.add(new Queued(operation, { resolve, reject, isInside }))
      this.schedule()
    })
  }

  /** Resolves when what was added before is stored; then nothing more is taken. */
  async close(): Promise<void> {
    const last = this.add(empty)
    this.#isClosed = true
    await last
  }

  /** A promise where a transaction is under way, whose rows nobody may read yet. @throws {CommitDeadlock} inside of it. */
  ended(): Promise<void> | undefined {
    if (this.#transaction === undefined) return undefined
    if (this.#parts.works.isInside) throw new CommitDeadlock(insideWork)
    return new Promise((resolve) => this.#readers.push(resolve))
  }

  /** Begins the next transaction at the end of this turn, if there is something to store. */
  readonly schedule = (): void => {
    if (this.#isScheduled || this.#transaction !== undefined || this.#queue.isEmpty) return
    // While the disk is at it, what comes is gathered for the next one.
    if (this.#parts.telling.isAwaited && !this.#queue.isMuch) return
    this.#isScheduled = true
    setImmediate(this.#next)
  }

  readonly #next = (): void => {
    this.#isScheduled = this.#mustWait()
    if (this.#isScheduled) return
    const group = this.#queue.take()
    const hasWork = group.some(({ operation }) => operation.work !== undefined)
    try {
      this.#begin(hasWork)
    } catch (error) {
      return this.#couldNotBegin(group, error)
    }
    if (hasWork) this.#runWithCare(group, 0)
    else this.#run(group)
  }

  /** Whether nobody may begin now: then it is tried again when somebody may. */
  #mustWait(): boolean {
    const { database, watch, checkpoints, busyTimeoutMs: ms } = this.#parts
    if (checkpoints?.mustWait(this.#next) === true) return true
    if (!isInTransaction(database)) return false
    watch.whenEnded(this.#next, { ms, giveUp: this.#giveUp })
    return true
  }

  readonly #giveUp = (): void => {
    this.#isScheduled = false
    this.#fail([], openTooLong(this.#parts.name, this.#parts.busyTimeoutMs))
  }

  #begin(hasWork = false): void {
    const { statements, known, now, telling } = this.#parts
    if (telling.failure !== undefined) throw telling.failure
    statements.begin.run()
    this.#busySince = undefined
    this.#transaction = new Transaction({ statements, now, hasWork, found: known.found() })
  }

  /** Another connection that has the lock is waited for: nothing has been written yet. */
  #couldNotBegin(group: readonly Queued[], error: unknown): void {
    this.#rollBack()
    const now = performance.now()
    this.#busySince ??= now
    if (isBusy(error) && now - this.#busySince < this.#parts.busyTimeoutMs) {
      this.#queue.putBack(group)
      this.#isScheduled = true
      setTimeout(this.#next, 1)
      return
    }
    this.#busySince = undefined
    this.#fail(group, error)
  }

  #run(group: readonly Queued[]): void {
    const transaction = this.#transaction as Transaction
    try {
      for (const queued of group) queued.result = queued.operation.apply(transaction, nothing)
    } catch (error) {
      this.#rollBack()
      return isOfTheFile(error) ? this.#fail(group, error) : this.#again(group)
    }
    this.#commit(group)
  }

  #again(group: readonly Queued[]): void {
    try {
      this.#begin()
    } catch (error) {
      return this.#couldNotBegin(group, error)
    }
    this.#runWithCare(group, 0)
  }

  #runWithCare(group: readonly Queued[], from: number): void {
    const { works, statements } = this.#parts
    for (let index = from; index < group.length; index += 1) {
      const queued = group[index] as Queued
      const { operation } = queued
      let given: readonly NewMessage[] | Promise<readonly NewMessage[]> = nothing
      try {
        this.#transaction?.write()
        statements.savepoint.run()
        operation.check?.(this.#transaction as Transaction)
        if (operation.work !== undefined) given = works.call(operation.work)
      } catch (error) {
        if (this.#undo(queued, error)) continue
        return this.#lost(group, index)
      }
      if (given instanceof Promise) {
        this.#queue.waitsFor(operation, insideWork)
        given.then(
          (caused) => this.#goOn(group, index, () => this.#finish(queued, caused)),
          (error: unknown) => this.#goOn(group, index, () => this.#undo(queued, error)),
        )
        return
      }
      if (!this.#finish(queued, given)) return this.#lost(group, index)
    }
    this.#commit(group)
  }

  #goOn(group: readonly Queued[], index: number, end: () => boolean): void {
    if (end()) this.#runWithCare(group, index + 1)
    else this.#lost(group, index)
  }

  /** Tells whether the transaction is still what it was. */
  #finish(queued: Queued, caused: readonly NewMessage[]): boolean {
    if (!isInTransaction(this.#parts.database)) return false
    try {
      queued.result = queued.operation.apply(this.#transaction as Transaction, caused)
      this.#parts.statements.releaseTo.run()
      return true
    } catch (error) {
      return this.#undo(queued, error)
    }
  }

  #undo(queued: Queued, error: unknown): boolean {
    const { database, statements } = this.#parts
    this.#lostBy = error
    if (!isInTransaction(database)) return false
    try {
      statements.rollbackTo.run()
      statements.releaseTo.run()
      this.#transaction?.reload()
    } catch {
      // There is no such savepoint any more: whoever ended the transaction began another one.
      return false
    }
    this.#lostBy = undefined
    queued.fail(isOfTheFile(error) ? failureOf(error, this.#parts.name) : error)
    return true
  }

  /** Somebody's work has ended the transaction, or the disk did. What was done before it is stored, or is not. */
  #lost(group: readonly Queued[], index: number): void {
    const cause = this.#lostBy
    this.#lostBy = undefined
    const transaction = this.#transaction as Transaction
    this.#rollBack()
    const failure = isOfTheFile(cause)
      ? failureOf(cause, this.#parts.name)
      : new StoreFailed('STORE_FAILED', `${this.#parts.name}: ${endedByWork}`, cause === undefined ? {} : { cause })
    // Where it cannot be said, they are told that they failed, and are stored at most once more.
    const isStored = transaction.wasCommitted()
    if (!isStored) for (const queued of group.slice(0, index)) queued.fail(failure)
    group[index]?.fail(failure)
    this.#queue.putBack(group.slice(index + 1))
    this.#end(group.slice(0, index + 1), isStored ? transaction : undefined)
  }

  #commit(group: readonly Queued[]): void {
    const transaction = this.#transaction as Transaction
    const { statements, pruning, seen, checkpoints, known, name } = this.#parts
    try {
      transaction.writeClaims()
      pruning.prune(transaction)
      seen.forgetSome(transaction)
      transaction.writeIfNeeded()
      statements.commit.run()
    } catch (error) {
      this.#rollBack()
      return this.#fail(group, failureOf(error, name))
    }
    known.committed(transaction)
    if (pruning.isBehind && this.#queue.isEmpty && !this.#isClosed) this.#queue.add(new Queued(empty))
    checkpoints?.committed(transaction)
    this.#end(group, transaction)
  }

  #fail(group: readonly Queued[], error: unknown): void {
    const failure = failureOf(error, this.#parts.name)
    // Those that wait fail too: what was said later must not be stored while what was said before is not.
    const waiting = this.#queue.takeAll(failure)
    for (const queued of group) queued.fail(failure)
    this.#end([...group, ...waiting], undefined)
    this.#queue.heard()
  }

  #rollBack(): void {
    this.#transaction = undefined
    this.#parts.known.forget()
    if (!isInTransaction(this.#parts.database)) return
    try {
      this.#parts.statements.rollback.run()
    } catch {
      // SQLite had rolled it back by itself.
    }
  }

  /** @param transaction in which the group was committed, if it was. */
  #end(group: readonly Queued[], transaction: Transaction | undefined): void {
    const { telling } = this.#parts
    this.#transaction = undefined
    for (const read of this.#readers.splice(0)) read()
    if (transaction === undefined) telling.notStored(group)
    else telling.committed(group, transaction, group.length === 1 && this.#queue.isEmpty)
    this.schedule()
  }
}
