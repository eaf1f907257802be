import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { defineEvent, Dispatcher } from '../../src/index.ts'
import { postgres, type PostgresOptions } from '../../src/postgres/index.ts'
import { quoted } from '../../src/postgres/schema.ts'
import { type StatementName, Statements } from '../../src/postgres/statements.ts'
import { ownDatabase } from '../servers/own-database.ts'
import { CountedPool } from './faults/counted-pool.ts'
import { message, opening, ownSchema } from './faults/open-store.ts'

class Placed extends defineEvent<{ n: number }>('shop.placed') {}

const connectionString = await ownDatabase()

interface Node {
  readonly dp: Dispatcher
  readonly handled: number[]
  /** Forgets what was sent so far. */
  readonly count: () => void
  /** How often each statement was sent since, by its name; what is none of the store's, by its text. */
  readonly sent: () => Partial<Record<string, number>>
}

/** It does nothing but what it is asked for. */
const unwoken = { pollMs: 600_000, leaseMs: 600_000 }

const publish = (dp: Dispatcher, size: number): Promise<unknown> =>
  Promise.all(Array.from({ length: size }, (_, n) => dp.publish(new Placed({ n }), { key: `${n % 50}` })))

/** A dispatcher with two durable handlers of all messages. */
async function node(options: PostgresOptions & { readonly schema: string }): Promise<Node> {
  const pool = new CountedPool({ connectionString })
  const dp = new Dispatcher({ service: 'shop', store: postgres({ pool, ...options }) })
  const handled: number[] = []
  for (const name of ['one', 'other']) dp.events.bind(Placed, ({ n }) => void handled.push(n), { name })
  await dp.start()
  onTestFinished(async () => {
    await dp.stop()
    await pool.pool.end()
  })
  const statements = new Statements(quoted(options.schema))
  return { dp, handled, count: () => pool.arm(-1, ({ send }) => send()), sent: () => tally(pool.sent, statements) }
}

function tally(sent: readonly string[], statements: Statements): Partial<Record<string, number>> {
  const names: readonly StatementName[] = [
    'append',
    'appendPlain',
    'read',
    'advance',
    'advanceAtOnce',
    'poll',
    'renew',
    'prune',
    'pruneCleared',
    'forgetSeen',
    'forgetMembers',
    'seeSubscriptions',
  ]
  const known = new Map(names.map((name) => [statements.text(name), name]))
  const counts: Partial<Record<string, number>> = {}
  for (const text of sent) {
    const name = known.get(text) ?? (text.startsWith('BEGIN') ? 'BEGIN' : text)
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

test('what is published in one turn is one statement', async () => {
  const { dp, count, sent } = await node({ schema: ownSchema(), ...unwoken })
  count()
  await publish(dp, 200)
  expect(sent()).toMatchObject({ appendPlain: 1 })
})

test.each([1, 200])(
  '%i messages, published in one turn, take no more statements than one, to their completion',
  async (size) => {
    const { dp, handled, count, sent } = await node({ schema: ownSchema(), ...unwoken })
    count()
    await publish(dp, size)
    await expect.poll(() => handled.length, { interval: 5 }).toBe(2 * size)
    await dp.stop()
    const { BEGIN: begins, appendPlain, advanceAtOnce, read = 0 } = sent()
    expect({ begins, appendPlain }).toEqual({ begins: undefined, appendPlain: 1 })
    // That it has been reached, and that it is finished: by both handlers together, or by each.
    expect(advanceAtOnce).toBeLessThanOrEqual(4)
    // What is new, whether there is more, and where each handler began.
    expect(read).toBeLessThanOrEqual(6)
  },
)

test.each([
  [true, { seqscan: 'off', plans: 1 }],
  [false, { seqscan: 'on', plans: 0 }],
])(
  'a node that listens (%s) keeps settings and plans in its sessions, and another one nothing',
  async (listen, kept) => {
    const schema = ownSchema()
    const pool = new CountedPool({ connectionString })
    const store = await postgres({ pool, schema, ...unwoken, listen }).open(opening())
    const session = `SELECT current_setting('enable_seqscan') AS seqscan,
    (SELECT count(*)::integer FROM pg_prepared_statements WHERE name LIKE 'iambus%') AS plans`
    let found: unknown
    pool.arm(
      1,
      async ({ client, send }) => {
        const result = await send()
        found = (await client.query(session)).rows[0]
        return result
      },
      (text) => text === new Statements(quoted(schema)).text('appendPlain'),
    )
    await store.append([message('m')])
    expect(found).toEqual(kept)
    await store.close()
    await pool.pool.end()
  },
)

test('a bus with nothing to do looks once in its time, and renews all it has by one statement at a third of the lease', async () => {
  // A minute, ten times as fast.
  const { count, sent } = await node({ schema: ownSchema(), pollMs: 100, leaseMs: 1_500 })
  await delay(1_000)
  count()
  await delay(6_000)
  const { poll = 0, renew = 0, ...housekeeping } = sent()
  expect(poll).toBeGreaterThan(20)
  expect(poll).toBeLessThanOrEqual(60)
  expect(renew).toBeGreaterThan(4)
  expect(renew).toBeLessThanOrEqual(12)
  // Each fourth lease.
  expect(Object.keys(housekeeping).toSorted()).toEqual([
    'forgetMembers',
    'forgetSeen',
    'prune',
    'pruneCleared',
    'seeSubscriptions',
  ])
  for (const times of Object.values(housekeeping)) expect(times).toBeLessThanOrEqual(2)
})
