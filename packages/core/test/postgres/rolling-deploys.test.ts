import { Pool } from 'pg'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { Dispatcher, type MessageType } from '../../src/index.ts'
import { postgres } from '../../src/postgres/index.ts'
import { ownDatabase } from '../servers/own-database.ts'
import { Paid, Placed, PlacedNow } from '../releases.ts'
import { silent } from '../silent.ts'

const connectionString = await ownDatabase()
const pool = new Pool({ connectionString, max: 30 })
afterAll(() => pool.end())
let schemas = 0

/** What the nodes of all tests were given, in its order: `handle a 1`. */
const given: string[] = []

interface Node {
  readonly dp: Dispatcher
  /** What it was given: `a 1`. */
  readonly seen: string[]
  /** What it said of what it was given. */
  readonly said: string[]
}

/** Nodes of one service, each of the release that has these types. */
function cluster(
  unknownTypeMs = 60_000,
): (types: readonly MessageType[], name?: string, more?: readonly MessageType[]) => Promise<Node> {
  const store = { schema: `shop_${(schemas += 1)}`, leaseMs: 1_500, pollMs: 100, partitions: 4, unknownTypeMs }
  given.length = 0
  return async (types, name = 'handle', more = []) => {
    const dp = new Dispatcher({
      service: 'shop',
      store: postgres({ pool, ...store }),
      logger: silent,
      messages: [...types, ...more],
    })
    const node: Node = { dp, seen: [], said: [] }
    const handled = name === 'nothing' ? ['nothing'] : types
    dp.events.bind(
      handled as [typeof Placed],
      (event, { context }) => {
        const { n = 0, order = n } = event as { n?: number; order?: number }
        node.seen.push(`${context.key} ${order}`)
        given.push(`${name} ${context.key} ${order}`)
      },
      { name },
    )
    for (const notice of ['claimLost', 'suspects', 'storeFailed'] as const)
      dp.observe(notice, () => node.said.push(notice))
    dp.observe('dead', ({ error }) => node.said.push((error as { code?: string }).code ?? error.name))
    await dp.start()
    onTestFinished(() => dp.stop())
    return node
  }
}

const keys = Array.from({ length: 12 }, (_, n) => `key ${n}`)

/** What a handler was given of each key, on whatever node, has this order. */
function inOrder(numbers: readonly number[], handler = 'handle'): void {
  for (const key of keys) {
    const own = given.filter((one) => one.startsWith(`${handler} ${key} `))
    expect(own).toEqual(numbers.map((n) => `${handler} ${key} ${n}`))
  }
}

const count = (...nodes: readonly Node[]): number => nodes.reduce((sum, { seen }) => sum + seen.length, 0)

test('old and new nodes side by side: what is in a new version is handled by the new ones, in the order of its key', async () => {
  const node = cluster()
  const [old, another] = [await node([Placed]), await node([Placed])]
  const publish = async (by: Node, event: object): Promise<void> => {
    await Promise.all(keys.map((key) => by.dp.publish(event, { key })))
  }
  await publish(old, new Placed({ n: 1 }))
  await expect.poll(() => count(old, another)).toBe(12)
  const late = await node([PlacedNow])
  await publish(another, new Placed({ n: 2 }))
  await publish(late, new PlacedNow({ order: 3 }))
  await publish(late, new PlacedNow({ order: 4 }))
  await publish(old, new Placed({ n: 5 }))
  await expect.poll(() => count(old, another, late), { timeout: 8_000 }).toBe(60)
  inOrder([1, 2, 3, 4, 5])
  expect([old, another, late].flatMap(({ said }) => said)).toEqual([])
  expect(late.seen.filter((one) => /[34]$/.test(one))).toHaveLength(24)
})

