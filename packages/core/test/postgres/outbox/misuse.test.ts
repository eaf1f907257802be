import { Client } from 'pg'
import { afterAll, expect, test } from 'vitest'
import { ofDrizzle, ofKnex, ofKysely, ofPostgresJs, ofPrisma, ofTypeOrm } from '../../../src/postgres/index.ts'
import { ForeignTransaction } from '../../../src/store-errors.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { Placed, openShop } from './shop.ts'

const { dp, pool, handled } = await openShop()
const elsewhere = new Client({ connectionString: await ownDatabase() })
await elsewhere.connect()
afterAll(() => elsewhere.end())

const publish = (what: string, tx: unknown): Promise<void> =>
  dp.publish(new Placed({ what }), { tx: tx as object, key: 'key' })

test.each([ofDrizzle, ofKnex, ofKysely, ofPostgresJs, ofPrisma, ofTypeOrm])('%o refuses what is none', (of) => {
  for (const wrong of [
    undefined,
    null,
    1,
    'tx',
    {},
    () => {},
    { query: () => {} },
    { raw: 1, unsafe: 1, execute: 1 },
  ]) {
    expect(() => of(wrong as never)).toThrow(ForeignTransaction)
    expect(() => of(wrong as never)).toThrow(
      new RegExp(`^${of.name}\\(\\) was given .*, which is no transaction\\. Pass `),
    )
  }
})

test('a refusal says what was given, and what to pass', async () => {
  const client = await pool.connect()
  const message = async (tx: unknown): Promise<unknown> =>
    publish('wrong', tx).then(
      () => 'published',
      (error: unknown) => (error as Error).message,
    )
  try {
    expect(await message(pool)).toMatch(
      /an instance of (Bound)?Pool.*Pass a client: BEGIN on what pool.connect\(\) gives/,
    )
    expect(await message(client)).toMatch(/No transaction is open on it/)
    expect(await message({ unsafe: () => {} })).toMatch(/Pass ofPostgresJs\(sql\), from '@iambus\/core\/postgres'/)
    expect(await message({ query: () => {}, createQueryBuilder: () => {} })).toMatch(/Pass ofTypeOrm\(manager\)/)
    expect(await message({})).toMatch(/Pass a client of pg with a transaction open on it/)
  } finally {
    client.release()
  }
})

test('a transaction of another database is refused', async () => {
  await elsewhere.query('BEGIN')
  await expect(publish('wrong', elsewhere)).rejects.toThrow(ForeignTransaction)
  await elsewhere.query('ROLLBACK')
})

test('what the server refuses is told with its own error, and that nobody tries it again', async () => {
  const client = await pool.connect()
  try {
    await client.query('BEGIN READ ONLY')
    await expect(publish('wrong', client)).rejects.toMatchObject({
      cause: { code: '25006' },
      message: expect.stringMatching(/READ ONLY/) as string,
    })
    await expect(publish('wrong', client)).rejects.toMatchObject({
      cause: { code: '25P02' },
      message: expect.stringMatching(/Roll back/) as string,
    })
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
})

test.each([
  ['COMMIT', 'first'],
  ['ROLLBACK', 'second'],
])('an id that a transaction under way has taken holds up nothing else, until its %s', async (end, kept) => {
  const client = await pool.connect()
  await client.query('BEGIN')
  await dp.publish(new Placed({ what: 'first' }), { tx: client, id: `until ${end}`, key: 'key' })
  const waiting = dp.publish(new Placed({ what: 'second' }), { id: `until ${end}`, key: 'key' })
  await dp.publish(new Placed({ what: 'other' }), { key: 'another key' })
  await expect.poll(() => handled, { timeout: 1_000 }).toEqual(['other'])
  await client.query(end)
  client.release()
  await waiting
  await expect.poll(() => handled, { timeout: 1_000 }).toEqual(['other', kept])
})

test('whoever gives positions, and is slow, is waited for', async () => {
  const client = await pool.connect()
  await client.query('BEGIN')
  await client.query('SELECT FROM shop_bus.tail FOR UPDATE')
  const waiting = dp.publish(new Placed({ what: 'late' }), { id: 'late', key: 'key' })
  // It has waited for longer than any id is waited for.
  const isPatient = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND clock_timestamp() - query_start > interval '0.4 s'`
  await expect.poll(async () => (await pool.query(isPatient)).rowCount, { timeout: 5_000 }).toBe(1)
  await client.query('COMMIT')
  client.release()
  await waiting
  await expect.poll(() => handled, { timeout: 1_000 }).toEqual(['late'])
})
