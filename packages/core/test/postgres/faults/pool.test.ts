import type { PoolClient } from 'pg'
import { expect, test } from 'vitest'
import type { Claim } from '../../../src/ports/store.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { until } from './connection-faults.ts'
import { fixture, message, outcomeOf } from './open-store.ts'

const url = await ownDatabase()

test.each([1, 2, 3])('a pool of %i is refused, with how many it takes', async (max) => {
  const on = await fixture(url, { max })
  await expect(on.open()).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: `pool has a max of ${max}. Pass one of 4 connections or more: the store keeps 2 for as long as it is open, and one more while it keeps house; each context.commit() takes another one.`,
  })
})

test('a pool of 4 is enough: works take turns, also when the answer to a COMMIT is lost', async () => {
  const on = await fixture(url, { max: 4 })
  const store = await on.open()
  await store.read(0, 0, 1)
  on.pool.arm(
    1,
    ({ send }) => {
      const answer = send()
      on.proxy.cut()
      return answer
    },
    (text) => text === 'COMMIT',
  )
  const works = Array.from({ length: 8 }, (_, n) => {
    return outcomeOf(store.settle(undefined, { work: async () => Promise.resolve([message(`w${n}`)]) }))
  })
  const outcomes = await Promise.all(works)
  const stored = await on.ask(`SELECT id FROM ${on.schema}.message ORDER BY id`)
  expect(stored).toEqual(outcomes.flatMap((outcome, n) => (outcome === 'stored' ? [{ id: `w${n}` }] : [])))
  expect(await outcomeOf(store.append([message('next')]))).toBe('stored')
})

test('a pool that is used up by others is an error that says so, and nothing hangs when it is not any more', async () => {
  const on = await fixture(url, { max: 4 })
  const store = await on.open({ statementTimeoutMs: 500 })
  await store.read(0, 0, 1)
  await store.append([message('m')])
  const others = await Promise.all([on.pool.pool.connect(), on.pool.pool.connect()])
  await expect(store.settle(undefined, { work: () => [] })).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: `postgres ${on.schema} got no connection within 500 ms. All of its pool are in use, or the server cannot be reached: raise the max of the pool, or look at the server.`,
  })
  for (const other of others) other.release()
  expect(await outcomeOf(store.settle(undefined, { work: () => [] }))).toBe('stored')
  await store.close()
  await until(() => on.pool.pool.totalCount === on.pool.pool.idleCount)
})

test('works that wait for their turn let go of the connection that is needed to find out what has become of another one', async () => {
  const on = await fixture(url, { max: 4 })
  const store = await on.open({ statementTimeoutMs: 500 })
  const [claim] = (await store.claim()) as [Claim]
  await store.append([message('m')])
  await store.read(0, 0, 1)
  const housekeepers = await on.pool.pool.connect()
  const isWaiting = Promise.withResolvers<void>()
  let work: Promise<unknown> = Promise.resolve()
  on.pool.arm(
    1,
    async ({ client, send }) => {
      // The third connection is that of a work which waits behind this very COMMIT.
      work = outcomeOf(store.settle(undefined, { work: () => (isWaiting.resolve(), []) }))
      await isWaiting.promise
      const answer = send()
      answer.catch(() => {})
      // The slot of the lost connection is somebody else's by the time that the server is to be asked.
      void letGoAfter(on.pool.pool.connect(), work)
      ;(Reflect.get(client, 'connection') as { stream: { destroy(): void } }).stream.destroy()
      return answer
    },
    (text) => text === 'COMMIT',
  )
  const exceptions = [{ position: 1, key: 'k', state: 'aside', dueAt: undefined, note: undefined } as const]
  expect(await outcomeOf(store.settle(claim, { reached: 1, exceptions }))).toBe('stored')
  expect(await work).toBe('STORE_FAILED')
  housekeepers.release()
})

async function letGoAfter(connecting: Promise<PoolClient>, event: Promise<unknown>): Promise<void> {
  const client = await connecting
  client.on('error', () => {})
  await event
  client.release()
}
