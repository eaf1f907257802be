import type { PostgresTransaction } from '../client.ts'
import { isLike, refused } from './refused.ts'

/** What Kysely calls a compiled query. */
export interface KyselyQuery {
  readonly sql: string
  readonly parameters: readonly unknown[]
  readonly query: {
    readonly kind: 'RawNode'
    readonly sqlFragments: readonly string[]
    readonly parameters: readonly never[]
  }
  readonly queryId: { readonly queryId: string }
}

/** A `Transaction` or `ControlledTransaction` of Kysely. */
export interface KyselyTransaction {
  readonly isTransaction: boolean
  executeQuery(query: KyselyQuery): PromiseLike<{ readonly rows: readonly unknown[] }>
}

/**
 * A transaction of Kysely, for the option `tx`.
 *
 * ```ts
 * await db.transaction().execute(async (trx) => {
 *   await trx.insertInto('orders').values({ id }).execute()
 *   await dp.publish(new OrderPlaced({ id }), { tx: ofKysely(trx) })
 * })
 * ```
 *
 * @param trx what `transaction().execute()` gives its function, or `startTransaction().execute()` returns.
 * @throws {ForeignTransaction} for what is none, such as the `Kysely` itself.
 */
export function ofKysely(trx: KyselyTransaction): PostgresTransaction {
  if (!isLike(trx, 'executeQuery') || !trx.isTransaction) {
    throw refused('ofKysely', trx, 'the trx that db.transaction().execute() gives its function')
  }
  return {
    query: async (sql, parameters = []) => {
      // What CompiledQuery.raw(sql, parameters) makes.
      const query = { kind: 'RawNode', sqlFragments: [sql], parameters: [] } as const
      const { rows } = await trx.executeQuery({ sql, parameters, query, queryId: { queryId: 'iambus' } })
      return { rows: rows as Record<string, unknown>[] }
    },
  }
}
