import { Pool } from 'pg'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { deadLetter, defineEvent, Dispatcher } from '../../src/index.ts'
import { postgres } from '../../src/postgres/index.ts'
import { Statements } from '../../src/postgres/statements.ts'
import { ownDatabase } from '../servers/own-database.ts'
import { silent } from '../silent.ts'

class Placed extends defineEvent<{ n: number }>('shop.placed') {}

const connectionString = await ownDatabase()
const pool = new Pool({ connectionString, max: 20 })
afterAll(() => pool.end())

const keys = Array.from({ length: 24 }, (_, n) => `key ${n}`)
const patient = { timeout: 10_000 }

interface Node {
  readonly dp: Dispatcher
  readonly seen: string[]
}

/** Two nodes that share what has died: what is 1, as long as it is `isBroken`. */
async function two(schema: string, { listen }: { readonly listen: boolean }) {
  const shop = { isBroken: true }
  const nodeOf = async (): Promise<Node> => {
    const store = postgres({ pool, schema, partitions: 8, pollMs: 100, listen })
    const dp = new Dispatcher({ service: 'shop', store, logger: silent, recover: deadLetter() })
    const seen: string[] = []
    const handle = ({ n }: Placed, { context }: { context: { key: string | undefined } }): void => {
      if (shop.isBroken && n === 1) throw new Error('broken')
      seen.push(`${context.key} ${n}`)
    }
    dp.events.bind(Placed, handle, { name: 'handle', onDead: 'park' })
    await dp.start()
    onTestFinished(() => dp.stop())
    return { dp, seen }
  }
  const [first, second] = [await nodeOf(), await nodeOf()]
  const publish = (n: number): Promise<unknown> =>
    Promise.all(keys.map((key) => first.dp.publish(new Placed({ n }), { key })))
  await publish(0)
  await expect.poll(() => first.seen.length + second.seen.length, patient).toBe(keys.length)
  await expect.poll(async () => (await pool.query(`SELECT DISTINCT node FROM ${schema}.claim`)).rowCount).toBe(2)
  await publish(1)
  await publish(2)
  const dead = async (): Promise<number> => (await first.dp.deadLetters.list()).letters.length
  await expect.poll(dead, patient).toBe(keys.length)
  return { first, second, shop, dead }
}

test.each([true, false])(
  'what is replayed by a filter is replayed by the nodes that work for it, each once, in its place (listen: %s)',
  { timeout: 30_000 },
  async (listen) => {
    const { first, second, shop, dead } = await two(`replays_${listen}`, { listen })
    shop.isBroken = false
    expect(await first.dp.deadLetters.replay({ handler: 'events/handle' })).toBe(keys.length)
    await expect.poll(() => first.seen.length + second.seen.length, patient).toBe(3 * keys.length)
    await expect.poll(dead, patient).toBe(0)
    for (const key of keys) {
      const seen = [first, second].flatMap((node) => node.seen.filter((one) => one.startsWith(`${key} `)))
      expect(seen).toEqual([0, 1, 2].map((n) => `${key} ${n}`))
    }
    expect(second.seen.some((one) => one.endsWith(' 1'))).toBe(true)
  },
)

test('what is discarded on one node lets the lanes of the other one go on', { timeout: 30_000 }, async () => {
  const { first, second, dead } = await two('discards', { listen: true })
  expect(await first.dp.deadLetters.discard({})).toBe(keys.length)
  await expect.poll(() => first.seen.length + second.seen.length, patient).toBe(2 * keys.length)
  expect(await dead()).toBe(0)
})

test('nodes look at letters only where some have changed', { timeout: 30_000 }, async () => {
  const { dead } = await two('unchanged', { listen: false })
  const statements = new Statements('unchanged')
  const changes = async (): Promise<unknown> =>
    (await pool.query("SELECT count FROM unchanged.change WHERE what = 'letters'")).rows[0]
  const before = await changes()
  const run = async (name: 'beginReplay' | 'removeLetters', param: unknown): Promise<number | null> =>
    (await pool.query(statements.text(name), [param])).rowCount
  expect([await run('beginReplay', 'none'), await run('removeLetters', ['none'])]).toEqual([0, 0])
  expect(await changes()).toEqual(before)
  expect(await dead()).toBe(keys.length)
})
