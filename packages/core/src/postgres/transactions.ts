import { setTimeout as pause } from 'node:timers/promises'
import { StoreFailed } from '../store-errors.ts'
import type { PostgresPool, PostgresResult, PostgresTransaction } from './client.ts'
import { type Connection, withinTime } from './connection.ts'
import { isRefusal } from './failure.ts'

interface TransactionsParts {
  readonly name: string
  readonly pool: PostgresPool
  readonly writer: Connection
  readonly timeoutMs: number
}

/** Which transaction it is, for the server. */
interface Started {
  readonly xid: string
  readonly pid: number
}

/** How long it is waited before the server is asked again what has become of a transaction. */
const ASK_AGAIN_MS = 50

/**
 * Runs transactions, and knows how each has ended: where the answer to COMMIT gets lost, the server is asked. What was stored, and
 * is taken for lost, would be done twice.
 */
export class Transactions {
  readonly #parts: TransactionsParts
  #isClosed = false

  constructor(parts: TransactionsParts) {
    this.#parts = parts
  }

  /** The connection for what needs no transaction of its own. */
  get writer(): PostgresTransaction {
    return this.#parts.writer
  }

  /** On the writer's connection. */
  async run<T>(write: (tx: PostgresTransaction) => Promise<T>): Promise<T> {
    const tx = await this.#parts.writer.pinned()
    const started = await this.begin(tx)
    const result = await this.orRollBack(tx, () => write(tx))
    await this.commit(tx, started)
    return result
  }

  /** Whoever leaves a transaction open, because it cannot be reached any more, holds locks for so long at most. */
  async begin(tx: PostgresTransaction): Promise<Started> {
    const { timeoutMs } = this.#parts
    const results = (await tx.query(
      `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = ${timeoutMs}; SET LOCAL statement_timeout = ${timeoutMs};
        SELECT pg_current_xact_id()::text AS xid, pg_backend_pid() AS pid`,
    )) as unknown as readonly PostgresResult[] // What several statements give: a result for each.
    return results.at(-1)?.rows[0] as unknown as Started
  }

  async orRollBack<T>(tx: PostgresTransaction, write: () => Promise<T>): Promise<T> {
    try {
      return await write()
    } catch (error) {
      // Where the connection is lost, the server rolls back by itself.
      await tx.query('ROLLBACK').catch(() => {})
      throw error
    }
  }

  /** @throws what kept it from being stored. Then nothing was. */
  async commit(tx: PostgresTransaction, started: Started): Promise<void> {
    try {
      await tx.query('COMMIT')
    } catch (error) {
      if (isRefusal(error) || !(await this.#wasStored(started))) throw error
    }
  }

  close(): void {
    this.#isClosed = true
  }

  /** Asks the server, for as long as it takes. */
  async #wasStored(started: Started): Promise<boolean> {
    const { name } = this.#parts
    for (;;) {
      const status = await this.#statusOf(started).catch(() => undefined)
      if (status === 'committed') return true
      if (status === 'aborted') return false
      if (this.#isClosed) {
        throw new StoreFailed('STORE_CLOSED', `${name} was closed before it was known whether something was stored.`)
      }
      await pause(ASK_AGAIN_MS)
    }
  }

  /** One that is under way is ended: its COMMIT has not arrived, or waits for somebody. */
  async #statusOf({ xid, pid }: Started): Promise<unknown> {
    const { pool } = this.#parts
    const client = await withinTime(pool.connect(), this.#parts)
    try {
      const { rows } = await withinTime(
        client.query(
          `SELECT pg_xact_status($1::text::xid8) AS status,
            (SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity
              WHERE pid = $2 AND backend_xid = $1::text::xid8::xid) AS is_ended`,
          [xid, pid],
        ),
        this.#parts,
      )
      client.release()
      return rows[0]?.['status']
    } catch (error) {
      client.release(true)
      throw error
    }
  }
}
