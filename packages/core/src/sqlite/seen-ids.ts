import type { NewMessage } from '../ports/store.ts'
import type { Statements } from './statements.ts'
import type { Transaction } from './transaction.ts'

/** No id comes after it, in the order of SQLite: that of the bytes. */
const LAST = '\u{10ffff}'

/** The ids that may not come again, for a time. */
export class SeenIds {
  readonly #statements: Statements
  readonly #dedupeMs: number
  /** Up to which id all were looked at in this round. */
  #lookedUpTo = ''

  constructor(statements: Statements, dedupeMs: number) {
    this.#statements = statements
    this.#dedupeMs = dedupeMs
  }

  /** Remembers the id, unless it is remembered already. That of a delayed message is, from when it is due. */
  isFirst(transaction: Transaction, { id, dueAt }: NewMessage): boolean {
    const { beganAt: now } = transaction
    const expiresAt = Math.max(now, dueAt ?? now) + this.#dedupeMs
    const { see, seeAgain } = this.#statements
    // Nearly all are new, and for those it takes two thirds of the time to say no more than that.
    if (see.run(id, expiresAt).changes === 0 && seeAgain.run(expiresAt, id, now).changes === 0) return false
    transaction.remembered += 1
    transaction.bytes += 100
    return true
  }

  /**
   * Removes expired ids among the next few, at the end of a transaction. Twice as many are looked at as were added: so a round
   * ends before the table has doubled, and no index on the time is needed, to which every id would have to be written.
   */
  forgetSome({ remembered, beganAt: now }: Transaction): void {
    if (remembered === 0) return
    const after = this.#lookedUpTo
    const last = this.#statements.seenAfter.get(after, 2 * remembered - 1) as { readonly id: string } | undefined
    this.#statements.forgetExpired.run(after, last?.id ?? LAST, now)
    this.#lookedUpTo = last?.id ?? ''
  }
}
