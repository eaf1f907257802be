import { asError } from '../errors.ts'
import { StoreFailed } from '../store-errors.ts'
import type { PostgresTransaction } from './client.ts'
import { failureOf, isConflict, isOfTheData } from './failure.ts'
import { ClaimsLost, type Entry, Group, type GroupParts } from './group.ts'
import type { Transactions } from './transactions.ts'

/** How many messages and settlements are stored together at most. */
const TOGETHER = 512
/** How often what was undone for the sake of another transaction is tried again. */
const AGAIN_AT_MOST = 10

interface WriterParts extends GroupParts {
  readonly name: string
  readonly transactions: Transactions
  /** Called when something was stored: whether there are new messages, and whether some may be removed. */
  readonly stored: (what: { readonly hasMessages: boolean; readonly mayRemove: boolean }) => void
}

/** A call that waits: what is stored together with others, or something on its own. */
class Waiting {
  readonly entry: Entry | undefined
  readonly #run: ((writer: PostgresTransaction) => Promise<unknown>) | undefined
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void

  constructor(
    what: Entry | ((writer: PostgresTransaction) => Promise<unknown>),
    by: { readonly resolve: (value: never) => void; readonly reject: (error: unknown) => void },
  ) {
    this.entry = typeof what === 'function' ? undefined : what
    this.#run = typeof what === 'function' ? what : undefined
    this.resolve = by.resolve
    this.reject = by.reject
  }

  async run(writer: PostgresTransaction): Promise<void> {
    this.resolve((await this.#run?.(writer)) as never)
  }
}

/**
 * Stores what is called first, first: one transaction of this node after the other, and in each as many calls as wait by then.
 * Where one cannot be stored, those that wait behind it fail too, and those that come before anyone has heard of it; but for the
 * effects of a handler whose claim was lost, or which the server has refused: nobody waits for those.
 */
export class Writer {
  readonly #parts: WriterParts
  #waiting: Waiting[] = []
  #failure: Error | undefined
  #isRunning = false
  #isClosed = false
  #idle: Promise<void> = Promise.resolve()

  constructor(parts: WriterParts) {
    this.#parts = parts
  }

  /** Stores messages, and what has happened to others. Tells which are new. */
  store(entry: Entry): Promise<readonly boolean[]> {
    return this.#add(entry)
  }

  /** Does something on its own, in its turn. */
  alone<T>(run: (writer: PostgresTransaction) => Promise<T>): Promise<T> {
    return this.#add(run)
  }

  /** The same before all that waits: a heartbeat that had its turn last would come too late where there is much to do. */
  first<T>(run: (writer: PostgresTransaction) => Promise<T>): Promise<T> {
    return this.#add(run, { isFirst: true })
  }

  /** Resolves when what was called before is stored; then nothing more is taken. */
  async close(): Promise<void> {
    this.#isClosed = true
    while (this.#isRunning) await this.#idle
  }

  #add<T>(what: Entry | ((writer: PostgresTransaction) => Promise<unknown>), { isFirst = false } = {}): Promise<T> {
    if (this.#isClosed) {
      const text = `${this.#parts.name} is closed, and stores nothing any more. Start the bus again.`
      return Promise.reject(new StoreFailed('STORE_CLOSED', text))
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(what, { resolve, reject })
      if (isFirst) this.#waiting.unshift(waiting)
      else this.#waiting.push(waiting)
      if (this.#isRunning) return
      this.#isRunning = true
      this.#idle = this.#runAll()
    })
  }

  async #runAll(): Promise<void> {
    // What is called in the same turn goes together.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      const group = this.#take()
      try {
        if (group[0]?.entry === undefined) await group[0]?.run(this.#parts.transactions.writer)
        else await this.#store(group)
      } catch (error) {
        if (group[0]?.entry === undefined && concernsNobodyElse(error)) group[0]?.reject(error)
        else this.#fail(group, error)
      }
    }
    this.#isRunning = false
  }

  #take(): readonly Waiting[] {
    let count = 0
    let size = 0
    for (const { entry } of this.#waiting) {
      if (count > 0 && (entry === undefined || size + entry.messages.length >= TOGETHER)) break
      count += 1
      size += 1 + (entry?.messages.length ?? 0)
      if (entry === undefined) break
    }
    return this.#waiting.splice(0, count)
  }

  #fail(group: readonly Waiting[], thrown: unknown): void {
    const failure = failureOf(thrown, this.#parts.name)
    const behind = this.#waiting
    this.#waiting = []
    this.#failure = failure
    for (const one of group) one.reject(group.length === 1 && one.entry === undefined ? asError(failure) : failure)
    for (const one of behind) one.reject(failure)
    queueMicrotask(() => (this.#failure = undefined))
  }

  /** @throws where the server, or the way to it, fails. */
  async #store(waiting: readonly Waiting[]): Promise<void> {
    const group = new Group(this.#parts)
    const inIt: Waiting[] = []
    for (const one of waiting) {
      try {
        group.add(one.entry as Entry)
        inIt.push(one)
      } catch (error) {
        one.reject(error)
      }
    }
    if (inIt.length === 0) return
    try {
      const areNew = await this.#written(group)
      const mayRemove = group.stored()
      for (const [n, one] of inIt.entries()) one.resolve(areNew[n] as never)
      this.#parts.stored({ hasMessages: group.hasMessages, mayRemove })
    } catch (error) {
      await this.#again(inIt, error)
    }
  }

  async #written(group: Group): Promise<readonly (readonly boolean[])[]> {
    const { transactions } = this.#parts
    for (let n = 1; ; n += 1) {
      try {
        if (group.isEmpty || group.isPlain) return await group.write(transactions.writer)
        return await transactions.run((tx) => group.write(tx))
      } catch (error) {
        if (!isConflict(error) || n >= AGAIN_AT_MOST) throw error
      }
    }
  }

  /** Without those whose claims were lost; one by one, where the data of one of them was refused. */
  async #again(waiting: readonly Waiting[], error: unknown): Promise<void> {
    if (error instanceof ClaimsLost) {
      const { claims } = this.#parts
      for (const claim of error.claims) claims.forget(claim)
      await this.#store(waiting)
      return
    }
    if (!isOfTheData(error)) throw error
    if (waiting.length === 1) waiting[0]?.reject(failureOf(error, this.#parts.name))
    else for (const one of waiting) await this.#store([one])
  }
}

/** Whether it is about what was to be stored, and not about the server, or the way to it. */
function concernsNobodyElse(error: unknown): boolean {
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown }
  return code === 'CLAIM_LOST' || isConflict(cause) || isOfTheData(cause)
}
