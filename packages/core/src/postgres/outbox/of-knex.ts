import type { PostgresTransaction } from '../client.ts'
import { isLike, refused, rowsOf } from './refused.ts'

/** A `Knex.Transaction`. */
export interface KnexTransaction {
  readonly isTransaction?: boolean
  raw(text: string, bindings: readonly unknown[]): PromiseLike<unknown>
}

/**
 * A transaction of Knex, for the option `tx`; those of Objection are such.
 *
 * ```ts
 * await knex.transaction(async (trx) => {
 *   await trx('orders').insert({ id })
 *   await dp.publish(new OrderPlaced({ id }), { tx: ofKnex(trx) })
 * })
 * ```
 *
 * @param trx what `transaction` gives its function, or returns.
 * @throws {ForeignTransaction} for what is none, such as the `knex` itself.
 */
export function ofKnex(trx: KnexTransaction): PostgresTransaction {
  if (!isLike(trx, 'raw') || trx.isTransaction !== true) {
    throw refused('ofKnex', trx, 'the trx that knex.transaction() gives its function')
  }
  return {
    query: async (text, params = []) => {
      const bindings: unknown[] = []
      // Knex has ? where Postgres has $1, and each is the next one.
      const raw = text.replaceAll('?', String.raw`\?`).replaceAll(/\$(\d+)/g, (_, n) => {
        bindings.push(params[Number(n) - 1])
        return '?'
      })
      return rowsOf(await trx.raw(raw, bindings))
    },
  }
}
