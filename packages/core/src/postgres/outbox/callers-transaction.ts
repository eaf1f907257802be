import { shown } from '../../errors.ts'
import { ForeignTransaction, type StoreFailed } from '../../store-errors.ts'
import type { PostgresTransaction } from '../client.ts'
import { failureOf, type Remedies, stateOf } from '../failure.ts'
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

/** Nobody but the caller can try it again. */
const remedies: Remedies = [
  ['25006', 'STORE_READ_ONLY', 'Is the transaction READ ONLY, or the server a standby? Begin one that may write.'],
  ['40', 'STORE_FAILED', 'Roll back, and run the whole transaction again: it was undone for the sake of another one.'],
  ['42501', 'STORE_FAILED', "Give the role of the transaction the rights of the run-time role on the bus's schema."],
  ['', 'STORE_FAILED', 'Roll back: nothing of the transaction is stored.'],
]

/** What is thrown where the statement failed, however the library has wrapped the error of the server. */
export function callersFailure(
  thrown: unknown,
  { name, schema }: { readonly name: string; readonly schema: string },
): ForeignTransaction | StoreFailed {
  let cause = thrown
  while (stateOf(cause) === undefined && (cause as Error | undefined)?.cause !== undefined)
    cause = (cause as Error).cause
  if (stateOf(cause) !== '42P01') return failureOf(stateOf(cause) === undefined ? thrown : cause, name, remedies)
  return new ForeignTransaction(
    `The tx is of a database that has no schema ${schema}. Pass one of the database of ${name}.`,
  )
}
