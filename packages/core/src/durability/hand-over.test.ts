import { expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { quiet } from '../../test/quiet.ts'
import { silent } from '../../test/silent.ts'
import { stopWithin } from '../../test/stop-within.ts'
import { defineEvent, Dispatcher, fixed, retry } from '../index.ts'
import { memory, type MemoryStore } from '../memory/index.ts'
import { partitionsOf } from '../ports/share.ts'
import { partitionOf } from '../ports/stable-hash.ts'
import type { Store } from '../ports/store.ts'
import { faulty } from '../testing/faulty.ts'

class Placed extends defineEvent<{ n: number }>('shop.placed') {}

const LEASE_MS = 15_000
const PARTITIONS = 8

const sharedStore = (): MemoryStore => memory({ shared: true, leaseMs: LEASE_MS, partitions: PARTITIONS })

/** What a second node should have when it comes to the first one. */
const share = partitionsOf('node 2', ['node 1', 'node 2'], PARTITIONS)
const keys = Array.from({ length: 40 }, (_, n) => `key ${n}`)
const [moving, alsoMoving] = keys.filter((key) => share.has(partitionOf(key, PARTITIONS))) as [string, string]
const staying = keys.find((key) => !share.has(partitionOf(key, PARTITIONS))) as string

interface Node {
  readonly dp: Dispatcher
  /** What it was given: `key 1: 3`. */
  readonly seen: string[]
  readonly notices: string[]
}

const notable = ['claimLost', 'suspects', 'storeFailed', 'storeCloseFailed', 'late'] as const

async function nodeOn(
  store: Store,
  clock: ManualClock,
  handle: (n: number, key: string | undefined) => unknown = () => {},
): Promise<Node> {
  const dp = new Dispatcher({ store, clock, logger: silent, recover: retry({ attempts: 3, backoff: fixed(1_000) }) })
  const [seen, notices]: [string[], string[]] = [[], []]
  dp.events.bind(
    Placed,
    ({ n }, { context }) => {
      seen.push(`${context.key}: ${n}`)
      return handle(n, context.key)
    },
    { name: 'handle', onDead: 'park' },
  )
  for (const name of notable) dp.observe(name, () => notices.push(name))
  await dp.start()
  onTestFinished(() => stopWithin(clock, dp))
  return { dp, seen, notices }
}

const publish = async ({ dp }: Node, key: string, ...numbers: readonly number[]): Promise<void> => {
  for (const n of numbers) await dp.publish(new Placed({ n }), { key })
  await quiet()
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    clock.advance(1_000)
    await quiet()
  }
}

test('a node that comes has its share at once: no time passes, and nothing is handled twice or is suspect', async () => {
  const [store, clock] = [sharedStore(), new ManualClock()]
  const first = await nodeOn(store, clock)
  for (const key of keys) await publish(first, key, 1)
  const second = await nodeOn(store, clock)
  await quiet()
  for (const key of keys) await publish(first, key, 2)
  const ofSecond = keys.filter((key) => share.has(partitionOf(key, PARTITIONS)))
  expect(second.seen).toEqual(ofSecond.map((key) => `${key}: 2`))
  expect(first.seen).toHaveLength(2 * keys.length - ofSecond.length)
  expect([...first.notices, ...second.notices]).toEqual([])
})

test('what runs is ended where it was begun, for longer than a lease; what waits behind it is the other node’s then', async () => {
  const [store, clock] = [sharedStore(), new ManualClock()]
  const running = Promise.withResolvers<void>()
  const first = await nodeOn(store, clock, (n) => (n === 1 ? running.promise : undefined))
  await publish(first, moving, 1, 2, 3)
  const second = await nodeOn(store, clock)
  await pass(clock, 3 * LEASE_MS)
  await publish(first, moving, 4)
  await publish(first, staying, 5)
  expect([first.seen, second.seen]).toEqual([[`${moving}: 1`, `${staying}: 5`], []])
  running.resolve()
  await quiet()
  expect(second.seen).toEqual([2, 3, 4].map((n) => `${moving}: ${n}`))
  expect(first.seen).toHaveLength(2)
  expect([...first.notices, ...second.notices]).toEqual([])
})

