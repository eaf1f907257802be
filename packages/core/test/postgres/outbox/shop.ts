import { Pool } from 'pg'
import { afterAll, afterEach } from 'vitest'
import { defineEvent, Dispatcher } from '../../../src/index.ts'
import { postgres } from '../../../src/postgres/index.ts'
import { ownDatabase } from '../../servers/own-database.ts'

export class Placed extends defineEvent<{ what: string }>('shop.placed') {}

/** A running dispatcher, and a table beside its schema, in a database of this test file's own. */
export interface Shop {
  readonly url: string
  readonly pool: Pool
  readonly dp: Dispatcher
  /** What was handled, in this order. */
  readonly handled: readonly string[]
  /** What is in the table. */
  readonly orders: () => Promise<readonly string[]>
}

/** To be called where the file's hooks are. */
export async function openShop(schema = 'shop_bus'): Promise<Shop> {
  const url = await ownDatabase()
  const pool = new Pool({ connectionString: url, max: 10 })
  await pool.query('CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text NOT NULL)')
  // It looks by itself once a minute only: what is handled sooner was woken for.
  const dp = new Dispatcher({ service: 'shop', store: postgres({ pool, schema, pollMs: 60_000 }) })
  const handled: string[] = []
  dp.events.bind(Placed, ({ what }) => void handled.push(what), { name: 'ship' })
  await dp.start()
  afterEach(async () => {
    handled.length = 0
    await pool.query('DELETE FROM orders')
  })
  afterAll(async () => {
    await dp.stop()
    await pool.end()
  })
  return {
    url,
    pool,
    dp,
    handled,
    orders: async () => {
      const { rows } = await pool.query<{ what: string }>('SELECT what FROM orders ORDER BY id')
      return rows.map(({ what }) => what)
    },
  }
}
