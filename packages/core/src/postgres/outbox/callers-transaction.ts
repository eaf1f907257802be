import { shown } from '../../errors.ts'
import { ForeignTransaction } from '../../store-errors.ts'
import type { PostgresTransaction } from '../client.ts'
import { isLike } from './refused.ts'

/** What makes a transaction of each library one for us, by a method that only that library's has. */
const adapters = [
  ['ofPostgresJs(sql)', 'unsafe'],
  ['ofKysely(trx)', 'executeQuery'],
  ['ofPrisma(tx)', '$queryRawUnsafe'],
  ['ofTypeOrm(manager)', 'createQueryBuilder'],
  ['ofKnex(trx)', 'raw'],
  ['ofDrizzle(tx)', 'execute'],
] as const

/**
 * What was given as `tx`, if it is a transaction, as far as that can be told without asking the server.
 *
 * @throws {ForeignTransaction}
 */
export function callersTransaction(tx: unknown, store: string): PostgresTransaction {
  if (!isLike(tx, 'query') || isLike(tx, 'createQueryBuilder')) throw refusedFor(tx, store, remedyFor(tx))
  // A client has them too, but no count of clients.
  if (isLike(tx, 'connect') && typeof (tx as { totalCount?: unknown }).totalCount === 'number') {
    const remedy =
      'Each of its statements is a transaction of its own. Pass a client: BEGIN on what pool.connect() gives.'
    throw refusedFor(tx, store, remedy)
  }
  // Of pg from 8.18 on. 'I': idle.
  if (
    isLike(tx, 'getTransactionStatus') &&
    (tx as { getTransactionStatus(): unknown }).getTransactionStatus() === 'I'
  ) {
    throw refusedFor(
      tx,
      store,
      'No transaction is open on it. Await its BEGIN before, and its COMMIT after the publish.',
    )
  }
  return tx as PostgresTransaction
}

function remedyFor(tx: unknown): string {
  const [adapter] = adapters.find(([, method]) => isLike(tx, method)) ?? []
  if (adapter !== undefined) return `Pass ${adapter}, from '@iambus/core/postgres'.`
  return 'Pass a client of pg with a transaction open on it, or what ofKysely(), ofDrizzle() and the like make of one.'
}

const refusedFor = (tx: unknown, store: string, remedy: string): ForeignTransaction =>
  new ForeignTransaction(`The tx is ${shown(tx)}, which is no transaction of ${store}. ${remedy}`)
