import { expect, onTestFinished, test } from 'vitest'
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
