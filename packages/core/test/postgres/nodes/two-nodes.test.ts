import { Pool } from 'pg'
import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import { defineEvent, Dispatcher } from '../../../src/index.ts'
import { partitionOf } from '../../../src/ports/stable-hash.ts'
import { postgres, type PostgresOptions } from '../../../src/postgres/index.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { silent } from '../../silent.ts'

vi.setConfig({ testTimeout: 30_000 })

class Placed extends defineEvent<{ n: number }>('shop.placed') {}

const PARTITIONS = 4
const connectionString = await ownDatabase()
const pool = new Pool({ connectionString, max: 24 })
afterAll(() => pool.end())
let schemas = 0

/** Two nodes that share the partitions, and what they were given: `a 1`. */
async function two(handle: (key: string, n: number) => unknown = () => {}, more: PostgresOptions = {}) {
  const schema = `shop_${(schemas += 1)}`
  const given: string[] = []
  const duplicates: string[] = []
  const nodeOf = async (): Promise<Dispatcher> => {
    const store = postgres({ pool, schema, partitions: PARTITIONS, pollMs: 100, ...more })
    const dp = new Dispatcher({ service: 'shop', store, logger: silent })
    dp.events.bind(
      Placed,
      ({ n }, { context }) => {
        given.push(`${context.key} ${n}`)
        return handle(context.key as string, n)
      },
      { name: 'handle' },
    )
    dp.observe('duplicate', ({ id }) => duplicates.push(id))
    await dp.start()
    onTestFinished(() => dp.stop({ deadlineMs: 200 }))
    return dp
  }
  const [first, second] = [await nodeOf(), await nodeOf()]
  const nodes = async (): Promise<number | null> =>
    (await pool.query(`SELECT DISTINCT node FROM ${schema}.claim`)).rowCount
  await expect.poll(nodes, { timeout: 5_000 }).toBe(2)
  const of = (key: string): number[] => {
    return given.filter((one) => one.startsWith(`${key} `)).map((one) => Number(one.split(' ').at(-1)))
  }
  return { first, second, of, duplicates, schema }
}

/** Keys of a partition. */
function keysIn(partition: number, count: number): string[] {
  const all = Array.from({ length: 1_000 }, (_, n) => `key ${n}`)
  return all.filter((key) => partitionOf(key, PARTITIONS) === partition).slice(0, count)
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

test.each(['COMMIT', 'ROLLBACK'])(
  'a duplicate of what another node publishes in a transaction under way waits for its %s (O2)',
  async (end) => {
    const { first, second, of, duplicates } = await two()
    const client = await pool.connect()
    await client.query('BEGIN')
    await first.publish(new Placed({ n: 1 }), { key: 'a', id: 'once', tx: client })
    let isStored = false
    const again = second.publish(new Placed({ n: 2 }), { key: 'a', id: 'once' }).then(() => (isStored = true))
    // What comes after it does not wait for it.
    await second.publish(new Placed({ n: 3 }), { key: 'b' })
    await expect.poll(() => of('b'), { timeout: 5_000 }).toEqual([3])
    expect([isStored, of('a')]).toEqual([false, []])
    await client.query(end)
    client.release()
    await again
    await expect.poll(() => of('a'), { timeout: 5_000 }).toEqual([end === 'COMMIT' ? 1 : 2])
    expect(duplicates).toEqual(end === 'COMMIT' ? ['once'] : [])
  },
)

test('a duplicate is dropped while the first is handled, and of those that both nodes publish at a time one is new (O2)', async () => {
  const go = Promise.withResolvers<void>()
  const { first, second, of, duplicates } = await two((_, n) => (n < 0 ? go.promise : undefined))
  await first.publish(new Placed({ n: -1 }), { key: 'a', id: 'slow' })
  await expect.poll(() => of('a'), { timeout: 5_000 }).toEqual([-1])
  for (const dp of [first, second]) await dp.publish(new Placed({ n: -2 }), { key: 'a', id: 'slow' })
  expect(duplicates).toEqual(['slow', 'slow'])
  go.resolve()
  await Promise.all(
    upTo(50).flatMap((n) => [first, second].map((dp) => dp.publish(new Placed({ n }), { key: 'a', id: `${n}` }))),
  )
  await first.publish(new Placed({ n: 50 }), { key: 'a' })
  await expect.poll(() => of('a').at(-1), { timeout: 10_000 }).toBe(50)
  expect(of('a').toSorted((one, other) => one - other)).toEqual([-1, ...upTo(51)])
  expect(duplicates).toHaveLength(52)
})

test('a key that is blocked, with much behind it, delays no other one, on either node (L2)', async () => {
  const go = Promise.withResolvers<void>()
  const blocked = upTo(PARTITIONS).map((partition) => keysIn(partition, 1)[0] as string)
  const others = upTo(PARTITIONS).flatMap((partition) => keysIn(partition, 5).slice(1))
  const { first, second, of } = await two((key) => (blocked.includes(key) ? go.promise : undefined))
  const publish = (dp: Dispatcher, keys: readonly string[], count: number): Promise<unknown> =>
    Promise.all(keys.flatMap((key) => upTo(count).map((n) => dp.publish(new Placed({ n }), { key }))))
  await publish(first, blocked, 500)
  await publish(second, others, 10)
  for (const key of others) await expect.poll(() => of(key), { timeout: 10_000 }).toEqual(upTo(10))
  for (const key of blocked) expect(of(key)).toEqual([0])
  go.resolve()
  for (const key of blocked) await expect.poll(() => of(key).length, { timeout: 15_000 }).toBe(500)
  for (const key of blocked) expect(of(key)).toEqual(upTo(500))
})

test('beyond scanAhead, what is behind a blocked key waits in its partition, and in no other one (L2)', async () => {
  const go = Promise.withResolvers<void>()
  const [blocked, neighbour] = keysIn(0, 2) as [string, string]
  const others = [1, 2, 3].flatMap((partition) => keysIn(partition, 3))
  const { first, second, of } = await two((key) => (key === blocked ? go.promise : undefined), { scanAhead: 50 })
  await Promise.all(upTo(400).map((n) => first.publish(new Placed({ n }), { key: blocked })))
  await second.publish(new Placed({ n: 0 }), { key: neighbour })
  for (const key of others) await second.publish(new Placed({ n: 0 }), { key })
  for (const key of others) await expect.poll(() => of(key), { timeout: 10_000 }).toEqual([0])
  expect([of(blocked), of(neighbour)]).toEqual([[0], []])
  go.resolve()
  await expect.poll(() => of(blocked).length, { timeout: 15_000 }).toBe(400)
  expect(of(blocked)).toEqual(upTo(400))
  await expect.poll(() => of(neighbour), { timeout: 5_000 }).toEqual([0])
})
