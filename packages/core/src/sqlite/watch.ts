import { StoreFailed } from '../store-errors.ts'
import { isInTransaction, type SqliteDatabase } from './handle.ts'

interface Waiting {
  readonly run: () => void
  /** When it gives up, by `performance.now()`. */
  readonly untilMs: number
  readonly giveUp: () => void
}

/**
 * Waits until no transaction is open on a connection. Nobody tells when the caller's own one ends, so it looks: at the end of
 * this turn of the event loop, then every millisecond. While nothing waits, there is no timer.
 */
export class Watch {
  readonly #database: SqliteDatabase
  #waiting: Waiting[] = []

  constructor(database: SqliteDatabase) {
    this.#database = database
  }

  /** @param within calls `giveUp` instead, where it takes longer than so many milliseconds. Default: as long as it takes. */
  whenEnded(run: () => void, within?: { readonly ms: number; readonly giveUp: () => void }): void {
    const { ms = Number.POSITIVE_INFINITY, giveUp = () => {} } = within ?? {}
    this.#waiting.push({ run, untilMs: performance.now() + ms, giveUp })
    if (this.#waiting.length === 1) setImmediate(this.#look)
  }

  readonly #look = (): void => {
    const hasEnded = !isInTransaction(this.#database)
    const now = performance.now()
    const waiting = this.#waiting
    this.#waiting = hasEnded ? [] : waiting.filter(({ untilMs }) => untilMs > now)
    if (this.#waiting.length > 0) setTimeout(this.#look, 1)
    if (hasEnded) for (const { run } of waiting) run()
    else for (const { untilMs, giveUp } of waiting) if (untilMs <= now) giveUp()
  }
}

/** The caller has had a transaction open on the connection for longer than the store waits. */
export function openTooLong(name: string, ms: number): StoreFailed {
  const remedy = 'End it with COMMIT or ROLLBACK. What is to be a part of it is published with { tx }.'
  return new StoreFailed(
    'STORE_FAILED',
    `${name}: a transaction of yours has been open on its connection for ${ms} ms, and nothing else can be stored meanwhile. ${remedy}`,
  )
}
