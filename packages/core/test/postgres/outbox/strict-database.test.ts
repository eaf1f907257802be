import { Client, Pool } from 'pg'
import { afterAll, expect, test } from 'vitest'
import { Dispatcher } from '../../../src/index.ts'
import { postgres } from '../../../src/postgres/index.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { Placed } from './shop.ts'

const url = await ownDatabase()
const admin = new Client({ connectionString: url })
await admin.connect()
const name = new URL(url).pathname.slice(1)
await admin.query(`ALTER DATABASE ${name} SET default_transaction_isolation = 'serializable'`)
await admin.end()
const pool = new Pool({ connectionString: url, max: 20 })
afterAll(() => pool.end())

test('where transactions are SERIALIZABLE unless they say otherwise, nodes are not disturbed', async () => {
  const failures: unknown[] = []
  const fail = (_: object, text: string): void => void failures.push(text)
  const logger = { debug: () => {}, info: () => {}, warn: fail, error: fail }
  const handled = new Set<string>()
  const nodes = ['one', 'two'].map(() => {
    const dp = new Dispatcher({ service: 'shop', store: postgres({ pool, schema: 'shop_bus' }), logger })
    dp.events.bind(Placed, ({ what }) => void handled.add(what), { name: 'ship' })
    return dp
  })
  for (const dp of nodes) await dp.start()
  await Promise.all(
    nodes.map(async (dp, node) => {
      const client = await pool.connect()
      for (let n = 0; n < 50; n += 1) {
        const plain = dp.publish(new Placed({ what: `plain ${node} ${n}` }), { key: `${n % 5}` })
        await client.query('BEGIN')
        await dp.publish(new Placed({ what: `tx ${node} ${n}` }), { tx: client, key: `${n % 5}` })
        await client.query('COMMIT')
        await plain
      }
      client.release()
    }),
  )
  await expect.poll(() => handled.size, { timeout: 10_000 }).toBe(200)
  for (const dp of nodes) await dp.stop()
  expect(failures).toEqual([])
})
