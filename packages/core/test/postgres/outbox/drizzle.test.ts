import { drizzle } from 'drizzle-orm/node-postgres'
import { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js'
import { type PgDatabase, type PgQueryResultHKT, integer, pgTable, text } from 'drizzle-orm/pg-core'
import { Pool } from 'pg'
import createSql from 'postgres'
import { afterAll } from 'vitest'
import { ofDrizzle } from '../../../src/postgres/index.ts'
import { type LibraryTransaction, Undone, untilUndone } from './library.ts'
import { outboxCases } from './outbox-cases.ts'
import { openShop } from './shop.ts'

const shop = await openShop()
const pool = new Pool({ connectionString: shop.url, max: 4 })
const sql = createSql(shop.url, { max: 4 })
afterAll(() => Promise.all([pool.end(), sql.end()]))

const orders = pgTable('orders', {
  id: integer().generatedAlwaysAsIdentity().primaryKey(),
  what: text().notNull(),
})

type Db = PgDatabase<PgQueryResultHKT, Record<string, unknown>>
type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]

const of = (tx: Tx): LibraryTransaction => ({
  tx: ofDrizzle(tx),
  write: (what) => tx.insert(orders).values({ what }),
  undone: (run) => {
    return untilUndone(() =>
      tx.transaction(async (inner) => {
        await run(of(inner))
        throw new Undone()
      }),
    )
  },
})

const onPg = drizzle({ client: pool })
// @ts-expect-error -- it is no transaction: it cannot be rolled back.
const ofTheDatabase = (): unknown => ofDrizzle(onPg)

outboxCases(shop, {
  title: 'Drizzle on pg',
  transaction: (isolationLevel, run) => onPg.transaction((tx) => run(of(tx)), { isolationLevel }),
  wrong: { 'the database': ofTheDatabase, 'what has no adapter': () => onPg },
})

const onPostgresJs = drizzleOnPostgresJs({ client: sql })

outboxCases(shop, {
  title: 'Drizzle on postgres.js',
  transaction: (isolationLevel, run) => onPostgresJs.transaction((tx) => run(of(tx)), { isolationLevel }),
  wrong: {},
})