test('what waits for its next attempt has it on the other node, when it is due, with those behind it in their order', async () => {
  const [store, clock] = [sharedStore(), new ManualClock()]
  const fail = (n: number): void => {
    if (n === 1) throw new Error('not now')
  }
  const first = await nodeOn(store, clock, fail)
  await publish(first, moving, 1, 2)
  const second = await nodeOn(store, clock)
  await quiet()
  expect([first.seen, second.seen]).toEqual([[`${moving}: 1`], []])
  await pass(clock, 1_000)
  expect(second.seen).toEqual([1, 2].map((n) => `${moving}: ${n}`))
  expect(first.seen).toHaveLength(1)
})

test('what fails while it is waited for is tried again on the other node', async () => {
  const [store, clock] = [sharedStore(), new ManualClock()]
  const running = Promise.withResolvers<void>()
  const first = await nodeOn(store, clock, () => running.promise)
  await publish(first, moving, 1, 2)
  const second = await nodeOn(store, clock)
  await quiet()
  running.reject(new Error('not now'))
  await quiet()
  expect(second.seen).toEqual([])
  await pass(clock, 1_000)
  expect([first.seen, second.seen]).toEqual([[`${moving}: 1`], [`${moving}: 1`, `${moving}: 2`]])
})

test('what is parked stays parked, and is replayed where it is then', async () => {
  const [store, clock] = [sharedStore(), new ManualClock()]
  let isBroken = true
  const fail = (n: number): void => {
    if (n === 1 && isBroken) throw new Error('for good')
  }
  const first = await nodeOn(store, clock, fail)
  await publish(first, moving, 1, 2)
  await pass(clock, 3_000)
  const second = await nodeOn(store, clock, fail)
  await publish(second, moving, 3)
  expect([first.seen.length, second.seen]).toEqual([3, []])
  isBroken = false
  const { letters } = await second.dp.deadLetters.list()
  const id = letters[0]?.id ?? ''
  expect(await first.dp.deadLetters.replay(id)).toBe(1)
  await quiet()
  expect(second.seen).toEqual([1, 2, 3].map((n) => `${moving}: ${n}`))
})

test('a dead letter of a lane that is about to be handed over is replayed when that is done', async () => {
  const [store, clock] = [sharedStore(), new ManualClock()]
  const running = Promise.withResolvers<void>()
  const first = await nodeOn(store, clock, (n) => {
    if (n === 1) throw new Error('for good')
    return running.promise
  })
  await publish(first, moving, 1)
  await pass(clock, 3_000)
  const another = keys.find((key) => key !== moving && partitionOf(key, PARTITIONS) === partitionOf(moving, PARTITIONS))
  await publish(first, another ?? '', 2)
  const second = await nodeOn(store, clock)
  await quiet()
  const { letters } = await first.dp.deadLetters.list()
  const id = letters[0]?.id ?? ''
  await first.dp.deadLetters.replay(id)
  await quiet()
  expect([first.seen.length, second.seen]).toEqual([4, []])
  running.resolve()
  await quiet()
  expect(second.seen).toEqual([`${moving}: 1`])
})

test('a replay that finds its lane handed over runs on the other node', async () => {
  const [inner, clock] = [sharedStore(), new ManualClock()]
  const store = faulty(inner)
  let isBroken = true
  const first = await nodeOn(store, clock, () => {
    if (isBroken) throw new Error('for good')
  })
  await publish(first, moving, 1)
  await pass(clock, 3_000)
  isBroken = false
  const release = store.hold('renew')
  const second = await nodeOn(inner, clock)
  await quiet()
  const { letters } = await first.dp.deadLetters.list()
  const id = letters[0]?.id ?? ''
  const replaying = first.dp.deadLetters.replay(id)
  await quiet()
  release()
  expect(await replaying).toBe(1)
  await quiet()
  expect([first.seen.length, second.seen]).toEqual([3, [`${moving}: 1`]])
})

