import type { Claim, NewMessage, Settlement } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'
import { CheckedOut, type Source } from './checked-out.ts'
import type { PostgresResult, PostgresTransaction } from './client.ts'
import { failureOf } from './failure.ts'
import { ClaimsLost, Group, type GroupParts } from './group.ts'
import type { Started, Transactions } from './transactions.ts'
import type { Stored, Writer } from './writer.ts'

type Work = NonNullable<Settlement['work']>

interface WorksParts extends GroupParts, Source {
  readonly transactions: Transactions
  readonly writer: Writer
  readonly stored: (what: Stored) => void
}

interface Working {
  readonly claim: Claim | undefined
  readonly settlement: Settlement
  readonly work: Work
}

/** The transaction that a work is given: until it has ended. */
class WorkTransaction implements PostgresTransaction {
  readonly #tx: PostgresTransaction
  #isOpen = true

  constructor(tx: PostgresTransaction) {
    this.#tx = tx
  }

  query(text: string, params?: unknown[]): Promise<PostgresResult> {
    if (this.#isOpen) return this.#tx.query(text, params)
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
    const { claims, transactions } = this.#parts
    if (claim !== undefined && claims.of(claim) === undefined) throw claims.lost(claim)
    const tx = await this.#failing(() => CheckedOut.of(this.#parts))
    // Whoever waits for its turn needs no connection that is none any more.
    tx.whenLost = () => tx.release()
    let started: Started | undefined
    try {
      started = await this.#failing(() => transactions.begin(tx))
      const caused = await this.#caused(tx, work)
      return await this.#store(tx, started, { claim, settlement, messages: [...(settlement.caused ?? []), ...caused] })
    } catch (error) {
      await tx.query('ROLLBACK').catch(() => {})
      if (tx.isLost && started !== undefined) await this.#end(started)
      throw error
    } finally {
      tx.release()
    }
  }

  async #caused(tx: CheckedOut, work: Work): Promise<readonly NewMessage[]> {
    // A handler takes its own time.
    await this.#failing(() => tx.query('SET LOCAL idle_in_transaction_session_timeout = 0'))
    const given = new WorkTransaction(tx)
    try {
      return await work(given)
    } finally {
      given.end()
    }
  }

  /** Whatever goes wrong with it is its own: those that wait behind it go on. */
  async #store(
    tx: CheckedOut,
    started: Started,
    entry: Pick<Working, 'claim' | 'settlement'> & { readonly messages: readonly NewMessage[] },
  ): Promise<readonly boolean[]> {
    const { writer } = this.#parts
    const { areNew, failure } = await writer.alone(async () => {
      try {
        return { areNew: await this.#written(tx, started, entry) }
      } catch (error) {
        return { failure: error }
      }
    })
    if (areNew === undefined) throw failure
    return areNew
  }

  async #written(
    tx: CheckedOut,
    started: Started,
    entry: Pick<Working, 'claim' | 'settlement'> & { readonly messages: readonly NewMessage[] },
  ): Promise<readonly boolean[]> {
    const { transactions, claims, timeoutMs, stored, name } = this.#parts
    const group = new Group(this.#parts)
    group.add(entry)
    try {
      const { rows } = await tx.query(
        `SELECT set_config('idle_in_transaction_session_timeout', $1, true), pg_current_xact_id_if_assigned()::text AS xid`,
        [String(timeoutMs)],
      )
      if (rows[0]?.['xid'] !== started.xid) throw ended(name)
      const written = await group.write(tx)
      await transactions.commit(tx, started)
      stored({ pages: written.pages, mayRemove: group.stored() })
      return written.areNew[0] ?? []
    } catch (error) {
      if (!(error instanceof ClaimsLost) || entry.claim === undefined) throw failureOf(error, name)
      claims.forget(entry.claim)
      throw claims.lost(entry.claim)
    }
  }

  /** The handler is run again, and must not meet the locks of its last run. */
  async #end(started: Started): Promise<void> {
    const { writer, transactions } = this.#parts
    await writer.alone(() => transactions.end(started).catch(() => {})).catch(() => {})
  }

  async #failing<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw failureOf(error, this.#parts.name)
    }
  }
}

function ended(name: string): StoreFailed {
  const text = `${name}: the function given to context.commit() has ended the transaction that it was given. Leave COMMIT and ROLLBACK to the bus, and throw to undo it all.`
  return new StoreFailed('STORE_FAILED', text)
}
