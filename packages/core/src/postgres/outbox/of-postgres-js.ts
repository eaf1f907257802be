import type { PostgresTransaction } from '../client.ts'
import { isLike, refused } from './refused.ts'

/** What `sql.begin()` of postgres.js gives its function. */
export interface PostgresJsTransaction {
  unsafe(
    text: string,
    params?: unknown[],
    options?: { readonly prepare?: boolean },
  ): PromiseLike<readonly Record<string, unknown>[]>
}

/**
 * A transaction of postgres.js, for the option `tx`.
 *
 * ```ts
 * await sql.begin(async (sql) => {
 *   await sql`INSERT INTO orders (id) VALUES (${id})`
 *   await dp.publish(new OrderPlaced({ id }), { tx: ofPostgresJs(sql) })
 * })
 * ```
 *
 * @param sql what `begin`, `savepoint` or `reserve` has given. On a reserved connection, begin the transaction first.
 * @throws {ForeignTransaction} for what is none, such as the `sql` that all use.
 */
export function ofPostgresJs(sql: PostgresJsTransaction): PostgresTransaction {
  if (!isLike(sql, 'unsafe') || !('savepoint' in sql || 'release' in sql)) {
    throw refused('ofPostgresJs', sql, 'the sql that sql.begin() gives its function')
  }
  return {
    // Prepared, it is one round trip from the second time on. The option `prepare: false` of postgres() goes before.
    query: async (text, params = []) => ({ rows: await sql.unsafe(text, params, { prepare: true }) }),
  }
}
