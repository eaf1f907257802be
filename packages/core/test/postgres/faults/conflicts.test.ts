import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { Claim } from '../../../src/ports/store.ts'
import type { PostgresTransaction } from '../../../src/postgres/index.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { type Fixture, fixture, message, outcomeOf } from './open-store.ts'

const url = await ownDatabase()

/** The server undoes a statement for the sake of another transaction, so many times. */
function undo(
  on: Fixture,
  { state, times, which }: { readonly state: string; readonly times: number; readonly which: RegExp },
): () => number {
  let undone = 0
  const again = (left: number): void => {
    on.pool.arm(
      1,
      async ({ client }) => {
        undone += 1
        if (left > 1) again(left - 1)
        return client.query(`DO $$ BEGIN RAISE EXCEPTION 'undone' USING ERRCODE = '${state}'; END $$`)
      },
      (text) => which.test(text),
    )
  }
  again(times)
  return () => undone
}

test.each(['40001', '40P01'])(
  'what is undone for the sake of another transaction (%s) is tried again, and stored once',
  async (state) => {
    const on = await fixture(url)
    const store = await on.open()
    const [claim] = (await store.claim()) as [Claim]
    undo(on, { state, times: 3, which: /tail/ })
    expect(await outcomeOf(store.append([message('plain')]))).toBe('stored')
    undo(on, { state, times: 3, which: /SET cursor/ })
    expect(await outcomeOf(store.settle(claim, { reached: 1, caused: [message('caused')] }))).toBe('stored')
    undo(on, { state, times: 3, which: /delayed/ })
    expect(await store.cancel('none')).toBe(false)
    undo(on, { state, times: 3, which: /member/ })
    expect(await outcomeOf(store.claim())).toBe('stored')
    undo(on, { state, times: 3, which: /LOCK|advisory/ })
    expect(await outcomeOf(on.open())).toBe('stored')
    expect(await on.ask(`SELECT id FROM ${on.schema}.message ORDER BY position`)).toEqual([
      { id: 'plain' },
      { id: 'caused' },
    ])
  },
)

test('what is undone again and again fails in the end', async () => {
  const on = await fixture(url)
  const store = await on.open()
  const undone = undo(on, { state: '40001', times: 100, which: /tail/ })
  expect(await outcomeOf(store.append([message('m')]))).toBe('STORE_FAILED')
  expect(undone()).toBe(10)
})

test.each(['repeatable read', 'serializable'])(
  'in a database whose transactions are %s by default, effects meet no other settlement',
  async (level) => {
    const on = await fixture(await ownDatabaseOf(level))
    const store = await on.open()
    const [claim] = (await store.claim()) as [Claim]
    await store.append(Array.from({ length: 3 }, (_, n) => message(`m${n}`)))
    const isUnderWay = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const work = store.settle(claim, {
      done: [[1, 1]],
      reached: 3,
      work: async (tx) => {
        await (tx as PostgresTransaction).query(`INSERT INTO effects_${on.schema} VALUES ('done')`)
        isUnderWay.resolve()
        await goOn.promise
        return [message('caused')]
      },
    })
    await isUnderWay.promise
    await store.settle(claim, { reached: 3, done: [[2, 2]] })
    await store.append([message('meanwhile')])
    goOn.resolve()
    expect(await outcomeOf(work)).toBe('stored')
    await Promise.all(Array.from({ length: 20 }, (_, n) => store.append([message(`more ${n}`)])))
  },
)

test('a statement that waits for a lock for too long fails with what to do, and the connection is kept', async () => {
  const on = await fixture(url)
  const store = await on.open({ statementTimeoutMs: 500 })
  const [claim] = (await store.claim()) as [Claim]
  const other = new Client(url)
  await other.connect()
  onTestFinished(() => other.end())
  await other.query(`BEGIN; SELECT FROM ${on.schema}.claim FOR UPDATE`)
  await expect(store.settle(claim, { reached: 1 })).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringMatching(
      /statement timeout \(57014\)\. .*holds a lock.*pg_stat_activity.*statementTimeoutMs/,
    ),
  })
  await other.query('ROLLBACK')
  const connections = on.proxy.connections
  expect(await outcomeOf(store.settle(claim, { reached: 1 }))).toBe('stored')
  expect(on.proxy.connections).toBe(connections)
})

test.each([
  ['swallows an error of the server', 'SELECT 1 / 0', /\(25P02\).*SAVEPOINT/],
  ['commits by itself', 'COMMIT', /has ended the transaction.*Leave COMMIT and ROLLBACK to the bus/],
  ['rolls back by itself', 'ROLLBACK', /has ended the transaction/],
])('a work that %s fails with what to do, and nothing that waits behind it does', async (_, statement, text) => {
  const on = await fixture(url)
  const store = await on.open()
  const [claim] = (await store.claim()) as [Claim]
  const work = store.settle(claim, {
    reached: 1,
    done: [[1, 1]],
    work: async (tx) => {
      await (tx as PostgresTransaction).query(statement).catch(() => {})
      return [message('caused')]
    },
  })
  // They are called while it waits for its turn, and while it has it.
  const others = Promise.all(
    Array.from({ length: 20 }, async (__, n) => {
      for (let turn = 0; turn < n; turn += 1) await new Promise((resolve) => setImmediate(resolve))
      return outcomeOf(store.append([message('other')]))
    }),
  )
  await expect(work).rejects.toMatchObject({ code: 'STORE_FAILED', message: expect.stringMatching(text) })
  expect(new Set(await others)).toEqual(new Set(['stored']))
  expect(await on.ask(`SELECT cursor::int FROM ${on.schema}.claim`)).toEqual([{ cursor: 0 }])
  expect(await on.ask(`SELECT FROM ${on.schema}.message WHERE id = 'caused'`)).toEqual([])
})

test("a work whose claim is another one's by now takes no other claim with it", async () => {
  const on = await fixture(url)
  const store = await on.open({ partitions: 2 })
  const [lost, kept] = (await store.claim()) as [Claim, Claim]
  await on.ask(`UPDATE ${on.schema}.claim SET epoch = epoch + 1 WHERE partition = ${lost.partition}`)
  const outcomes = await Promise.all([
    outcomeOf(store.settle(lost, { reached: 1, work: () => [] })),
    ...Array.from({ length: 20 }, (_, n) => outcomeOf(store.settle(kept, { reached: n + 1, work: () => [] }))),
  ])
  expect(outcomes.slice(0, 1)).toEqual(['CLAIM_LOST'])
  expect(new Set(outcomes.slice(1))).toEqual(new Set(['stored']))
})

async function ownDatabaseOf(level: string): Promise<string> {
  const client = new Client(url)
  await client.connect()
  await client.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_isolation = '${level}'`)
  await client.end()
  return url
}
