import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { altered } from '../../test/altered-store.ts'
import { ManualClock } from '../../test/manual-clock.ts'
import { quiet } from '../../test/quiet.ts'
import { silent } from '../../test/silent.ts'
import { stopWithin } from '../../test/stop-within.ts'
import { deadLetter, defineEvent, Dispatcher } from '../index.ts'
import { memory } from '../memory/index.ts'
import { partitionsOf } from '../ports/share.ts'
import { partitionOf } from '../ports/stable-hash.ts'
import type { Store } from '../ports/store.ts'
import { faulty } from '../testing/faulty.ts'

class Placed extends defineEvent<{ n: number }>('shop.placed') {}

const PARTITIONS = 8
const share = partitionsOf('node 2', ['node 1', 'node 2'], PARTITIONS)
const keys = Array.from({ length: 40 }, (_, n) => `key ${n}`)
const ofSecond = keys.filter((key) => share.has(partitionOf(key, PARTITIONS)))
const ofFirst = keys.filter((key) => !ofSecond.includes(key))
const [here, there] = [ofFirst[0] as string, ofSecond[0] as string]

interface Node {
  readonly dp: Dispatcher
  readonly seen: string[]
  readonly replayed: string[]
}

let isBroken = true
let clock = new ManualClock()
beforeEach(() => {
  isBroken = true
  clock = new ManualClock()
})

async function nodeOn(store: Store, onDead: 'continue' | 'park', running?: Promise<void>): Promise<Node> {
  const dp = new Dispatcher({ store, clock, logger: silent, recover: deadLetter() })
  const node: Node = { dp, seen: [], replayed: [] }
  dp.events.bind(
    Placed,
    async ({ n }, { context }) => {
      if (isBroken && n === 1) throw new Error('broken')
      node.seen.push(`${context.key}: ${n}`)
      if (n === 1) await running
    },
    { name: 'handle', onDead },
  )
  dp.observe('replayed', ({ envelope }) => node.replayed.push(`${envelope.key}`))
  await dp.start()
  onTestFinished(() => stopWithin(clock, dp))
  await quiet()
  return node
}

const publish = async ({ dp }: Node, n: number, of: readonly string[] = keys): Promise<void> => {
  for (const key of of) await dp.publish(new Placed({ n }), { key })
  await quiet()
}

/** Two nodes, each with dead letters. */
async function two(onDead: 'continue' | 'park', running?: Promise<void>): Promise<readonly [Node, Node]> {
  const store = memory({ shared: true, partitions: PARTITIONS })
  const nodes = [await nodeOn(store, onDead, running), await nodeOn(store, onDead, running)] as const
  await publish(nodes[0], 1)
  await publish(nodes[0], 2)
  isBroken = false
  return nodes
}

test('what is replayed by a filter runs where its key is worked for, each once, in its place', async () => {
  const [first, second] = await two('park')
  expect([first.seen, second.seen]).toEqual([[], []])
  expect(await first.dp.deadLetters.replay({ handler: 'events/handle' })).toBe(keys.length)
  await quiet()
  for (const [node, own] of [
    [first, ofFirst],
    [second, ofSecond],
  ] as const) {
    expect(node.replayed.toSorted()).toEqual(own.toSorted())
    for (const key of own)
      expect(node.seen.filter((one) => one.startsWith(`${key}:`))).toEqual([`${key}: 1`, `${key}: 2`])
    expect(node.seen).toHaveLength(2 * own.length)
  }
  expect((await second.dp.deadLetters.list()).letters).toEqual([])
})

test('a letter is being replayed from when it was asked for, and is a dead letter again when it fails once more', async () => {
  const running = Promise.withResolvers<void>()
  const [first, second] = await two('continue', running.promise)
  const asked = { key: there }
  expect(await first.dp.deadLetters.replay(asked)).toBe(1)
  await quiet()
  expect(await first.dp.deadLetters.replay(asked)).toBe(0)
  expect(await second.dp.deadLetters.replay(asked)).toBe(0)
  running.resolve()
  await quiet()
  expect(second.seen.filter((one) => one === `${there}: 1`)).toHaveLength(1)
  isBroken = true
  await publish(second, 1, [there])
  await first.dp.deadLetters.replay(asked)
  await quiet()
  const [letter] = (await first.dp.deadLetters.list(asked)).letters
  expect([letter?.isReplaying, letter?.attempts.length]).toEqual([false, 2])
  isBroken = false
  await first.dp.deadLetters.replay(asked)
  await quiet()
  expect((await first.dp.deadLetters.list(asked)).letters).toEqual([])
})

