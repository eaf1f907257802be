import { expect, onTestFinished, test } from 'vitest'
import { altered } from '../../test/altered-store.ts'
import { ManualClock } from '../../test/manual-clock.ts'
import { quiet } from '../../test/quiet.ts'
import { silent } from '../../test/silent.ts'
import { stopWithin } from '../../test/stop-within.ts'
import { defineEvent, Dispatcher } from '../index.ts'
import { memory } from '../memory/index.ts'
import type { Store } from '../ports/store.ts'

class Placed extends defineEvent<{ n: number }>('shop.placed') {}

const LEASE_MS = 15_000

interface Node {
  readonly dp: Dispatcher
  readonly seen: number[]
  readonly lost: string[]
}

/** For a node that hears of nothing, and whose time stands still: as good as dead. */
function deaf(store: Store): Store {
  return { ...store, open: (opening) => store.open({ ...opening, claimsChanged: undefined }) }
}

async function nodeOn(store: Store, clock: ManualClock, handle: (n: number) => unknown = () => {}): Promise<Node> {
  const dp = new Dispatcher({ store, clock, logger: silent })
  const [seen, lost]: [number[], string[]] = [[], []]
  dp.events.bind(
    Placed,
    ({ n }) => {
      seen.push(n)
      return handle(n)
    },
    { name: 'handle' },
  )
  dp.observe('claimLost', ({ handler }) => lost.push(handler))
  await dp.start()
  onTestFinished(() => stopWithin(clock, dp))
  return { dp, seen, lost }
}

test('what a node has, it keeps for as long as it lives', async () => {
  const [store, clock] = [memory({ shared: true, leaseMs: LEASE_MS }), new ManualClock()]
  const first = await nodeOn(store, clock)
  const second = await nodeOn(store, clock)
  await second.dp.publish(new Placed({ n: 1 }))
  await quiet()
  for (let passed = 0; passed < 4 * LEASE_MS; passed += 1_000) {
    clock.advance(1_000)
    await quiet()
  }
  await second.dp.publish(new Placed({ n: 2 }))
  await quiet()
  expect([...first.seen, ...second.seen]).toEqual([1, 2])
  expect([first.seen.length, second.seen.length]).toContain(2)
  expect([...first.lost, ...second.lost]).toEqual([])
})

test('what a dead node had is taken by another one when its lease has ended, and it begins where that was', async () => {
  const [store, clock] = [memory({ shared: true, leaseMs: LEASE_MS }), new ManualClock()]
  const dead = await nodeOn(deaf(store), new ManualClock()) // Its time stands still: so it renews nothing.
  const other = await nodeOn(store, clock)
  await dead.dp.publish(new Placed({ n: 1 }))
  await quiet()
  expect([dead.seen, other.seen]).toEqual([[1], []])
  for (let passed = 0; passed < LEASE_MS + LEASE_MS / 3; passed += 1_000) {
    clock.advance(1_000)
    await quiet()
  }
  await other.dp.publish(new Placed({ n: 2 }))
  await quiet()
  expect(other.seen).toEqual([2])
})

test('a node that has lost what it had says so, drops what waits, and tells what runs', async () => {
  const [store, clock, standing] = [memory({ shared: true, leaseMs: LEASE_MS }), new ManualClock(), new ManualClock()]
  const running = Promise.withResolvers<void>()
  const first = await nodeOn(deaf(store), standing, () => running.promise)
  const second = await nodeOn(store, clock)
  await first.dp.publish(new Placed({ n: 1 }), { key: 'a' })
  await first.dp.publish(new Placed({ n: 2 }), { key: 'a' })
  await quiet()
  for (let passed = 0; passed < LEASE_MS + LEASE_MS / 3; passed += 1_000) {
    clock.advance(1_000)
    await quiet()
  }
  expect([first.seen, second.seen]).toEqual([[1], [1, 2]])
  standing.advance(LEASE_MS)
  await quiet()
  expect(first.lost).toEqual(['events/handle'])
  running.resolve()
  await quiet()
  expect(first.seen).toEqual([1])
})

