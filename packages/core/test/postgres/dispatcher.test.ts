import { Pool } from 'pg'
import { afterAll, expect, test } from 'vitest'
import { defineCommand, defineEvent, Dispatcher } from '../../src/index.ts'
import { postgres, type PostgresOptions } from '../../src/postgres/index.ts'
import { ownDatabase } from '../servers/own-database.ts'

class Placed extends defineEvent<{ n: number; key: string }>('shop.placed') {}
class Ship extends defineCommand<{ n: number; key: string }>('shop.ship') {}

const connectionString = await ownDatabase()
const pool = new Pool({ connectionString, max: 20 })
afterAll(() => pool.end())
let schemas = 0
const ownSchema = (): string => `shop_${(schemas += 1)}`

const nodeOf = (options: PostgresOptions, handled: string[], name = 'one'): Dispatcher => {
  const dp = new Dispatcher({ service: 'shop', store: postgres({ pool, ...options }) })
  dp.events.bind(
    Placed,
    ({ n, key }, { context }) => {
      handled.push(`${name} placed ${n}`)
      context.send(new Ship({ n, key }))
    },
    { name: 'place' },
  )
  dp.commands.bind(Ship, ({ n }) => void handled.push(`${name} shipped ${n}`), { name: 'ship' })
  return dp
}

test('what is published is handled, with what it causes, in the order of its key', async () => {
  const handled: string[] = []
  const dp = nodeOf({ schema: ownSchema() }, handled)
  await dp.start()
  await Promise.all(
    Array.from({ length: 200 }, (_, n) => dp.publish(new Placed({ n, key: `${n % 7}` }), { key: `${n % 7}` })),
  )
  await expect.poll(() => handled.length, { timeout: 10_000 }).toBe(400)
  await dp.stop()
  for (let key = 0; key < 7; key += 1) {
    for (const what of ['placed', 'shipped']) {
      const inOrder = handled.filter((one) => one.includes(what)).map((one) => Number(one.split(' ')[2]))
      const own = inOrder.filter((n) => n % 7 === key)
      expect(own).toEqual(own.toSorted((a, b) => a - b))
    }
  }
})

test('what one node has not done, the next start does', async () => {
  const schema = ownSchema()
  const first = nodeOf({ schema }, [])
  await first.start()
  await first.stop()
  const other = new Dispatcher({ service: 'shop', store: postgres({ pool, schema }), messages: [Placed] })
  other.events.bind(Placed, () => {}, { name: 'look', durable: true })
  await other.start()
  await other.publish(new Placed({ n: 1, key: 'a' }), { key: 'a' })
  await other.stop()
  const handled: string[] = []
  const again = nodeOf({ schema }, handled)
  await again.start()
  await expect.poll(() => handled, { timeout: 5_000 }).toEqual(['one placed 1', 'one shipped 1'])
  await again.stop()
})