test('a node that stops hands over all it has: no time passes', async () => {
  const [store, clock] = [sharedStore(), new ManualClock()]
  const first = await nodeOn(store, clock)
  const second = await nodeOn(store, clock)
  await quiet()
  await first.dp.stop()
  await quiet()
  for (const key of keys) await publish(second, key, 1)
  expect(second.seen).toEqual(keys.map((key) => `${key}: 1`))
  expect([...first.notices, ...second.notices]).toEqual([])
})

test('a node that stops keeps what it has until that has ended, for longer than a lease', async () => {
  const [store, clock] = [sharedStore(), new ManualClock()]
  const running = Promise.withResolvers<void>()
  const first = await nodeOn(store, clock, () => running.promise)
  await publish(first, staying, 1, 2)
  const second = await nodeOn(store, clock)
  await quiet()
  const stopped = first.dp.stop({ deadlineMs: Number.POSITIVE_INFINITY })
  await pass(clock, 3 * LEASE_MS)
  expect(second.seen).toEqual([])
  running.resolve()
  await stopped
  await quiet()
  expect([first.seen, second.seen]).toEqual([[`${staying}: 1`], [`${staying}: 2`]])
  expect([...first.notices, ...second.notices]).toEqual([])
})

test('what a node is given when it is about to stop, it gives back as it was', async () => {
  const [inner, clock] = [sharedStore(), new ManualClock()]
  const store = faulty(inner)
  const running = Promise.withResolvers<void>()
  const first = await nodeOn(inner, clock, () => running.promise)
  const second = await nodeOn(store, clock)
  await quiet()
  await publish(first, staying, 1, 2)
  const stopped = first.dp.stop({ deadlineMs: Number.POSITIVE_INFINITY })
  await quiet()
  const release = store.hold('claim')
  running.resolve()
  await stopped
  await quiet()
  const stopping = second.dp.stop({ deadlineMs: Number.POSITIVE_INFINITY })
  await quiet()
  release()
  await stopping
  const third = await nodeOn(inner, clock)
  await quiet()
  expect([first.seen, second.seen, third.seen]).toEqual([[`${staying}: 1`], [], [`${staying}: 2`]])
  expect(third.notices).toEqual([])
})

test('where it cannot be given back, that is tried again, and it is kept until then', async () => {
  const [inner, clock] = [sharedStore(), new ManualClock()]
  const store = faulty(inner, { on: 'release', nth: 1, fail: 'STORE_FAILED' })
  const first = await nodeOn(store, clock)
  const second = await nodeOn(inner, clock)
  await quiet()
  await publish(second, moving, 1)
  expect([first.seen, second.seen]).toEqual([[], []])
  await pass(clock, 2_000)
  expect([first.seen, second.seen]).toEqual([[], [`${moving}: 1`]])
  expect(first.notices).toEqual(['storeFailed'])
  expect(second.notices).toEqual([])
})

test('a claim that is lost while what runs is waited for ends as any that is lost', async () => {
  const [inner, clock, standing] = [sharedStore(), new ManualClock(), new ManualClock()]
  const running = Promise.withResolvers<void>()
  const store = faulty(inner)
  const first = await nodeOn(store, standing, () => running.promise)
  await publish(first, moving, 1, 2)
  await publish(first, alsoMoving, 3)
  const second = await nodeOn(inner, clock)
  await quiet()
  await pass(clock, LEASE_MS + LEASE_MS / 3) // It renews nothing.
  standing.advance(LEASE_MS)
  await quiet()
  expect(first.notices).toContain('claimLost')
  running.resolve()
  await quiet()
  expect(first.seen).toHaveLength(2)
  expect(second.seen.filter((one) => one.startsWith(`${moving}:`))).toEqual([1, 2].map((n) => `${moving}: ${n}`))
})
