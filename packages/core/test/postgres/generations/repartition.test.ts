import { Pool, type PoolClient } from 'pg'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { postgres, type PostgresOptions } from '../../../src/postgres/index.ts'
import { partitionOf } from '../../../src/ports/stable-hash.ts'
import type { Claim, OpenStore, StoreOpening, Subscription } from '../../../src/ports/store.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { message, opening } from '../faults/open-store.ts'
import { KillablePool } from './killable-pool.ts'

const url = await ownDatabase()
const admin = new Pool({ connectionString: url, max: 12 })
admin.on('connect', (client) => client.on('error', () => {}))
afterAll(() => admin.end())
let schemas = 0

interface Log {
  readonly open: (more?: Partial<PostgresOptions>, of?: Partial<StoreOpening>) => Promise<OpenStore>
  readonly ask: (statement: string) => Promise<Record<string, unknown>[]>
  readonly repartition: (partitions: number) => Promise<unknown>
  /** Where messages are: `id@partition:position`. */
  readonly places: () => Promise<string[]>
}

/** A log of one partition; nothing happens in it by itself. `$` is its schema, where it is asked. */
function log(): Log {
  const schema = `generations_${(schemas += 1)}`
  const still = { schema, partitions: 1, leaseMs: 600_000, pollMs: 600_000, listen: false }
  const ask: Log['ask'] = async (statement) => (await admin.query(statement.replaceAll('$.', `${schema}.`))).rows
  return {
    ask,
    open: async (more = {}, of = {}) => {
      const pool = new KillablePool(url, 'store')
      const store = await postgres({ pool, ...still, ...more }).open({ ...opening(), ...of })
      onTestFinished(async () => {
        await store.close().catch(() => {})
        await pool.end()
      })
      return store
    },
    repartition: (partitions) => ask(`SELECT $.repartition(${partitions})`),
    places: async () => {
      const rows = await ask(`SELECT id || '@' || partition || ':' || position AS place FROM $.message
        WHERE position IS NOT NULL ORDER BY partition, position`)
      return rows.map(({ place }) => place as string)
    },
  }
}

/** Partitions that a node gets, in their order. */
const claimed = (claims: readonly Claim[]): number[] =>
  claims.map(({ partition }) => partition).toSorted((a, b) => a - b)

const subscription = (more: Partial<Subscription> = {}): Subscription => {
  return { name: 'events/a', formerly: [], types: ['t'], from: 'now', ...more }
}

/** Drains what it has: all is finished but what is left. */
async function drain(store: OpenStore, claim: Claim, left: readonly number[] = []): Promise<void> {
  const messages = await store.read(claim.partition, claim.progress.cursor, 1_000)
  const positions = messages.map(({ position }) => position)
  const exceptions = left.map((position) => {
    return { position, key: 'k', state: 'aside' as const, dueAt: undefined, note: undefined }
  })
  const done = positions.filter((one) => !left.includes(one)).map((one) => [one, one] as const)
  await store.settle(claim, { reached: positions.at(-1) ?? 0, done, exceptions })
}

test('the server finds the same partition for a key as nodes do', async () => {
  const on = log()
  await on.open()
  for (const key of ['', 'a', 'Jane Austen', 'ключ', '😀 key', 'x'.repeat(300)]) {
    const [row] = (await admin.query(`SELECT generations_${schemas}.partition_of($1, 5, 7) AS found`, [key])).rows
    expect([key, row]).toEqual([key, { found: 5 + partitionOf(key, 7) }])
  }
})

test('what a node publishes that has not heard of a change is in the new generation, and once', async () => {
  const on = log()
  const store = await on.open()
  await store.append([message('1')])
  await on.repartition(2)
  await Promise.all([store.append([message('2'), message('3')]), store.append([message('4', { mayRepeat: true })])])
  await store.append([message('5')])
  const partition = 1 + partitionOf('k', 2)
  expect(await on.places()).toEqual(['1@0:1', ...[2, 3, 4, 5].map((n) => `${n}@${partition}:${n - 1}`)])
})

