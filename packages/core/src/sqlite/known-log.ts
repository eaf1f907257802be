import type { Statements } from './statements.ts'
import type { LogState, Transaction } from './transaction.ts'

/**
 * What is known of the log between two transactions, so that the next one need not read it: what the last one has left, unless
 * somebody else has written since. Nobody should; but who does would be overwritten, and to ask takes less than a microsecond.
 */
export class KnownLog {
  readonly #statements: Statements
  readonly #isGiven: boolean
  #left: LogState | undefined
  /** It changes when another connection has written. */
  #dataVersion: number | undefined

  /** @param isGiven whether the connection is the caller's, who may write on it too: then nothing is known. */
  constructor(statements: Statements, isGiven: boolean) {
    this.#statements = statements
    this.#isGiven = isGiven
  }

  /** What is known in the transaction that has just begun. */
  found(): LogState | undefined {
    if (this.#isGiven) return undefined
    const { data_version: now } = this.#statements.dataVersion.get() as { readonly data_version: number }
    if (now !== this.#dataVersion) this.#left = undefined
    this.#dataVersion = now
    return this.#left
  }

  /** A transaction is committed. Where handlers have written in it, it does not know what it has left. */
  committed({ hasWork, left }: Transaction): void {
    this.#left = hasWork ? undefined : left
  }

  /** A transaction was rolled back, by whomever. */
  forget(): void {
    this.#left = undefined
  }
}
