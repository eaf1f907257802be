import { expect, test } from 'vitest'
import type { Claim, OpenStore } from '../../../src/ports/store.ts'
import type { PostgresTransaction } from '../../../src/postgres/index.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { strandAfter, until } from './connection-faults.ts'
import { type Fixture, fixture, message, outcomeOf } from './open-store.ts'

const url = await ownDatabase()
const statementTimeoutMs = 500

/** What has more than how far a claim has come, and messages, takes a transaction. */
const inTransaction = {
  exceptions: [{ position: 1, key: 'k', state: 'aside', dueAt: undefined, note: undefined }],
} as const

async function opened(on: Fixture): Promise<{ readonly store: OpenStore; readonly claim: Claim }> {
  const store = await on.open({ statementTimeoutMs })
  const [claim] = await store.claim()
  return { store, claim: claim as Claim }
}

test('what holds locks behind a half-open connection ends, and the next settlement is stored', async () => {
  const on = await fixture(url)
  const { store, claim } = await opened(on)
  await store.append([message('m')])
  // The server has the row of the claim locked, and nobody hears of it.
  on.pool.arm(2, strandAfter(on.proxy))
  expect(await outcomeOf(store.settle(claim, { reached: 1, ...inTransaction }))).toBe('STORE_FAILED')
  expect(on.pool.hit).toContain('SET cursor')
  expect(await outcomeOf(store.settle(claim, { reached: 1, done: [[1, 1]] }))).toBe('stored')
  expect(await on.ask(`SELECT cursor::int FROM ${on.schema}.claim`)).toEqual([{ cursor: 1 }])
})

test('the locks of a handler whose connection is half-open are gone when it fails', async () => {
  const on = await fixture(url)
  const { store } = await opened(on)
  await on.ask(`INSERT INTO effects_${on.schema} VALUES ('counter')`)
  const settle = (): Promise<unknown> =>
    outcomeOf(
      store.settle(undefined, {
        work: async (tx) => {
          await (tx as PostgresTransaction).query(`UPDATE effects_${on.schema} SET effect = effect || '!'`)
          return []
        },
      }),
    )
  on.pool.arm(1, strandAfter(on.proxy), (text) => text.includes('effect ||'))
  expect(await settle()).toBe('STORE_FAILED')
  // Those that are told to end do so soon.
  const holding = `SELECT FROM pg_stat_activity
    WHERE state LIKE 'idle in transaction%' AND query LIKE '%effects_${on.schema} SET%'`
  await until(async () => (await on.ask(holding)).length === 0)
  expect(await settle()).toBe('stored')
  expect(await on.ask(`SELECT effect FROM effects_${on.schema}`)).toEqual([{ effect: 'counter!' }])
})

test.each(['to server', 'to client'] as const)(
  'a server whose bytes are swallowed %s is given up in time, and all goes on after it',
  async (direction) => {
    const on = await fixture(url, { max: 5 })
    const { store, claim } = await opened(on)
    await store.append([message('m')])
    await store.read(0, 0, 1)
    on.proxy.blackhole(direction)
    const outcomes = await Promise.all([
      outcomeOf(store.append([message('lost')])),
      outcomeOf(store.read(0, 0, 1)),
      outcomeOf(store.settle(claim, { reached: 1 })),
      outcomeOf(store.settle(undefined, { work: async () => Promise.resolve([]) })),
    ])
    expect(outcomes).toEqual(['STORE_FAILED', 'STORE_FAILED', 'STORE_FAILED', 'STORE_FAILED'])
    await on.proxy.heal()
    await expect.poll(() => outcomeOf(store.append([message('next')])), { interval: 20, timeout: 5_000 }).toBe('stored')
    expect(await outcomeOf(store.settle(claim, { reached: 1, done: [[1, 1]] }))).toBe('stored')
    expect((await store.read(0, 0, 10)).map(({ id }) => id)).toContain('next')
    await store.close()
    // Those that came too late went back, too.
    await until(() => on.pool.pool.totalCount === on.pool.pool.idleCount && on.pool.pool.waitingCount === 0)
  },
)

test('a connection that listens, and is half-open before it does, is given up', async () => {
  const on = await fixture(url)
  await (await on.open()).close()
  on.pool.arm(
    1,
    ({ send }) => (on.proxy.strand(), send()),
    (text) => text.startsWith('LISTEN'),
  )
  const store = await on.open({ listen: true, statementTimeoutMs })
  await expect.poll(() => on.pool.hit).toMatch(/^LISTEN/)
  // What waits for it fails, or goes on another one.
  await outcomeOf(store.read(0, 0, 1))
  expect(await outcomeOf(store.read(0, 0, 1))).toBe('stored')
})

test('an opening that is half-open holds up no other one for longer than a statement may take', async () => {
  const on = await fixture(url)
  await (await on.open()).close()
  on.pool.arm(3, strandAfter(on.proxy)) // It has the lock of the schema.
  expect(await outcomeOf(on.open({ statementTimeoutMs }))).toBe('STORE_FAILED')
  const before = performance.now()
  await on.open()
  expect(performance.now() - before).toBeLessThan(4_000)
})

test.each([
  ['at once', /./, {}],
  ['while it is not known what has become of a transaction', /^COMMIT$/, inTransaction],
  ['while it is not known what has become of a settlement', /SET cursor/, { caused: [message('caused')] }],
] as const)('a store whose server is gone closes in time: %s', async (when, which, settlement) => {
  const on = await fixture(url)
  const { store, claim } = await opened(on)
  await store.append([message('m')])
  let settling: Promise<unknown> = Promise.resolve('STORE_CLOSED')
  const gone = Promise.withResolvers<void>()
  const refuse = (): void => {
    on.proxy.refuse()
    on.proxy.cut()
    gone.resolve()
  }
  if (when === 'at once') refuse()
  else {
    on.pool.arm(
      1,
      ({ send }) => {
        const answer = send()
        refuse()
        return answer
      },
      (text) => which.test(text),
    )
    settling = outcomeOf(store.settle(claim, { reached: 1, ...settlement }))
  }
  await gone.promise
  const before = performance.now()
  expect(await outcomeOf(store.close())).toBe('STORE_FAILED')
  expect(performance.now() - before).toBeLessThan(10 * statementTimeoutMs)
  expect(await settling).toBe('STORE_CLOSED')
  expect([on.pool.pool.totalCount, on.pool.pool.waitingCount]).toEqual([on.pool.pool.idleCount, 0])
})
