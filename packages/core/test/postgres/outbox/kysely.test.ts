import { type Generated, Kysely, PostgresDialect, sql, type Transaction } from 'kysely'
import { Pool } from 'pg'
import { afterAll } from 'vitest'
import { ofKysely } from '../../../src/postgres/index.ts'
import type { LibraryTransaction } from './library.ts'
import { outboxCases } from './outbox-cases.ts'
import { openShop } from './shop.ts'

interface Tables {
  readonly orders: { readonly id: Generated<number>; readonly what: string }
}

const shop = await openShop()
const pool = new Pool({ connectionString: shop.url, max: 4 })
const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
afterAll(() => db.destroy())

const of = (trx: Transaction<Tables>): LibraryTransaction => ({
  tx: ofKysely(trx),
  write: (what) => trx.insertInto('orders').values({ what }).execute(),
  undone: async (run) => {
    await sql`SAVEPOINT here`.execute(trx)
    await run(of(trx))
    await sql`ROLLBACK TO SAVEPOINT here`.execute(trx)
  },
})

outboxCases(shop, {
  title: 'Kysely',
  transaction: (isolation, run) => {
    return db
      .transaction()
      .setIsolationLevel(isolation)
      .execute((trx) => run(of(trx)))
  },
  wrong: { 'the Kysely itself': () => ofKysely(db), 'what has no adapter': () => db },
})

const controlled = (
  trx: Awaited<ReturnType<ReturnType<typeof db.startTransaction>['execute']>>,
): LibraryTransaction => ({
  ...of(trx),
  tx: ofKysely(trx),
  undone: async (run) => {
    const after = await trx.savepoint('here').execute()
    await run(controlled(after))
    await after.rollbackToSavepoint('here').execute()
  },
})

outboxCases(shop, {
  title: 'Kysely that is controlled',
  transaction: async (isolation, run) => {
    const trx = await db.startTransaction().setIsolationLevel(isolation).execute()
    try {
      await run(controlled(trx))
      await trx.commit().execute()
    } catch (error) {
      await trx.rollback().execute()
      throw error
    }
  },
  wrong: {},
})
