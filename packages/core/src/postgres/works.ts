import type { Claim, NewMessage, Settlement } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'
import type { PostgresClient, PostgresPool, PostgresResult, PostgresTransaction } from './client.ts'
import { withinTime } from './connection.ts'
import { failureOf } from './failure.ts'
import { ClaimsLost, Group, type GroupParts } from './group.ts'
import type { Transactions } from './transactions.ts'
import type { Writer } from './writer.ts'

type Work = NonNullable<Settlement['work']>

interface WorksParts extends GroupParts {
  readonly name: string
  readonly pool: PostgresPool
  readonly transactions: Transactions
  readonly writer: Writer
  readonly timeoutMs: number
  readonly isPrepared: boolean
  readonly stored: (what: { readonly hasMessages: boolean; readonly mayRemove: boolean }) => void
}

/** The transaction that a work is given: until it has ended. */
class WorkTransaction implements PostgresTransaction {
  readonly #client: PostgresClient
  #isOpen = true

  constructor(client: PostgresClient) {
    this.#client = client
  }

  query(text: string, params?: unknown[]): Promise<PostgresResult> {
    if (this.#isOpen) return this.#client.query(text, params)
    const what =
      'The transaction of context.commit() has ended. Await all that is done in it before its function returns.'
    return Promise.reject(new StoreFailed('STORE_FAILED', what))
  }

  end(): void {
    this.#isOpen = false
  }
}

/**
 * The effects of handlers, each in a transaction and on a connection of its own: many at a time. When one is done, it waits for its
 * turn to be stored with what it settles: so nobody waits for a work that is under way.
 */
export class Works {
  readonly #parts: WorksParts

  constructor(parts: WorksParts) {
    this.#parts = parts
  }

  async settle(claim: Claim | undefined, settlement: Settlement, work: Work): Promise<readonly boolean[]> {
    const { pool, claims, name } = this.#parts
    if (claim !== undefined && claims.of(claim) === undefined) throw claims.lost(claim)
    let client: PostgresClient
    try {
      client = await withinTime(pool.connect(), this.#parts)
    } catch (error) {
      throw failureOf(error, name)
    }
    const ignore = (): void => {} // It is heard of by whoever waits for the statement.
    client.on('error', ignore)
    let hasFailed = true
    try {
      const areNew = await this.#settleOn(client, { claim, settlement, work })
      hasFailed = false
      return areNew
    } catch (error) {
      hasFailed = !(await rolledBack(client, this.#parts))
      throw error
    } finally {
      client.removeListener('error', ignore)
      client.release(hasFailed)
    }
  }

  async #settleOn(
    client: PostgresClient,
    of: { readonly claim: Claim | undefined; readonly settlement: Settlement; readonly work: Work },
  ): Promise<readonly boolean[]> {
    const { transactions, writer, name, claims, timeoutMs, stored } = this.#parts
    const { claim, settlement, work } = of
    const begun = await this.#failing(() => transactions.begin(client))
    // A handler takes its own time.
    await this.#failing(() => client.query('SET LOCAL idle_in_transaction_session_timeout = 0'))
    const tx = new WorkTransaction(client)
    let caused: readonly NewMessage[]
    try {
      caused = await work(tx)
    } finally {
      tx.end()
    }
    return writer.alone(async () => {
      const group = new Group(this.#parts)
      group.add({ claim, settlement, messages: [...(settlement.caused ?? []), ...caused] })
      await withinTime(client.query(`SET LOCAL idle_in_transaction_session_timeout = ${timeoutMs}`), this.#parts)
      try {
        const { statements, isPrepared } = this.#parts
        const [areNew = []] = await group.write({
          query: (text, params) => withinTime(statements.run(client, { text, params }, isPrepared), this.#parts),
        })
        await transactions.commit(client, begun)
        const mayRemove = group.stored()
        stored({ hasMessages: true, mayRemove })
        return areNew
      } catch (error) {
        if (!(error instanceof ClaimsLost) || claim === undefined) throw failureOf(error, name)
        claims.forget(claim)
        throw claims.lost(claim)
      }
    })
  }

  async #failing<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await withinTime(run(), this.#parts)
    } catch (error) {
      throw failureOf(error, this.#parts.name)
    }
  }
}

/** Tells whether the connection can be used again. */
async function rolledBack(client: PostgresClient, parts: WorksParts): Promise<boolean> {
  try {
    await withinTime(client.query('ROLLBACK'), parts)
    return true
  } catch {
    return false
  }
}
