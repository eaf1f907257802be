import { setTimeout as pause } from 'node:timers/promises'
import { StoreFailed } from '../store-errors.ts'
import type { PostgresResult, PostgresTransaction } from './client.ts'
import type { Connection } from './connection.ts'
import { failureOf, isRefusal, stateOf } from './failure.ts'

interface TransactionsParts {
  readonly name: string
  readonly writer: Connection
  readonly timeoutMs: number
}

/** Which transaction it is, for the server. */
export interface Started {
  readonly xid: string
  readonly pid: number
}

/** How long it is waited before the server is asked again what has become of a transaction. */
const ASK_AGAIN_MS = 50

/**
 * Begins a transaction. Whoever leaves it open, because it cannot be reached any more, holds locks for so long at most. The server
 * gives a statement up before this side gives up the connection.
 */
export function beginText(timeoutMs: number): string {
  return `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = ${timeoutMs};
    SET LOCAL statement_timeout = ${Math.ceil(timeoutMs * 0.9)}`
}

/**
 * Runs transactions, and knows how each has ended: where the answer to COMMIT gets lost, the server is asked. What was stored, and
 * is taken for lost, would be done twice.
 */
export class Transactions {
  readonly #parts: TransactionsParts
  #closesAt = Number.POSITIVE_INFINITY
  /** Called each time that the server could not be asked: whoever holds what is needed for it has to let it go. */
  whenUnknown: (error: Error) => void = () => {}

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
    const result = await this.#orRollBack(tx, () => write(tx))
    await this.commit(tx, started)
    return result
  }

  async begin(tx: PostgresTransaction): Promise<Started> {
    const text = `${beginText(this.#parts.timeoutMs)}; SELECT pg_current_xact_id()::text AS xid, pg_backend_pid() AS pid`
    // What several statements give: a result for each. The last of them may be refused, by a standby for instance.
    const results = await this.#orRollBack(tx, () => tx.query(text) as unknown as Promise<readonly PostgresResult[]>)
    return results.at(-1)?.rows[0] as unknown as Started // The row that it selects.
  }

  async #orRollBack<T>(tx: PostgresTransaction, write: () => Promise<T>): Promise<T> {
    try {
      return await write()
    } catch (error) {
      // Where the connection is lost, the server rolls back by itself.
      await tx.query('ROLLBACK').catch(() => {})
      throw error
    }
  }

  /** In the turn of the writer. @throws what kept it from being stored. Then nothing was. */
  async commit(tx: PostgresTransaction, started: Started): Promise<void> {
    try {
      await tx.query('COMMIT')
    } catch (error) {
      if (isRefusal(error) || !(await this.#wasStored(started))) throw error
    }
  }

  /** Ends what is left of a transaction that cannot be reached any more, in the turn of the writer: it may hold locks. */
  async end(started: Started): Promise<void> {
    // The writer's own connection may be lost, too, and nobody have heard of it so far.
    await this.#statusOf(started).catch(() => this.#statusOf(started))
  }

  /** What is not known yet is asked for as long as a statement may take, and no longer. */
  close(): void {
    this.#closesAt = performance.now() + this.#parts.timeoutMs
  }

  #wasStored(started: Started): Promise<boolean> {
    return this.known(async () => {
      try {
        const status = await this.#statusOf(started)
        return status === 'committed' || (status === 'aborted' ? false : undefined)
      } catch (error) {
        // It is in the future for this server, which took over from the one that had begun it, and has not heard of it.
        if (stateOf(error) === '22023') return false
        throw error
      }
    })
  }

  /** Asks the server whether something was stored, for as long as it takes; `undefined`: that is not known yet. */
  async known(ask: () => Promise<boolean | undefined>): Promise<boolean> {
    const { name } = this.#parts
    for (;;) {
      try {
        const known = await ask()
        if (known !== undefined) return known
      } catch (error) {
        this.whenUnknown(failureOf(error, name))
      }
      if (performance.now() > this.#closesAt) {
        throw new StoreFailed('STORE_CLOSED', `${name} was closed before it was known whether something was stored.`)
      }
      await pause(ASK_AGAIN_MS)
    }
  }

  /** One that is under way is ended: its COMMIT has not arrived, or waits for somebody. */
  async #statusOf({ xid, pid }: Started): Promise<unknown> {
    const { rows } = await this.#parts.writer.query(
      `SELECT pg_xact_status($1::text::xid8) AS status,
        (SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity
          WHERE pid = $2 AND backend_xid = $1::text::xid8::xid) AS is_ended`,
      [xid, pid],
    )
    return rows[0]?.['status']
  }
}
