import { StoreFailed } from '../store-errors.ts'
import { failureOf } from './failure.ts'
import type { GroupCommit } from './group-commit.ts'
import { isOpen, type SqliteDatabase } from './handle.ts'

interface ReadsParts {
  readonly name: string
  readonly database: SqliteDatabase
  readonly commits: GroupCommit
}

/** The one way to read: whatever fails is a failure of the store, with what to do about it. */
export class Reads {
  readonly #parts: ReadsParts

  constructor(parts: ReadsParts) {
    this.#parts = parts
  }

  /** Reads at once, also what a transaction has written that is open still. @throws {StoreFailed} as a rejection. */
  async now<T>(read: () => T): Promise<T> {
    if (!isOpen(this.#parts.database)) throw this.closed()
    try {
      return read()
    } catch (error) {
      throw failureOf(error, this.#parts.name)
    }
  }

  /** Reads when the transaction that is under way has ended. @throws {StoreFailed | CommitDeadlock} as a rejection. */
  async settled<T>(read: () => T): Promise<T> {
    await this.#parts.commits.ended()
    return this.now(read)
  }

  closed(): StoreFailed {
    return new StoreFailed('STORE_CLOSED', `${this.#parts.name} is closed. Start the bus again.`)
  }
}
