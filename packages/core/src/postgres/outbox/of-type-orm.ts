import type { PostgresTransaction } from '../client.ts'
import { isLike, refused, rowsOf } from './refused.ts'

/** An `EntityManager` of TypeORM that has a transaction. */
export interface TypeOrmTransaction {
  readonly queryRunner?: { readonly isTransactionActive: boolean } | undefined
  query(text: string, params?: unknown[]): PromiseLike<unknown>
}

/**
 * A transaction of TypeORM, for the option `tx`.
 *
 * ```ts
 * await dataSource.transaction(async (manager) => {
 *   await manager.insert(Order, { id })
 *   await dp.publish(new OrderPlaced({ id }), { tx: ofTypeOrm(manager) })
 * })
 * ```
 *
 * @param manager what `transaction` gives its function, or the `manager` of a `QueryRunner` after `startTransaction()`.
 * @throws {ForeignTransaction} for what is none, such as the `manager` of the `DataSource`.
 */
export function ofTypeOrm(manager: TypeOrmTransaction): PostgresTransaction {
  if (!isLike(manager, 'query') || manager.queryRunner?.isTransactionActive !== true) {
    throw refused('ofTypeOrm', manager, 'the manager that dataSource.transaction() gives its function')
  }
  return { query: async (text, params) => rowsOf(await manager.query(text, params)) }
}
