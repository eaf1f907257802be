import { Client } from 'pg'
import { afterAll, expect, test } from 'vitest'
import { ofDrizzle, ofKnex, ofKysely, ofPostgresJs, ofPrisma, ofTypeOrm } from '../../../src/postgres/index.ts'
import { ForeignTransaction } from '../../../src/store-errors.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { Placed, openShop } from './shop.ts'

const { dp, pool } = await openShop()
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