test('a store that fails is asked again', async () => {
  const [store, clock] = [memory({ shared: true, leaseMs: LEASE_MS }), new ManualClock()]
  const first = await nodeOn(store, clock)
  const second = await nodeOn(store, clock)
  store.crash() // For good: neither can do anything any more, and each says so.
  let failures = 0
  first.dp.observe('storeFailed', () => (failures += 1))
  for (let passed = 0; passed < LEASE_MS; passed += 1_000) {
    clock.advance(1_000)
    await quiet()
  }
  expect(failures).toBeGreaterThan(1)
  expect(second.seen).toEqual([])
})

/** A store that does not tell what a claim has left from before, until it is let. */
function slowToRecover(store: Store): {
  readonly store: Store
  readonly let: () => void
  readonly asked: () => number
} {
  const gate = Promise.withResolvers<void>()
  let asked = 0
  const slow = altered(store, (open) => ({
    exceptions: async (claim) => {
      asked += 1
      await gate.promise
      return open.exceptions(claim)
    },
  }))
  return { store: slow, let: gate.resolve, asked: () => asked }
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    clock.advance(1_000)
    await quiet()
  }
}

test('what a node takes over it keeps for as long as it takes to bring it back, and hands over what it should after that', async () => {
  const [store, clock] = [memory({ shared: true, leaseMs: LEASE_MS, partitions: 4 }), new ManualClock()]
  const running = Promise.withResolvers<void>()
  const dead = await nodeOn(deaf(store), new ManualClock(), () => running.promise)
  for (let n = 0; n < 20; n += 1) await dead.dp.publish(new Placed({ n }), { key: `key ${n}` })
  await quiet()
  const slow = slowToRecover(store)
  const second = await nodeOn(slow.store, clock)
  await pass(clock, LEASE_MS + LEASE_MS / 3)
  expect(slow.asked()).toBe(1)
  const third = await nodeOn(store, clock)
  await pass(clock, 3 * LEASE_MS)
  expect([second.seen, third.seen, slow.asked()]).toEqual([[], [], 1])
  slow.let()
  await pass(clock, 1_000)
  expect([second.lost, third.lost]).toEqual([[], []])
  expect([...second.seen, ...third.seen].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n))
  for (let n = 20; n < 60; n += 1) await second.dp.publish(new Placed({ n }), { key: `key ${n}` })
  await quiet()
  const later = [second, third].map(({ seen }) => seen.filter((n) => n >= 20).length)
  expect(later.map((count) => count > 0)).toEqual([true, true])
  expect(later.reduce((sum, count) => sum + count, 0)).toBe(40)
})

test('what a node has when it starts it keeps for as long as it takes to bring it back', async () => {
  const [store, clock] = [memory({ shared: true, leaseMs: LEASE_MS, partitions: 2 }), new ManualClock()]
  const before = await nodeOn(store, clock)
  await before.dp.stop()
  const slow = slowToRecover(store)
  const starting = nodeOn(slow.store, clock)
  await pass(clock, 3 * LEASE_MS)
  const other = await nodeOn(store, clock)
  await pass(clock, LEASE_MS)
  slow.let()
  const late = await starting
  await pass(clock, 1_000)
  for (let n = 0; n < 20; n += 1) await late.dp.publish(new Placed({ n }), { key: `key ${n}` })
  await quiet()
  expect([late.lost, other.lost]).toEqual([[], []])
  expect([late.seen.length > 0, other.seen.length > 0, late.seen.length + other.seen.length]).toEqual([true, true, 20])
})

test('what is lost while it waits to be brought back is not brought back', async () => {
  const [store, clock, standing] = [
    memory({ shared: true, leaseMs: LEASE_MS, partitions: 4 }),
    new ManualClock(),
    new ManualClock(),
  ]
  const dead = await nodeOn(deaf(store), new ManualClock())
  for (let n = 0; n < 20; n += 1) await dead.dp.publish(new Placed({ n }), { key: `key ${n}` })
  const slow = slowToRecover(store)
  const second = await nodeOn(slow.store, standing)
  await pass(standing, LEASE_MS + LEASE_MS / 3)
  expect(slow.asked()).toBe(1)
  await pass(clock, 10 * LEASE_MS)
  const third = await nodeOn(store, clock)
  await pass(clock, 3 * LEASE_MS)
  await pass(standing, LEASE_MS)
  slow.let()
  await quiet()
  expect(slow.asked()).toBeLessThan(4)
  await third.dp.publish(new Placed({ n: 100 }), { key: 'key 1' })
  await quiet()
  expect([...second.seen, ...third.seen].filter((n) => n === 100)).toHaveLength(1)
})
