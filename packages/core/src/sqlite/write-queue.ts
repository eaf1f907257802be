import type { NewMessage } from '../ports/store.ts'
import { CommitDeadlock } from '../store-errors.ts'
import type { Transaction } from './transaction.ts'
import type { Work } from './works.ts'

/** How many rows one transaction writes at most, unless one operation alone has more. */
const ROWS = 128

/** Something to be stored: as a whole, or not at all. */
export interface Operation<T> {
  /** How many rows it writes, about. */
  readonly rows: number
  /** Throws where it must not happen at all: before its work is called. */
  readonly check?: (transaction: Transaction) => void
  readonly work?: Work | undefined
  /** Whose work: what took its time once is not begun together with others again. */
  readonly worker?: string
  /** Writes; what it throws before it has written anything concerns nobody else. */
  apply(transaction: Transaction, caused: readonly NewMessage[]): T
}

const nobody = { resolve: () => {}, reject: () => {}, isInside: false }

/** An operation that waits, or whose transaction is under way; and whoever waits for it. */
export class Queued {
  readonly operation: Operation<unknown>
  /** Whether it was asked for inside of a work, which had not returned yet. */
  readonly isInside: boolean
  result: unknown
  readonly #resolve: (value: never) => void
  readonly #reject: (error: unknown) => void
  #error: unknown
  #hasFailed = false

  constructor(
    operation: Operation<unknown>,
    by: {
      readonly resolve: (value: never) => void
      readonly reject: (error: unknown) => void
      readonly isInside: boolean
    } = nobody,
  ) {
    this.operation = operation
    this.isInside = by.isInside
    this.#resolve = by.resolve
    this.#reject = by.reject
  }

  /** The first failure is the one that is told. */
  fail(error: unknown): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.#error = error
  }

  settle(): void {
    if (this.#hasFailed) this.#reject(this.#error)
    else this.#resolve(this.result as never)
  }
}

/** What waits to be stored, in the order of the calls. */
export class WriteQueue {
  #waiting: Queued[] = []
  #first = 0
  #failure: Error | undefined
  readonly #slow = new Set<string>()

  get isEmpty(): boolean {
    return this.#first === this.#waiting.length
  }

  /** Whether there is more than one transaction takes. */
  get isMuch(): boolean {
    return this.#waiting.length - this.#first >= ROWS
  }

  add(queued: Queued): void {
    if (this.#failure === undefined) {
      this.#waiting.push(queued)
      return
    }
    queued.fail(this.#failure)
    queued.settle()
  }

  /** What the next transaction stores. */
  take(): readonly Queued[] {
    const group: Queued[] = []
    let rows = 0
    for (let next = this.#waiting[this.#first]; next !== undefined; next = this.#waiting[this.#first]) {
      const { operation } = next
      const isSlow = operation.worker !== undefined && this.#slow.has(operation.worker)
      if (group.length > 0 && (isSlow || rows + operation.rows > ROWS)) break
      group.push(next)
      rows += operation.rows
      this.#first += 1
      if (isSlow) break
    }
    // Often: what was taken, and all that hangs on it, must not be there still when the heap is tidied up.
    if (this.#first * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first)
      this.#first = 0
    }
    return group
  }

  /** All that waits, which fails; and so does what comes until `heard`. */
  takeAll(failure: Error): readonly Queued[] {
    const all = this.#waiting.slice(this.#first)
    this.#waiting = []
    this.#first = 0
    this.#failure = failure
    for (const queued of all) queued.fail(failure)
    return all
  }

  /** Those that waited are told of the failure: when they have heard of it, what comes is stored again. */
  heard(): void {
    queueMicrotask(() => (this.#failure = undefined))
  }

  /** They are the first again. */
  putBack(group: readonly Queued[]): void {
    this.#waiting = [...group, ...this.#waiting.slice(this.#first)]
    this.#first = 0
  }

  /** This one's work takes its time. Whatever was asked for inside of it so far could wait for it, and it for that. */
  waitsFor({ worker }: Operation<unknown>, why: string): void {
    if (worker !== undefined) this.#slow.add(worker)
    const waiting = this.#waiting.slice(this.#first)
    this.#first = 0
    this.#waiting = waiting.filter(({ isInside }) => !isInside)
    for (const queued of waiting) {
      if (!queued.isInside) continue
      queued.fail(new CommitDeadlock(why))
      queued.settle()
    }
  }
}
