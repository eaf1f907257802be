import type { Statements } from './statements.ts'
import type { LogState, Transaction } from './transaction.ts'

/**
 * What is known of the log between two transactions: what the last one has left, where nobody else has written since. Others should
 * not, but to ask costs a tenth of reading the log; so that is no reason to lose anything.
 */
export class KnownLog {
  readonly #statements: Statements
  readonly #isGiven: boolean
  #left: LogState | undefined
  /** Another one, once another connection has written. */
  #version: number | undefined

  /** @param isGiven whether the connection is the caller's, who may write on it too: then nothing is known. */
  constructor(statements: Statements, isGiven: boolean) {
    this.#statements = statements
    this.#isGiven = isGiven
  }

  /** To be called in the transaction that begins. */
  found(): LogState | undefined {
    if (this.#isGiven) return undefined
    const { data_version: version } = this.#statements.version.get() as { readonly data_version: number }
    if (version !== this.#version) this.#left = undefined
    this.#version = version
    return this.#left
  }

  /** This one is committed. What handlers have written in it is not known. */
  committed({ hasWork, left }: Transaction): void {
    this.#left = hasWork ? undefined : left
  }

  forget(): void {
    this.#left = undefined
  }
}