test('the number that there is changes nothing, and no other than a number of partitions is taken', async () => {
  const on = log()
  await on.open()
  await on.repartition(1)
  expect(await on.ask('SELECT count(*)::int AS count FROM $.generation')).toEqual([{ count: 1 }])
  await expect(on.repartition(0)).rejects.toThrow('Pass how many partitions there are to be: 1 to 4096.')
  await expect(on.ask('BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT $.repartition(2)')).rejects.toThrow('READ COMMITTED')
})

test.each(['READ COMMITTED', 'REPEATABLE READ'])(
  "a caller's transaction that is open across two changes is placed in the newest generation: %s",
  async (isolation) => {
    const on = log()
    const store = await on.open()
    const tx: PoolClient = await admin.connect()
    onTestFinished(() => tx.release(true))
    await tx.query(`BEGIN ISOLATION LEVEL ${isolation}`)
    await store.append([message('1'), message('2')], tx)
    await on.repartition(3)
    await store.append([message('3')])
    await on.repartition(2)
    await store.append([message('4')], tx)
    await tx.query('COMMIT')
    await store.append([message('5')])
    const [between, newest] = [1 + partitionOf('k', 3), 4 + partitionOf('k', 2)]
    expect(await on.places()).toEqual([
      `3@${between}:1`,
      ...['1', '2', '4', '5'].map((id, n) => `${id}@${newest}:${n + 1}`),
    ])
  },
)

test('what is delayed, and what a schedule fires, is in the newest generation when it is due', async () => {
  const on = log()
  const store = await on.open()
  const now = store.now()
  await store.append([message('1', { dueAt: now - 20 }), message('2', { dueAt: now - 10 })])
  await store.schedules.put('s', now)
  await on.repartition(2)
  await store.appendDue(10)
  await store.schedules.fire('s', { dueAt: now, next: now + 1_000, message: message('3') })
  const partition = 1 + partitionOf('k', 2)
  expect(await on.places()).toEqual([1, 2, 3].map((n) => `${n}@${partition}:${n}`))
})

test('the effects of a handler are stored once where the number changes while it writes', async () => {
  const on = log()
  const store = await on.open()
  await on.ask('CREATE TABLE $.effect (text text)')
  await store.append([message('1')])
  const [claim] = (await store.claim()) as [Claim]
  await store.settle(claim, { reached: 1 })
  await store.settle(claim, {
    done: [[1, 1]],
    work: async (tx) => {
      await (tx as PoolClient).query(`INSERT INTO generations_${schemas}.effect VALUES ('once')`)
      await on.repartition(2)
      return [message('caused')]
    },
  })
  expect(await on.ask('SELECT text FROM $.effect')).toEqual([{ text: 'once' }])
  expect(await on.places()).toContain(`caused@${1 + partitionOf('k', 2)}:1`)
})

test('a new generation is claimed when the old one is drained and given back, and what is left is in front there', async () => {
  const on = log()
  const store = await on.open()
  await store.append(['1', '2', '3'].map((id) => message(id)))
  const [old] = (await store.claim()) as [Claim]
  await on.repartition(2)
  await store.append([message('4')])
  expect(await store.claim()).toEqual([])
  expect((await store.renew?.([old]))?.handOver).toEqual([])
  await drain(store, old, [2, 3])
  expect((await store.renew?.([old]))?.handOver).toEqual([old])
  expect(await store.claim()).toEqual([])
  await store.release([old])
  const claims = await store.claim()
  expect(claimed(claims)).toEqual([1, 2])
  const claim = claims.find(({ partition }) => partition === 1 + partitionOf('k', 2)) as Claim
  const left = await store.exceptions(claim)
  expect(left.map(({ state, key }) => [state, key])).toEqual([
    ['aside', 'k'],
    ['aside', 'k'],
  ])
  const positions = left.map(({ position }) => position)
  expect(Math.max(...positions)).toBeLessThan(0)
  expect((await store.readAt(claim.partition, positions)).map(({ id }) => id)).toEqual(['2', '3'])
  expect(claim.isClean).toBe(true)
  await store.settle(claim, { cleared: positions })
  expect(await on.ask('SELECT * FROM $.draining')).toEqual([])
})

