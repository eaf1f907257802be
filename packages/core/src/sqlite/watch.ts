import { isInTransaction, type SqliteDatabase } from './handle.ts'

/**
 * Waits until no transaction is open on a connection. Nobody tells when the caller's own one ends, so it looks: at the end of
 * this turn of the event loop, then every millisecond. While nothing waits, there is no timer.
 */
export class Watch {
  readonly #database: SqliteDatabase
  #waiting: (() => void)[] = []

  constructor(database: SqliteDatabase) {
    this.#database = database
  }

  whenEnded(run: () => void): void {
    this.#waiting.push(run)
    if (this.#waiting.length === 1) setImmediate(this.#look)
  }

  readonly #look = (): void => {
    if (isInTransaction(this.#database)) {
      setTimeout(this.#look, 1)
      return
    }
    const waiting = this.#waiting
    this.#waiting = []
    for (const run of waiting) run()
  }
}
