import { StoreFailed } from '../store-errors.ts'
import { CheckedOut, type Source } from './checked-out.ts'
import type { PostgresResult, PostgresTransaction } from './client.ts'

type Settings = Readonly<Record<string, string>>

/** Under a stricter isolation it could not be told how far the log is by now. */
const needed: Settings = { default_transaction_isolation: 'read committed' }

/**
 * Each statement finds what it needs through an index. Where a table was empty when a statement was planned, the server would read all
 * of the table from then on, however much it has by now, until somebody analyses it. (And where there is no index, as for the few rows
 * that all are needed, that is not so dear that it were to be compiled.)
 */
const byIndex: Settings = { enable_seqscan: 'off', jit: 'off' }

/** What changes the session for good: so its connection is never given back to the pool. */
export function sessionText(session: { readonly isOwn: boolean }): string {
  const wanted = Object.entries({ ...needed, ...(session.isOwn ? byIndex : {}) })
  const values = wanted.map(([name, value]) => `('${name}', '${value}')`).join(', ')
  return `SELECT set_config(name, value, false) FROM (VALUES ${values}) AS wanted (name, value) WHERE current_setting(name) <> value`
}

/** Where a connection comes from, and what is done with it first. */
export interface ConnectionParts extends Source {
  /** Whether its session is its own: a pool behind PgBouncer in transaction mode would hand its settings on to others. */
  readonly isOwn: boolean
  /** Called with each connection that is new. What it throws, the connection fails with. */
  readonly begin?: ((connection: CheckedOut) => Promise<void>) | undefined
}

/** One connection, checked out of the pool for as long as the store is open. Where it is lost, the next statement gets another one. */
export class Connection implements PostgresTransaction {
  readonly #parts: ConnectionParts
  #current: Promise<CheckedOut> | undefined
  /** When the statement before has ended: a connection runs one at a time. */
  #turn: Promise<unknown> = Promise.resolve()
  #isClosed = false

  constructor(parts: ConnectionParts) {
    this.#parts = parts
  }

  query(text: string, params?: unknown[]): Promise<PostgresResult> {
    const result = this.#turn.then(async () => (await this.pinned()).query(text, params))
    this.#turn = result.catch(() => {})
    return result
  }

  /** The same connection for all statements of a transaction: where it is lost, they fail, and none goes to another one. */
  pinned(): Promise<CheckedOut> {
    if (this.#isClosed) return Promise.reject(new StoreFailed('STORE_CLOSED', `${this.#parts.name} is closed.`))
    this.#current ??= this.#connected()
    return this.#current
  }

  #connected(): Promise<CheckedOut> {
    const leave = (): void => {
      if (this.#current === connecting) this.#current = undefined
    }
    const connecting: Promise<CheckedOut> = this.#connect(leave)
    connecting.catch(leave)
    return connecting
  }

  /** @param leave is called when the connection cannot be used any more. */
  async #connect(leave: () => void): Promise<CheckedOut> {
    const connection = await CheckedOut.of(this.#parts)
    connection.whenLost = () => {
      leave()
      connection.release()
    }
    try {
      await connection.query(sessionText(this.#parts))
      await this.#parts.begin?.(connection)
      return connection
    } catch (error) {
      connection.release(true)
      throw error
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const connection = await this.#current?.catch(() => undefined)
    // One that is half-open would end by force only with a statement under way, and keep the process alive otherwise.
    await connection?.query('SELECT 1').catch(() => {})
    // It may listen, or have settings of its own: nobody else gets it.
    connection?.release(true)
  }
}
