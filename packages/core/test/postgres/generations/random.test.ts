import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'pg'
import { afterAll, expect, test } from 'vitest'
import { ownDatabase } from '../../servers/own-database.ts'
import { chanceOf } from '../../torture/chance.ts'
import { Node, Other, type Kind, Work, type World } from './program.ts'

/** How many random programs there are of each kind: more where somebody asks for them. */
const PROGRAMS = Number(process.env['IAMBUS_PROGRAMS'] ?? 3)
const FIRST = Number(process.env['IAMBUS_SEED'] ?? 1)
const url = await ownDatabase()
const admin = new Pool({ connectionString: url, max: 12 })
admin.on('connect', (client) => client.on('error', () => {}))
afterAll(() => admin.end())
const kinds: readonly Kind[] = ['plain', 'plain', 'flaky', 'slow', 'dead']

interface Program {
  readonly seed: number
  /** Whether nodes die in it: then what had run may run again, but for its effects. */
  readonly hasCrashes: boolean
}

/** What was published, in the order of each key; what has no order has none. */
interface Published {
  readonly n: number
  readonly key: string | undefined
}

/** Gives what is broken in the end. */
async function run({ seed, hasCrashes }: Program): Promise<readonly string[]> {
  const random = chanceOf(seed)
  const below = (count: number): number => Math.floor(random() * count)
  const world: World = {
    url,
    schema: `p${seed}${hasCrashes ? 'c' : ''}`,
    partitions: 1 + below(6),
    runs: [],
    broken: [],
    isHealed: false,
  }
  const { schema } = world
  await admin.query(`CREATE TABLE ${schema}_effect (place serial, handler text, key text, what text)`)
  const nodes: Node[] = []
  const all: Node[] = []
  const begin = async (): Promise<void> => {
    const node = new Node(world, `node${all.length + 1}`)
    all.push(node)
    await node.dp.start()
    nodes.push(node)
  }
  const any = (): Node => nodes[below(nodes.length)] as Node
  const published: Published[] = []
  let n = 0

  /** One of a key after the other: so their order is known. */
  const publishAll = async (key: string | undefined, count: number): Promise<void> => {
    for (let left = count; left > 0; left -= 1) {
      await delay(below(60))
      n += 1
      const work = new Work({ n, kind: kinds[below(kinds.length)] as Kind })
      const [node, chance, id] = [any(), random(), `${work.n}`]
      const options = { id, key: key ?? null }
      for (;;) {
        try {
          if (chance < 0.25) await inTransaction(node, work, options)
          else if (chance < 0.4 && key === undefined) await node.dp.publish(work, { ...options, delayMs: below(800) })
          else await node.dp.publish(work, options)
          break
        } catch (error) {
          if (!node.isDead) throw error
          await any().dp.publish(work, options)
          break
        }
      }
      published.push({ n: work.n, key })
      if (random() < 0.3)
        await any()
          .dp.publish(new Other({ n: work.n }), { key: key ?? null })
          .catch(() => {})
    }
  }

  /** It may be open for longer than a change of the number takes. */
  const inTransaction = async (node: Node, work: Work, options: { id: string; key: string | null }): Promise<void> => {
    const client = await admin.connect()
    try {
      await client.query(random() < 0.3 ? 'BEGIN ISOLATION LEVEL REPEATABLE READ' : 'BEGIN')
      await node.dp.publish(work, { ...options, tx: client })
      await delay(below(400))
      await client.query('COMMIT')
    } finally {
      client.release()
    }
  }

  const repartition = async (): Promise<void> => {
    for (let left = random() < 0.3 ? 2 : 1; left > 0; left -= 1) {
      await admin.query(`SELECT ${schema}.repartition($1)`, [1 + below(9)])
    }
  }

  try {
    for (let count = 2 + below(2); count > 0; count -= 1) await begin()
    const keys = Array.from({ length: 8 }, (_, key) => `k${key}`)
    const publishing = Promise.all([...keys, undefined, undefined].map((key) => publishAll(key, 14)))
    for (let changes = 2 + below(3); changes > 0; changes -= 1) {
      await delay(below(350))
      await repartition()
      if (hasCrashes) {
        await delay(below(250))
        const [dying] = nodes.splice(below(nodes.length), 1)
        await begin()
        await dying?.kill()
      } else if (random() < 0.4) {
        await begin()
        const [leaving] = nodes.splice(0, 1)
        void leaving?.stop()
      }
    }
    await publishing
    world.isHealed = true
    await expect.poll(() => leftOf(schema, nodes), { timeout: 30_000, interval: 200 }).toEqual(nothing)
    const disorder = await disorderOf(schema, published)
    return hasCrashes ? disorder : [...disorder, ...world.broken, ...neverDone(world, published)]
  } finally {
    await Promise.all(all.map((node) => node.stop()))
  }
}

