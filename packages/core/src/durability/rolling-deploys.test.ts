import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { quiet } from '../../test/quiet.ts'
import { Paid, Placed, PlacedNow } from '../../test/releases.ts'
import { silent } from '../../test/silent.ts'
import { stopWithin } from '../../test/stop-within.ts'
import { Dispatcher, type MessageType } from '../index.ts'
import { memory, type MemoryStore } from '../memory/index.ts'

const LEASE_MS = 15_000
const UNKNOWN_TYPE_MS = 60_000

interface Node {
  readonly dp: Dispatcher
  /** What it was given: `a 1`. */
  readonly seen: string[]
  readonly dead: string[]
}

let [store, clock]: [MemoryStore, ManualClock] = [memory(), new ManualClock()]
beforeEach(() => {
  store = memory({ shared: true, leaseMs: LEASE_MS, unknownTypeMs: UNKNOWN_TYPE_MS, partitions: 4 })
  clock = new ManualClock()
})

async function nodeOf(types: readonly MessageType[], more: { readonly messages?: MessageType[]; name?: string } = {}) {
  const dp = new Dispatcher({ store, clock, logger: silent, messages: more.messages ?? [] })
  const node: Node = { dp, seen: [], dead: [] }
  dp.events.bind(
    types as [typeof Placed],
    (event, { context }) => {
      const { n = 0, order = n } = event as { n?: number; order?: number }
      node.seen.push(`${context.key} ${order}`)
    },
    { name: more.name ?? 'handle' },
  )
  dp.observe('dead', ({ error }) => node.dead.push((error as { code?: string }).code ?? error.name))
  await dp.start()
  onTestFinished(() => stopWithin(clock, dp))
  await quiet()
  return node
}

/** It only publishes. */
const publishing = (type: MessageType): Promise<Node> => nodeOf(['nothing'], { messages: [type], name: 'nothing' })

const oldNode = (): Promise<Node> => nodeOf([Placed])
const newNode = (): Promise<Node> => nodeOf([PlacedNow])

async function publish({ dp }: Node, ...events: readonly (readonly [key: string, event: object])[]): Promise<void> {
  for (const [key, event] of events) await dp.publish(event, { key })
  await quiet()
}

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    clock.advance(1_000)
    await quiet()
  }
}

const letters = async ({ dp }: Node) => (await dp.deadLetters.list()).letters

test('what a new node publishes in a new version is handled by it, in the order of its key', async () => {
  const old = await oldNode()
  const keys = Array.from({ length: 20 }, (_, n) => `key ${n}`)
  for (const key of keys) await publish(old, [key, new Placed({ n: 1 })])
  const late = await newNode()
  for (const key of keys) {
    await publish(old, [key, new Placed({ n: 2 })])
    await publish(late, [key, new PlacedNow({ order: 3 })], [key, new PlacedNow({ order: 4 })])
    await publish(old, [key, new Placed({ n: 5 })])
  }
  await pass(1_000)
  for (const key of keys) {
    const of = ({ seen }: Node): string[] => seen.filter((one) => one.startsWith(`${key} `))
    expect([...of(old), ...of(late)]).toEqual([1, 2, 3, 4, 5].map((n) => `${key} ${n}`))
  }
  expect([old.dead, late.dead]).toEqual([[], []])
  // Nothing more is given to the old one as long as the new one lives.
  const before = old.seen.length
  for (const key of keys) await publish(old, [key, new Placed({ n: 6 })])
  await pass(3 * LEASE_MS)
  expect(old.seen).toHaveLength(before)
})

test('a type that the handler takes on a new node only is handled there, whoever had the partition', async () => {
  const old = await oldNode()
  const late = await nodeOf([Placed, Paid])
  for (let n = 0; n < 20; n += 1)
    await publish(late, [`key ${n}`, new Placed({ n: 1 })], [`key ${n}`, new Paid({ n: 2 })])
  await pass(1_000)
  expect(late.seen.filter((one) => one.endsWith(' 2'))).toHaveLength(20)
  expect([...old.seen, ...late.seen].filter((one) => one.endsWith(' 1'))).toHaveLength(20)
  expect([old.dead, late.dead]).toEqual([[], []])
})

