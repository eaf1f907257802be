import { Pool } from 'pg'
import { afterAll, expect, test } from 'vitest'
import { defineEvent, Dispatcher, retry } from '../../src/index.ts'
import { postgres } from '../../src/postgres/index.ts'
import { silent } from '../silent.ts'
import { ownDatabase } from '../servers/own-database.ts'

class Placed extends defineEvent<{ note: string | bigint; self?: object }>('shop.placed') {}
class Shipped extends defineEvent<{ n: number }>('shop.shipped') {}

const pool = new Pool({ connectionString: await ownDatabase() })
afterAll(() => pool.end())
let schemas = 0

test.each<[string, string, (placed: Placed) => void]>([
  ['has a NUL in its text', 'a\u0000b', () => {}],
  ['has half of a surrogate pair in its text', 'a\ud800b', () => {}],
  ['was made a circle by its handler', 'a', (placed) => Object.assign(placed, { self: placed })],
  ['was given what JSON has not by its handler', 'a', (placed) => Object.assign(placed, { note: 10n })],
])('what was appended here, and %s, becomes a dead letter, and holds up nobody', async (_, note, change) => {
  const store = postgres({ pool, schema: `dead_${(schemas += 1)}` })
  const dp = new Dispatcher({ service: 'shop', store, logger: silent, recover: retry({ attempts: 1 }) })
  const handled: unknown[] = []
  dp.events.bind(Shipped, ({ n }) => void handled.push(n), { name: 'ship' })
  dp.events.bind(
    Placed,
    (placed) => {
      change(placed)
      throw new Error('as it should')
    },
    { name: 'place' },
  )
  await dp.start()
  // The first page is read, for what is taken is not known before.
  await dp.publish(new Shipped({ n: 0 }))
  await expect.poll(() => handled, { timeout: 5_000 }).toEqual([0])
  await dp.publish(new Placed({ note }))
  await expect.poll(async () => (await dp.deadLetters.list()).letters.length, { timeout: 5_000 }).toBe(1)
  const [letter] = (await dp.deadLetters.list()).letters
  expect(letter?.envelope.message).toEqual(new Placed({ note }))
  await Promise.all([1, 2, 3].map((n) => dp.publish(new Shipped({ n }))))
  await expect.poll(() => handled.length, { timeout: 5_000 }).toBe(4)
  await dp.stop()
})