test('a type, and a handler, that only new nodes have are handled by those; what only old ones have, by old ones', async () => {
  const node = cluster()
  const [old, former] = [await node([Placed]), await node([Paid], 'former')]
  const [late, more] = [await node([Placed, Paid]), await node([Paid], 'more')]
  await Promise.all(keys.map((key) => late.dp.publish(new Paid({ n: 1 }), { key })))
  await Promise.all(keys.map((key) => old.dp.publish(new Placed({ n: 2 }), { key })))
  await expect.poll(() => count(old, late), { timeout: 8_000 }).toBe(24)
  await expect.poll(() => count(former, more)).toBe(24)
  inOrder([1], 'former')
  inOrder([1], 'more')
  expect(late.seen.filter((one) => one.endsWith(' 1'))).toHaveLength(12)
  await old.dp.stop()
  await former.dp.stop()
  await Promise.all(keys.map((key) => late.dp.publish(new Paid({ n: 3 }), { key })))
  await expect.poll(() => late.seen.filter((one) => one.endsWith(' 3')).length, { timeout: 8_000 }).toBe(12)
  // For the handler that nobody has any more, it is kept.
  const again = await node([Paid], 'former')
  await expect.poll(() => count(again), { timeout: 8_000 }).toBe(12)
})

test('what an old node publishes itself, for a handler that takes it on new nodes only, is handled there', async () => {
  const node = cluster()
  const [old, other] = [await node([Placed], 'handle', [Paid]), await node([Paid], 'other')]
  await Promise.all(keys.map((key) => old.dp.publish(new Placed({ n: 1 }), { key })))
  await expect
    .poll(async () => {
      await old.dp.publish(new Paid({ n: 0 }), { key: 'before' }) // Nobody takes it, as far as it knows, for a while.
      return other.seen.length
    })
    .toBeGreaterThan(0)
  const late = await node([Placed, Paid])
  await Promise.all(keys.map((key) => old.dp.publish(new Paid({ n: 2 }), { key })))
  await expect.poll(() => count(old, late), { timeout: 8_000 }).toBe(24)
  inOrder([1, 2])
})

test('when the new release is taken back, what it has published waits for it; other keys go on', async () => {
  const node = cluster()
  const [old, late] = [await node([Placed]), await node([PlacedNow])]
  const publisher = await node([PlacedNow], 'nothing')
  await late.dp.stop()
  await publisher.dp.publish(new PlacedNow({ order: 1 }), { key: 'a' })
  await old.dp.publish(new Placed({ n: 2 }), { key: 'a' })
  for (const key of keys) await old.dp.publish(new Placed({ n: 3 }), { key })
  await expect.poll(() => count(old)).toBe(12)
  const back = await node([PlacedNow])
  await expect.poll(() => back.seen, { timeout: 8_000 }).toEqual(['a 1', 'a 2'])
  expect([...old.said, ...back.said]).toEqual([])
})

test('where it does not come back, it is dead in the end, as it was written, and is replayed when it has come', async () => {
  const node = cluster(500)
  const old = await node([Placed])
  const publisher = await node([PlacedNow], 'nothing')
  await publisher.dp.publish(new PlacedNow({ order: 1 }), { key: 'a' })
  await publisher.dp.publish(new PlacedNow({ order: 2 }), { key: 'a' })
  await old.dp.publish(new Placed({ n: 3 }), { key: 'a' })
  await expect.poll(() => old.seen, { timeout: 8_000 }).toEqual(['a 3'])
  await expect.poll(() => old.said).toEqual(['UNKNOWN_VERSION', 'UNKNOWN_VERSION'])
  const { letters } = await old.dp.deadLetters.list()
  expect(letters.map(({ envelope }) => (envelope.message as { body: string }).body)).toEqual(
    [1, 2].map((order) => expect.stringContaining(`"order":${order}`)),
  )
  await old.dp.stop()
  const back = await node([PlacedNow])
  expect(await back.dp.deadLetters.replay({})).toBe(2)
  await expect.poll(() => back.seen).toEqual(['a 1', 'a 2'])
})
