import { expect, test } from 'vitest'
import { Placed, openShop } from './shop.ts'

const { dp, pool, handled } = await openShop()

test.each([
  ['read committed', {}],
  ['read committed', { id: 'mine' }],
  ['serializable', {}],
  ['serializable', { id: 'mine too' }],
])('a publish under %s with %j is one statement, and the caller sends no more', async (isolation, options) => {
  const client = await pool.connect()
  const sent: string[] = []
  const tx = {
    query: (text: string, params: unknown[]) => {
      sent.push(text)
      return client.query(text, params)
    },
  }
  await client.query(`BEGIN ISOLATION LEVEL ${isolation}`)
  for (let n = 1; n <= 3; n += 1) {
    await dp.publish(new Placed({ what: `${isolation} ${n}` }), { tx, key: 'key', ...options })
    expect(sent).toHaveLength(n)
  }
  await client.query('COMMIT')
  client.release()
  expect(sent).toHaveLength(3)
  const count = 'id' in options ? 1 : 3
  await expect.poll(() => handled, { timeout: 1_000, interval: 5 }).toHaveLength(count)
})

test('what another transaction has published does not cost the next one a statement', async () => {
  const [idle, client] = [await pool.connect(), await pool.connect()]
  await idle.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await dp.publish(new Placed({ what: 'idle' }), { tx: idle, key: 'key' })
  let count = 0
  const tx = {
    query: (text: string, params: unknown[]) => {
      count += 1
      return client.query(text, params)
    },
  }
  await client.query('BEGIN')
  await dp.publish(new Placed({ what: 'next' }), { tx, key: 'key' })
  await client.query('COMMIT')
  await idle.query('COMMIT')
  for (const one of [idle, client]) one.release()
  expect(count).toBe(1)
  await expect.poll(() => handled, { timeout: 1_000, interval: 5 }).toEqual(['next', 'idle'])
})
