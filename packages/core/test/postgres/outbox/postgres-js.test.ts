import createSql, { type TransactionSql } from 'postgres'
import { afterAll } from 'vitest'
import { ofPostgresJs } from '../../../src/postgres/index.ts'
import { type LibraryTransaction, Undone, untilUndone } from './library.ts'
import { outboxCases } from './outbox-cases.ts'
import { openShop } from './shop.ts'

const shop = await openShop()
const sql = createSql(shop.url, { max: 4 })
afterAll(() => sql.end())

const of = (own: TransactionSql): LibraryTransaction => ({
  tx: ofPostgresJs(own),
  write: (what) => own`INSERT INTO orders (what) VALUES (${what})`,
  undone: (run) => {
    return untilUndone(() =>
      own.savepoint(async (inner) => {
        await run(of(inner))
        throw new Undone()
      }),
    )
  },
})

outboxCases(shop, {
  title: 'postgres.js',
  transaction: (isolation, run) => sql.begin(`isolation level ${isolation}`, (own) => run(of(own))),
  wrong: { 'the sql that all use': () => ofPostgresJs(sql), 'a transaction without its adapter': () => sql },
})