const nothing = { exceptions: 0, letters: 0, delayed: 0, unplaced: 0, draining: 0, behind: 0 }

/** Whatever the nodes have not done yet; they replay what is dead. */
async function leftOf(schema: string, nodes: readonly Node[]): Promise<unknown> {
  for (const { dp } of nodes) {
    const { letters } = await dp.deadLetters.list({})
    for (const letter of letters) if (!letter.isReplaying) await dp.deadLetters.replay(letter.id).catch(() => {})
  }
  const { rows } = await admin.query(`SELECT (SELECT count(*) FROM ${schema}.exception)::integer AS exceptions,
    (SELECT count(*) FROM ${schema}.dead_letter)::integer AS letters,
    (SELECT count(*) FROM ${schema}.delayed)::integer AS delayed,
    (SELECT count(*) FROM ${schema}.unplaced)::integer AS unplaced,
    (SELECT count(*) FROM ${schema}.draining)::integer AS draining,
    (SELECT sum(tail - cursor) FROM ${schema}.claim JOIN ${schema}.tail USING (partition))::integer AS behind`)
  return rows[0]
}

/** Effects come once, and those of a key in the order of its messages. */
async function disorderOf(schema: string, published: readonly Published[]): Promise<string[]> {
  const { rows } = await admin.query(`SELECT handler, key, what FROM ${schema}_effect ORDER BY place`)
  const effects = rows as { readonly handler: string; readonly key: string | null; readonly what: string }[]
  return ['events/parks', 'events/causes', 'events/caused'].flatMap((handler) => {
    const own = effects.filter((effect) => effect.handler === handler)
    return [...Map.groupBy(published, ({ key }) => key)].flatMap(([key, messages]) => {
      const type = handler === 'events/caused' ? 'generations.caused' : 'generations.work'
      const expected = messages.map(({ n }) => `${type} ${n}`)
      const found = own.filter((effect) => (effect.key ?? undefined) === key).map(({ what }) => what)
      const same = key === undefined ? [expected.toSorted(), found.toSorted()] : [expected, found]
      return JSON.stringify(same[0]) === JSON.stringify(same[1])
        ? []
        : [`${handler} ${key}: ${found.join(', ')} instead of ${expected.join(', ')}`]
    })
  })
}

/** Without a crash, each handler has succeeded once with each message, in the order of the key. */
function neverDone({ runs }: World, published: readonly Published[]): string[] {
  const done = runs.filter(({ handler, hasEnded }) => handler === 'events/plain' && hasEnded === 'ok')
  return [...Map.groupBy(published, ({ key }) => key)].flatMap(([key, messages]) => {
    const found = done.filter((one) => one.key === key).map(({ what }) => what)
    const expected = messages.map(({ n }) => `generations.work ${n}`)
    const same = key === undefined ? [expected.toSorted(), found.toSorted()] : [expected, found]
    return JSON.stringify(same[0]) === JSON.stringify(same[1])
      ? []
      : [`plain ${key}: ${found.join(', ')} instead of ${expected.join(', ')}`]
  })
}

const seeds = Array.from({ length: PROGRAMS }, (_, seed) => FIRST + seed)

test.each(seeds)(
  'a key keeps its order, and nothing is lost or runs twice, however partitions change: seed %i',
  async (seed) => {
    expect(await run({ seed, hasCrashes: false })).toEqual([])
  },
  60_000,
)

test.each(seeds)(
  'effects come once, and in order, where nodes die meanwhile: seed %i',
  async (seed) => {
    expect(await run({ seed, hasCrashes: true })).toEqual([])
  },
  60_000,
)
