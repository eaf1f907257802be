import type { Completion } from '../ports/store-settings.ts'
import type { Statements } from './statements.ts'
import type { Transaction } from './transaction.ts'

/** How many finished messages a transaction removes at most: about as long as it takes to append 128. */
const AT_A_TIME = 512
/** About what each of them adds to the write-ahead log: its part of a page. */
const BYTES_EACH = 300

/**
 * Removes what all have finished: at or below the lowest cursor, and without an exception. All that is up to the mark
 * `pruned` of the log has been looked at; what was kept for an exception goes when that is cleared.
 */
export class Pruning {
  readonly #statements: Statements
  readonly #now: () => number
  readonly #completion: Completion
  /** When the first message that is kept for a time may go. */
  #keptUntil = 0
  #isBehind = true

  constructor(statements: Statements, now: () => number, completion: Completion) {
    this.#statements = statements
    this.#now = now
    this.#completion = completion
  }

  /** Whether there is more to remove than one transaction may. */
  get isBehind(): boolean {
    return this.#isBehind
  }

  /** Removes some, at the end of a transaction. */
  prune(transaction: Transaction): void {
    if (transaction.hasMoved || this.#isBehind || this.#keptUntil > 0) this.#pruneFinished(transaction)
    for (const position of transaction.cleared)
      if (position <= transaction.pruned) this.#pruneOne(transaction, position)
  }

  #pruneFinished(transaction: Transaction): void {
    this.#isBehind = false
    if (this.#keptUntil > this.#now()) return
    const { floor } = this.#statements.floor.get() as { readonly floor: number | null }
    const { pruned } = transaction
    if (floor === null || floor <= pruned) return
    const upTo = this.#limit(pruned, Math.min(floor, pruned + AT_A_TIME))
    if (upTo <= pruned) return
    if (this.#completion === 'archive') this.#statements.archive.run(pruned, upTo, pruned, upTo)
    transaction.hasMore = true
    const removed = Number(this.#statements.prune.run(pruned, upTo, pruned, upTo).changes)
    transaction.messages -= removed
    transaction.bytes += removed * BYTES_EACH
    transaction.pruned = upTo
    this.#isBehind = upTo < floor && this.#keptUntil <= this.#now()
  }

  /** Up to where what is finished may go by now. */
  #limit(after: number, upTo: number): number {
    if (typeof this.#completion === 'string') return upTo
    const now = this.#now()
    this.#keptUntil = 0
    const rows = this.#statements.times.all(after, upTo) as { readonly position: number; readonly time: number }[]
    for (const { position, time } of rows) {
      const until = time + this.#completion.keepMs
      if (until <= now) continue
      this.#keptUntil = until
      return position - 1
    }
    return upTo
  }

  #pruneOne(transaction: Transaction, position: number): void {
    if (this.#completion === 'archive') this.#statements.archiveOne.run(position, position)
    transaction.hasMore = true
    transaction.messages -= Number(this.#statements.pruneOne.run(position, position).changes)
  }
}
