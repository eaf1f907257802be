import createKnex, { type Knex } from 'knex'
import { afterAll } from 'vitest'
import { ofKnex } from '../../../src/postgres/index.ts'
import { type LibraryTransaction, Undone, untilUndone } from './library.ts'
import { outboxCases } from './outbox-cases.ts'
import { openShop } from './shop.ts'

const shop = await openShop()
const knex = createKnex({ client: 'pg', connection: shop.url, pool: { min: 0, max: 4 } })
afterAll(() => knex.destroy())

const of = (trx: Knex.Transaction): LibraryTransaction => ({
  tx: ofKnex(trx),
  write: async (what) => trx('orders').insert({ what }),
  undone: (run) => {
    return untilUndone(() =>
      trx.transaction(async (inner) => {
        await run(of(inner))
        throw new Undone()
      }),
    )
  },
})

outboxCases(shop, {
  title: 'Knex',
  transaction: (isolationLevel, run) => knex.transaction((trx) => run(of(trx)), { isolationLevel }),
  wrong: { 'the knex itself': () => ofKnex(knex), 'what has no adapter': () => knex },
})