test('the same where the old node knows the type, for another handler', async () => {
  const old = await nodeOf([Placed], { messages: [Paid] })
  const late = await nodeOf([Placed, Paid])
  for (let n = 0; n < 20; n += 1) await publish(late, [`key ${n}`, new Paid({ n })])
  await pass(1_000)
  expect([old.seen, late.seen.length]).toEqual([[], 20])
})

test('what no node can read waits with what is behind it, while other keys go on, and is dead as it was written', async () => {
  const old = await oldNode()
  const publisher = await publishing(PlacedNow)
  await publish(publisher, ['a', new PlacedNow({ order: 1 })], ['a', new PlacedNow({ order: 2 })])
  await publish(old, ['a', new Placed({ n: 3 })], ['b', new Placed({ n: 4 })])
  await pass(UNKNOWN_TYPE_MS - 1_000)
  expect([old.seen, old.dead]).toEqual([['b 4'], []])
  await pass(2_000)
  expect([old.seen, old.dead]).toEqual([
    ['b 4', 'a 3'],
    ['UNKNOWN_VERSION', 'UNKNOWN_VERSION'],
  ])
  const [letter] = await letters(old)
  expect(letter?.envelope.message).toMatchObject({ body: expect.stringContaining('"order":1') })
})

test('what waits is handled at once by a node that can read it, as if it had not waited', async () => {
  const attempts: number[] = []
  const old = await oldNode()
  await publish(await publishing(PlacedNow), ['a', new PlacedNow({ order: 1 })])
  await publish(old, ['a', new Placed({ n: 2 })])
  await pass(UNKNOWN_TYPE_MS / 2)
  expect(old.seen).toEqual([])
  const back = await newNode()
  back.dp.observe('failed', ({ attempt }) => attempts.push(attempt))
  await quiet()
  await pass(1_000)
  expect([old.seen, back.seen, attempts]).toEqual([[], ['a 1', 'a 2'], []])
  await pass(UNKNOWN_TYPE_MS)
  expect([old.dead, back.dead]).toEqual([[], []])
})

test('a message of a type that was taken back waits as well, and its dead letter is replayed when the type is back', async () => {
  const publisher = await publishing(Paid)
  const wide = await nodeOf([Placed, Paid])
  await wide.dp.stop()
  await publish(publisher, ['a', new Paid({ n: 1 })], ['b', new Paid({ n: 2 })])
  const old = await oldNode() // From here on, it is not taken any more.
  await pass(UNKNOWN_TYPE_MS - 1_000)
  expect(old.dead).toEqual([])
  await pass(2_000)
  expect(old.dead).toEqual(['UNKNOWN_TYPE', 'UNKNOWN_TYPE'])
  await old.dp.stop()
  const back = await nodeOf([Placed, Paid])
  await pass(1_000)
  expect(back.seen).toEqual([])
  expect(await back.dp.deadLetters.replay({})).toBe(2)
  await quiet()
  expect(back.seen.toSorted()).toEqual(['a 1', 'b 2'])
})

test('what several nodes each lack, with nobody who knows all, is shared by all of them', async () => {
  const [one, other] = [await nodeOf([Placed, Paid]), await nodeOf([PlacedNow])]
  for (let n = 0; n < 10; n += 1) {
    await publish(one, [`key ${n}`, new Paid({ n })])
    await publish(other, [`key ${n}`, new PlacedNow({ order: n })])
  }
  await pass(3 * LEASE_MS)
  const [ofOne, ofOther] = [one.seen.length, other.seen.length]
  for (let n = 0; n < 10; n += 1) await publish(one, [`more ${n}`, new Placed({ n })])
  await pass(1_000)
  expect(one.seen.length + other.seen.length).toBe(ofOne + ofOther + 10)
})

test('where the store has one node, what it cannot read is dead at once', async () => {
  store = memory()
  const late = await newNode()
  await late.dp.stop()
  await publish(await publishing(PlacedNow), ['a', new PlacedNow({ order: 1 })])
  store.crash()
  expect((await oldNode()).dead).toEqual(['UNKNOWN_VERSION'])
})
