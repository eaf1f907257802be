import type { NewMessage } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'

/** A transaction of a memory store: of a user's own, or of a settlement. */
export interface MemoryTransaction {
  /** Writes a text with it: what a user's own tables would hold. It is in `store.effects` once this is committed. */
  write(effect: string): void
  /** Stores all of it. The messages take their positions now. */
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** @param commit stores it, in one go; left out, it ends with its settlement. */
export class Transaction implements MemoryTransaction {
  readonly messages: NewMessage[] = []
  readonly effects: string[] = []
  readonly #ended = Promise.withResolvers<void>()
  readonly #commit: ((tx: Transaction) => void) | undefined
  #isOpen = true

  constructor(commit?: (tx: Transaction) => void) {
    this.#commit = commit
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Resolves when it is committed or rolled back. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  write(effect: string): void {
    this.checkOpen()
    this.effects.push(effect)
  }

  async commit(): Promise<void> {
    this.checkOpen()
    if (this.#commit === undefined) throw ofASettlement()
    try {
      this.#commit(this)
    } finally {
      this.end()
    }
  }

  async rollback(): Promise<void> {
    this.checkOpen()
    if (this.#commit === undefined) throw ofASettlement()
    this.end()
  }

  end(): void {
    this.#isOpen = false
    this.#ended.resolve()
  }

  /** @throws {StoreFailed} for a late write: it could not be one with the others any more. */
  checkOpen(): void {
    if (this.#isOpen) return
    throw new StoreFailed('STORE_FAILED', 'This transaction has ended. Write while it is open, or begin another one.')
  }
}

function ofASettlement(): StoreFailed {
  const what = 'This transaction is of a settlement, and ends with it.'
  return new StoreFailed('STORE_FAILED', `${what} Return to commit, throw to roll back.`)
}
