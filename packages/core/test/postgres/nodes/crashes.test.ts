import { Pool } from 'pg'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { defineCommand, defineEvent, Dispatcher, fixed, retry } from '../../../src/index.ts'
import { postgres, type PostgresPool } from '../../../src/postgres/index.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { silent } from '../../silent.ts'
import { until } from '../faults/connection-faults.ts'
import { type Failpoint, MortalPool } from './mortal-pool.ts'

class Placed extends defineEvent<{ n: number }>('shop.placed') {}
class Ship extends defineCommand<{ n: number }>('shop.ship') {}
class Told extends defineEvent<{ n: number }>('shop.told') {}

const connectionString = await ownDatabase()
const pool = new Pool({ connectionString, max: 12 })
afterAll(() => pool.end())

const numbers = Array.from({ length: 12 }, (_, n) => n)
let schemas = 0

/** What all nodes together have done. */
class Shop {
  readonly schema = `shop_${(schemas += 1)}`
  /** The ids of what was sent and published, by what it is: `ship 1`. */
  readonly ids = new Map<string, Set<string>>()
  readonly #failed = new Set<number>()

  async node(of: PostgresPool): Promise<Dispatcher> {
    const store = postgres({ pool: of, schema: this.schema, partitions: 4, leaseMs: 600, pollMs: 100 })
    const dp = new Dispatcher({
      service: 'shop',
      store,
      logger: silent,
      recover: retry({ attempts: 50, backoff: fixed(10) }),
    })
    dp.events.bind(
      Placed,
      async ({ n }, { context }) => {
        if (n % 3 === 0 && this.#failed.size < this.#failed.add(n).size) throw new Error('not yet')
        await context.commit(async (tx) => {
          await tx.query(`INSERT INTO ${this.schema}_effects VALUES ($1)`, [n])
          context.send(new Ship({ n }), { key: `${n % 4}` })
        })
      },
      { name: 'place' },
    )
    dp.events.bind(Placed, ({ n }, { context }) => context.publish(new Told({ n })), { name: 'tell' })
    dp.commands.bind(Ship, ({ n }, { context }) => this.#got(`ship ${n}`, context.id), { name: 'ship' })
    dp.events.bind(Told, ({ n }, { context }) => this.#got(`told ${n}`, context.id), { name: 'hear' })
    onTestFinished(() => dp.stop({ deadlineMs: 100 }).catch(() => {}))
    await dp.start()
    return dp
  }

  #got(what: string, id: string): void {
    this.ids.set(what, (this.ids.get(what) ?? new Set()).add(id))
  }

  async effects(): Promise<number[]> {
    const { rows } = await pool.query(`SELECT n FROM ${this.schema}_effects ORDER BY n`)
    return rows.map(({ n }) => n as number)
  }
}

/** Where the life of a node may end: at whatever it asks of the server. */
const starting = ['members', 'claim', 'ranges', 'exceptions']
const working = [
  'append',
  'COMMIT',
  'appendPlain',
  'settleAtOnce',
  'advanceAtOnce',
  'advance',
  'except',
  'clear',
  'read',
  'renew',
  'effect',
  'COMMIT of effects',
]
const failpoints = [...starting, ...working].flatMap((at): Failpoint[] => [
  { at, when: 'before' },
  { at, when: 'after' },
])

test.each(failpoints)(
  'a node that dies $when $at leaves nothing undone, and nothing done twice (O1)',
  { timeout: 30_000 },
  async ({ at, when }) => {
    const shop = new Shop()
    await pool.query(`CREATE TABLE ${shop.schema}_effects (n integer)`)
    if (starting.includes(at)) await (await shop.node(pool)).stop()
    const mortal = new MortalPool(connectionString)
    if (starting.includes(at)) mortal.arm({ at, when })
    const starts = shop.node(mortal)
    starts.catch(() => {})
    const victim = await Promise.race([starts, mortal.died])
    if (!starting.includes(at)) mortal.arm({ at, when })
    const publish = (dp: Dispatcher, n: number): Promise<void> =>
      dp.publish(new Placed({ n }), { key: `${n % 4}`, id: `${n}` })
    const accepted = new Set<number>()
    const tryToPublish = (dp: Dispatcher, n: number): Promise<unknown> =>
      publish(dp, n).then(
        () => accepted.add(n),
        () => {},
      )
    const isDone = (): boolean => [...accepted].every((n) => shop.ids.has(`ship ${n}`) && shop.ids.has(`told ${n}`))
    if (victim !== undefined) {
      for (const n of numbers) void tryToPublish(victim, n)
      void victim.publish(new Told({ n: -1 })).catch(() => {}) // One whose id nobody repeats.
      await until(() => mortal.isDead || (accepted.size === numbers.length && isDone()))
      // Alone, it is written by other statements.
      void tryToPublish(victim, 50)
    }
    await until(() => mortal.isDead)
    const survivor = await shop.node(pool)
    // Whoever has heard of nothing says it again.
    const all = [...numbers, 50]
    for (const n of all) if (!accepted.has(n)) await publish(survivor, n).then(() => accepted.add(n))
    await until(isDone)
    await expect.poll(() => shop.effects(), { timeout: 5_000 }).toEqual(all)
    expect([...shop.ids].filter(([, ids]) => ids.size !== 1)).toEqual([])
  },
)
