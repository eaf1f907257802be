import { expect, test } from 'vitest'
import { partitionOf } from '../../src/ports/stable-hash.ts'
import type { Claim } from '../../src/ports/store.ts'
import { ownDatabase } from '../servers/own-database.ts'
import { fixture, message } from './faults/open-store.ts'

const url = await ownDatabase()

test('ids whose time is over are all forgotten at the next heartbeat, however many they are', async () => {
  const on = await fixture(url)
  const store = await on.open()
  await on.ask(`INSERT INTO ${on.schema}.seen SELECT n::text, n FROM generate_series(1, 5000) AS n`)
  await store.renew?.([])
  await expect.poll(() => on.ask(`SELECT FROM ${on.schema}.seen`), { timeout: 10_000 }).toEqual([])
})

test('what had an exception is removed when all have passed it, however much it is', async () => {
  const on = await fixture(url)
  const store = await on.open()
  const [claim] = (await store.claim()) as [Claim]
  await store.append([message('m')])
  await on.ask(`INSERT INTO ${on.schema}.message SELECT 0, n, NULL, NULL, n::text, 't', 'k', 0, '', '{}', 0
    FROM generate_series(2, 5000) AS n`)
  await on.ask(
    `INSERT INTO ${on.schema}.exception SELECT 1, 0, n, 'k', 'retrying', 0, '' FROM generate_series(1, 5000) AS n`,
  )
  await on.ask(`UPDATE ${on.schema}.tail SET tail = 5000`)
  for (let reached = 1_000; reached <= 5_000; reached += 1_000)
    await store.settle(claim, { reached, done: [[reached - 999, reached]] })
  await store.stats()
  expect(await on.ask(`SELECT FROM ${on.schema}.message`)).toHaveLength(5_000)
  await store.settle(claim, { reached: 5_000, cleared: Array.from({ length: 5_000 }, (_, n) => n + 1) })
  await store.stats()
  expect(await on.ask(`SELECT FROM ${on.schema}.message`)).toEqual([])
  expect(await on.ask(`SELECT FROM ${on.schema}.cleared`)).toEqual([])
})

test('what another node has finished is removed by the one that keeps house, when it looks', async () => {
  const on = await fixture(url)
  await on.open({ pollMs: 50, partitions: 2 })
  const other = await on.open({ partitions: 2 })
  const [claim] = (await other.claim()) as [Claim]
  const key = ['a', 'b', 'c', 'd', 'e'].find((one) => partitionOf(one, 2) === claim.partition)
  await other.append([message('m', { key })])
  await other.settle(claim, { reached: 1, done: [[1, 1]] })
  await expect.poll(() => on.ask(`SELECT FROM ${on.schema}.message`), { timeout: 10_000 }).toEqual([])
})

test('positions are given by indexes at a commit, whatever release has made the function last', async () => {
  const on = await fixture(url)
  await on.open()
  const found = `SELECT proconfig FROM pg_proc WHERE proname = 'place' AND pronamespace = '${on.schema}'::regnamespace`
  expect(await on.ask(found)).toEqual([{ proconfig: ['enable_seqscan=off', 'jit=off'] }])
})
