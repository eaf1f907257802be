import { StoreFailed } from '../store-errors.ts'
import type { PostgresTransaction } from './client.ts'
import { failureOf, isConflict, isLate, isOfClaims, isOfEnded, isOfTheData, isRefusal, isTaken } from './failure.ts'
import { ClaimsLost, type Entry, Group, type GroupParts, type Written } from './group.ts'
import type { Patience, PlacedPage } from './messages.ts'
import type { Unplaced } from './outbox/unplaced.ts'
import type { Transactions } from './transactions.ts'

/** How many messages and calls are stored together at most. */
const TOGETHER = 1_024
/** How often what was undone for the sake of another transaction is tried again. */
const AGAIN_AT_MOST = 10

/** What is new. */
export interface Stored {
  /** Where new messages are; `undefined` where that is not known. */
  readonly pages: readonly PlacedPage[] | undefined
  /** Whether something may be removed. */
  readonly mayRemove: boolean
}

interface WriterParts extends GroupParts {
  readonly name: string
  readonly transactions: Transactions
  /** For what waits for a transaction of a caller's: that may take its time. */
  readonly aside: PostgresTransaction
  readonly unplaced: Unplaced
  /** Called when something was stored. */
  readonly stored: (what: Stored) => void
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
  #beingStored: readonly Waiting[] = []
  #failure: Error | undefined
  #isRunning = false
  #isClosed = false
  #idle: Promise<void> = Promise.resolve()

  constructor(parts: WriterParts) {
    this.#parts = parts
    parts.transactions.whenUnknown = (error) => this.#letOthersGo(error)
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
    while (this.#waiting.length > 0) {
      // What is called in the same turn goes together, and with whatever comes of what was stored last.
      await new Promise((resolve) => setImmediate(resolve))
      const group = this.#take()
      const { unplaced } = this.#parts
      try {
        // What was committed before it was called is before it in the log.
        if (unplaced.isOpen) await unplaced.place()
        if (group[0]?.entry === undefined) await this.#runAlone(group[0] as Waiting)
        else await this.#store(group)
      } catch (error) {
        if (group[0]?.entry === undefined && concernsNobodyElse(error)) group[0]?.reject(error)
        else this.#fail(group, error)
      }
      this.#beingStored = []
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
    for (const one of [...group, ...behind]) one.reject(failure)
    queueMicrotask(() => (this.#failure = undefined))
  }

  /** @throws where the server, or the way to it, fails. */
  async #store(waiting: readonly Waiting[], patience: Patience = '250ms'): Promise<void> {
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
    this.#beingStored = inIt
    try {
      this.#stored(group, inIt, await this.#written(group, patience))
    } catch (error) {
      await this.#again(inIt, error)
    }
  }

  #stored(group: Group, inIt: readonly Waiting[], { areNew, pages }: Written): void {
    const mayRemove = group.stored()
    for (const [n, one] of inIt.entries()) one.resolve(areNew[n] as never)
    this.#parts.stored({ pages, mayRemove })
  }

  #written(group: Group, patience: Patience): Promise<Written> {
    const { transactions } = this.#parts
    return this.#tried(async (isSlow) => {
      const wanted = isSlow ? '0' : patience
      if (group.isEmpty || group.hasNoSettlements) return group.write(transactions.writer, wanted)
      if (group.isAtOnce) {
        const written = await this.#writtenAtOnce(group)
        if (written !== undefined) return written
      }
      return transactions.run((tx) => group.write(tx, wanted))
    })
  }

  /** Gives nothing where a claim was lost, or somebody has locked it: with a transaction it comes out who. */
  async #writtenAtOnce(group: Group): Promise<Written | undefined> {
    const { transactions } = this.#parts
    try {
      return await group.writeAtOnce(transactions.writer)
    } catch (error) {
      if (isOfClaims(error) || isLate(error)) return undefined
      if (isRefusal(error) || !(await this.#wasWritten(group))) throw error
      return group.writtenUnseen
    }
  }

  /** What is written twice does no harm, but for messages that are caused: whether those were stored has to be known. */
  async #wasWritten(group: Group): Promise<boolean> {
    const { transactions } = this.#parts
    const ask = (): Promise<boolean> => group.wasWritten(transactions.writer)
    return group.hasCaused ? transactions.known(ask) : ask().catch(() => false)
  }

  /** Something on its own, whose data is nobody else's matter. */
  async #runAlone(one: Waiting): Promise<void> {
    try {
      await this.#tried(() => one.run(this.#parts.transactions.writer))
    } catch (error) {
      if (isOfEnded(error)) {
        await this.#parts.generations.refresh()
        return this.#runAlone(one)
      }
      if (!isOfTheData(error)) throw error
      one.reject(failureOf(error, this.#parts.name))
    }
  }

  /** Again, where it was undone for the sake of another transaction; without haste, where it has waited for a lock in vain. */
  async #tried<T>(run: (isSlow: boolean) => Promise<T>): Promise<T> {
    let isSlow = false
    for (let n = 1; ; n += 1) {
      try {
        return await run(isSlow)
      } catch (error) {
        // Not for an id, but for whoever gives positions just now, and will have done it soon.
        const isLateNow = isLate(error) && !isTaken(error)
        isSlow ||= isLateNow
        if (!(isLateNow || isConflict(error)) || n >= AGAIN_AT_MOST) throw error
      }
    }
  }

  /**
   * It is not known what has become of something, and the server cannot be asked. Whoever waits behind it may hold the very
   * connection that this takes: so they fail, but for settlements, which have an order to keep, and hold none. So do publications
   * that were to be stored with it: nobody waits for an answer that may take an outage.
   */
  #letOthersGo(error: Error): void {
    const left = this.#waiting.filter(({ entry }) => entry?.claim === undefined)
    this.#waiting = this.#waiting.filter(({ entry }) => entry?.claim !== undefined)
    const unknown = this.#beingStored.filter(({ entry }) => entry?.settlement === undefined)
    for (const one of [...left, ...unknown]) one.reject(error)
  }

  /** A message whose id a transaction under way has taken waits for that, and nothing waits for it. */
  async #storeAside(one: Waiting): Promise<void> {
    const { aside, name, generations } = this.#parts
    const group = new Group(this.#parts)
    try {
      group.add(one.entry as Entry)
      this.#stored(group, [one], await group.write(aside))
    } catch (error) {
      if (!isOfEnded(error)) return one.reject(failureOf(error, name))
      await generations.refresh().then(() => this.#storeAside(one), one.reject)
    }
  }

  /** Without those whose claims were lost; where partitions have ended, in others; one by one, where one was refused, or has to wait. */
  async #again(waiting: readonly Waiting[], error: unknown): Promise<void> {
    if (error instanceof ClaimsLost) {
      const { claims } = this.#parts
      for (const claim of error.claims) claims.forget(claim)
      await this.#store(waiting)
      return
    }
    if (isOfEnded(error)) {
      await this.#parts.generations.refresh()
      return this.#store(waiting)
    }
    if (!isOfTheData(error) && !isTaken(error)) throw error
    const [one] = waiting
    if (one === undefined || waiting.length > 1) for (const each of waiting) await this.#store([each])
    else if (!isTaken(error)) one.reject(failureOf(error, this.#parts.name))
    // What is settled is settled in its turn.
    else if (one.entry?.settlement !== undefined) await this.#store([one], '0')
    else void this.#storeAside(one)
  }
}

/** Whether it is about what was to be stored, and not about the server, or the way to it. */
function concernsNobodyElse(error: unknown): boolean {
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown }
  return code === 'CLAIM_LOST' || isConflict(cause) || isOfTheData(cause)
}