test('a node that dies while it drains has another one drain on; what it had started is suspect in the new generation', async () => {
  const on = log()
  const dying = await on.open()
  await dying.append(['1', '2'].map((id) => message(id)))
  const [claim] = (await dying.claim()) as [Claim]
  const heir = await on.open()
  await on.repartition(2)
  await dying.settle(claim, { reached: 2, done: [[1, 1]], exceptions: [{ ...started, position: 2 }] })
  expect(await heir.claim()).toEqual([])
  await on.ask('UPDATE $.claim SET held_until = 0 WHERE node IS NOT NULL')
  await on.ask(`UPDATE $.member SET alive_until = 0`)
  const claims = await heir.claim()
  expect(claimed(claims)).toEqual([1, 2])
  expect(claims.map(({ isClean }) => isClean)).toEqual([false, false])
  await expect(dying.settle(claim, { done: [[2, 2]] })).rejects.toMatchObject({ code: 'CLAIM_LOST' })
})

const started = { key: 'k', state: 'started', dueAt: undefined, note: undefined } as const

test('a change, and moving on, are undone as a whole where they do not come to their end', async () => {
  const on = log()
  const store = await on.open()
  await store.append([message('1'), message('2')])
  const [old] = (await store.claim()) as [Claim]
  await on.ask('BEGIN; SELECT $.repartition(2); ROLLBACK')
  await store.append([message('3')])
  expect(await on.places()).toEqual(['1@0:1', '2@0:2', '3@0:3'])
  await on.repartition(2)
  await drain(store, old, [3])
  await store.release([old])
  await on.ask('BEGIN; SELECT $.move_on(ARRAY[1]); ROLLBACK')
  expect(await on.ask('SELECT partition, position::int FROM $.exception')).toEqual([{ partition: 0, position: 3 }])
  expect(claimed(await store.claim())).toEqual([1, 2])
  expect(await on.ask('SELECT count(*)::int AS count FROM $.exception')).toEqual([{ count: 1 }])
})

test('a change waits for whoever gives positions, and no longer', async () => {
  const on = log()
  const store = await on.open()
  const [tx, idle]: PoolClient[] = await Promise.all([admin.connect(), admin.connect()])
  onTestFinished(() => [tx, idle].forEach((client) => client?.release(true)))
  await idle?.query('BEGIN')
  await store.append([message('idle')], idle)
  await tx?.query('BEGIN')
  await store.append([message('1')], tx)
  await tx?.query('SET CONSTRAINTS ALL IMMEDIATE')
  let isChanged = false
  const changing = on.repartition(2).then(() => (isChanged = true))
  await store.stats()
  expect(isChanged).toBe(false)
  await tx?.query('COMMIT')
  await changing
  expect(await on.places()).toEqual(['1@0:1'])
})

test('who begins at the beginning begins in the oldest generation that is kept, and who begins now in the newest', async () => {
  const on = log()
  const keeping = { completion: { keepMs: 1e12 } }
  const store = await on.open(keeping)
  await store.append([message('1')])
  const [first] = (await store.claim()) as [Claim]
  await drain(store, first)
  await on.repartition(2)
  await store.append([message('2')])
  await store.release([first])
  await store.claim()
  const subscriptions = [
    subscription({ name: 'events/all', from: 'beginning' }),
    subscription({ name: 'events/new', types: ['t', 'u'] }),
  ]
  const later = await on.open(keeping, { subscriptions })
  const claims = await later.claim()
  const of = (name: string): number[] => claimed(claims.filter((claim) => claim.subscription === name))
  expect([of('events/all'), of('events/new')]).toEqual([[0], [1, 2]])
  const [old] = claims.filter((claim) => claim.subscription === 'events/all') as [Claim]
  expect((await later.read(0, old.progress.cursor, 10)).map(({ id }) => id)).toEqual(['1'])
  await drain(later, old)
  await later.release([old])
  expect(claimed(await later.claim())).toEqual([1, 2])
})

test('what all have finished is removed, also of a generation that nobody works on any more', async () => {
  const on = log()
  const store = await on.open()
  await store.append(['1', '2', '3'].map((id) => message(id)))
  const [old] = (await store.claim()) as [Claim]
  await on.repartition(2)
  await drain(store, old, [2])
  await store.release([old])
  const claim = (await store.claim()).find(({ partition }) => partition === 1 + partitionOf('k', 2)) as Claim
  const [left] = await store.exceptions(claim)
  await store.settle(claim, { cleared: [left?.position as number] })
  await expect.poll(on.places, { timeout: 5_000 }).toEqual([])
})