test('whoever waits for what becomes of it has to ask the node that works for it: nothing is replayed then', async () => {
  const [first, second] = await two('park')
  const refused = { code: 'DEAD_LETTER_UNAVAILABLE' }
  await expect(first.dp.deadLetters.replay({}, { waitForResponse: true })).rejects.toMatchObject(refused)
  await quiet()
  expect([first.seen, second.seen]).toEqual([[], []])
  expect(await first.dp.deadLetters.replay({ key: here }, { waitForResponse: true })).toMatchObject([
    { status: 'done' },
  ])
})

test('what another node discards lets its lane go on; what is parked behind one is erased where its lane is', async () => {
  const [first, second] = await two('park')
  expect(await first.dp.deadLetters.discard({ key: there })).toBe(1)
  await quiet()
  expect(second.seen).toEqual([`${there}: 2`])
  const another = ofSecond[1] as string
  await expect(first.dp.deadLetters.erase({ key: another })).rejects.toMatchObject({ code: 'DEAD_LETTER_UNAVAILABLE' })
  expect(await second.dp.deadLetters.erase({ key: another })).toBe(2)
  await quiet()
  expect(second.seen).toEqual([`${there}: 2`])
})

test('a replay that was asked for when its node died runs on the one that takes over', async () => {
  const inner = memory({ shared: true, partitions: PARTITIONS })
  const [first, deaf] = [await nodeOn(inner, 'park'), faulty(inner)]
  const second = await nodeOn(deaf, 'park')
  await publish(first, 1)
  isBroken = false
  deaf.fail('STORE_FAILED')
  expect(await first.dp.deadLetters.replay({ key: there })).toBe(1)
  for (let passed = 0; passed < 40; passed += 1) {
    clock.advance(1_000)
    await quiet()
  }
  expect(second.seen).toEqual([])
  expect(first.seen).toEqual([`${there}: 1`])
})

test('where the store cannot be asked, that is tried again', async () => {
  const inner = memory({ shared: true, partitions: PARTITIONS })
  const first = await nodeOn(inner, 'park')
  const store = faulty(inner)
  const second = await nodeOn(store, 'park')
  await publish(first, 1)
  isBroken = false
  store.fail('STORE_FAILED', 'deadLetters.replaying')
  await first.dp.deadLetters.replay({ key: there })
  await quiet()
  store.heal()
  for (let passed = 0; passed < 5; passed += 1) {
    clock.advance(1_000)
    await quiet()
  }
  expect(second.seen).toEqual([`${there}: 1`])
})

test('what began and ended while the store was asked what is being replayed is not run again', async () => {
  const running = Promise.withResolvers<void>()
  const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let isSlow = false
  const inner = memory({ shared: true, partitions: PARTITIONS })
  const slow = altered(inner, ({ deadLetters }) => ({
    deadLetters: {
      ...deadLetters,
      replaying: async (subscription) => {
        if (isSlow) await asked.promise
        const found = await deadLetters.replaying(subscription)
        if (isSlow) await answered.promise
        return found
      },
    },
  }))
  const [first, second] = [await nodeOn(inner, 'continue'), await nodeOn(slow, 'continue', running.promise)]
  await publish(first, 1)
  isBroken = false
  isSlow = true
  await first.dp.deadLetters.replay({ key: there })
  const another = ofSecond[1] as string
  await second.dp.deadLetters.replay({ key: another })
  await quiet()
  asked.resolve()
  await quiet()
  running.resolve()
  await quiet()
  answered.resolve()
  await quiet()
  expect(second.seen.toSorted()).toEqual([`${there}: 1`, `${another}: 1`].toSorted())
  expect((await second.dp.deadLetters.list({ key: there })).letters).toEqual([])
})

test('however many letters hold their lanes, the store is asked once which of them are still there', async () => {
  let questions = 0
  const inner = memory({ shared: true, partitions: PARTITIONS })
  const counting = altered(inner, ({ deadLetters }) => ({
    deadLetters: {
      ...deadLetters,
      get: async (id) => {
        questions += 1
        return deadLetters.get(id)
      },
      existing: async (ids) => {
        questions += 1
        return deadLetters.existing(ids)
      },
    },
  }))
  const [first, second] = [await nodeOn(inner, 'park'), await nodeOn(counting, 'park')]
  await publish(first, 1)
  await publish(first, 2)
  await first.dp.deadLetters.discard({ key: there })
  await quiet()
  expect(second.seen).toEqual([`${there}: 2`])
  expect(questions).toBe(1)
})
