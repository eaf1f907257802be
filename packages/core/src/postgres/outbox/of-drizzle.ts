import type { PostgresTransaction } from '../client.ts'
import { isLike, refused, rowsOf } from './refused.ts'

/** What `db.transaction()` of Drizzle gives its function. */
export interface DrizzleTransaction {
  rollback(): never
  execute(query: string | { getSQL(): unknown }): PromiseLike<unknown>
}

/**
 * A transaction of Drizzle, on `pg` or on postgres.js, for the option `tx`.
 *
 * ```ts
 * await db.transaction(async (tx) => {
 *   await tx.insert(orders).values({ id })
 *   await dp.publish(new OrderPlaced({ id }), { tx: ofDrizzle(tx) })
 * })
 * ```
 *
 * @param tx what `transaction` gives its function, nested ones too.
 * @throws {ForeignTransaction} for what is none, such as the `db` itself.
 */
export function ofDrizzle(tx: DrizzleTransaction): PostgresTransaction {
  if (!isLike(tx, 'execute') || !isLike(tx, 'rollback')) {
    throw refused('ofDrizzle', tx, 'the tx that db.transaction() gives its function')
  }
  return {
    // What a `sql` of Drizzle comes to, once it is one.
    query: async (sql, params = []) => {
      return rowsOf(await tx.execute({ getSQL: () => ({ toQuery: () => ({ sql, params }) }) }))
    },
  }
}
