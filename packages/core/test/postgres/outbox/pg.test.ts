import type { PoolClient } from 'pg'
import type { Library, LibraryTransaction } from './library.ts'
import { outboxCases } from './outbox-cases.ts'
import { openShop } from './shop.ts'

const shop = await openShop()
const { pool } = shop
const unopened = await pool.connect()
unopened.release()

const of = (client: PoolClient): LibraryTransaction => ({
  tx: client,
  write: (what) => client.query('INSERT INTO orders (what) VALUES ($1)', [what]),
  undone: async (run) => {
    await client.query('SAVEPOINT here')
    await run(of(client))
    await client.query('ROLLBACK TO SAVEPOINT here')
  },
})

const pg: Library = {
  title: 'pg',
  transaction: async (isolation, run) => {
    const client = await pool.connect()
    try {
      await client.query(`BEGIN ISOLATION LEVEL ${isolation}`)
      await run(of(client))
      await client.query('COMMIT')
    } catch (error) {
      await client.query('ROLLBACK')
      throw error
    } finally {
      client.release()
    }
  },
  wrong: { 'a pool': () => pool, 'a client without a transaction': () => unopened, 'a number': () => 7 },
}

outboxCases(shop, pg)
