import { expect, test } from 'vitest'
import type { Claim, OpenStore, Settlement } from '../../../src/ports/store.ts'
import type { PostgresTransaction } from '../../../src/postgres/index.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { cutAfter, cutBefore, strandAfter, until } from './connection-faults.ts'
import { atEachStatement, type Fault } from './counted-pool.ts'
import { type Fixture, fixture, message, outcomeOf } from './open-store.ts'

const url = await ownDatabase()

const cuts = [
  ['before it arrives', cutBefore],
  ['after it was done, before its answer', cutAfter],
] as const

/** Which statements there are, by what they begin with. */
const kinds = (hit: readonly string[]): string[] =>
  hit.map(
    (text) =>
      /^(BEGIN|COMMIT|ROLLBACK|LISTEN|SET|[A-Z]+[\s\S]*?\.(\w+))/.exec(text)?.slice(1).reverse().find(Boolean) ?? text,
  )

const letter = (n: number): NonNullable<Settlement['dead']>[number] => ({
  id: `letter ${n}`,
  subscription: 'events/a',
  partition: 0,
  message: message(`dead ${n}`),
  correlationId: 'c',
  error: 'Error',
  attempts: '[]',
  diedAt: n,
  isReplaying: false,
})

/** All that a settlement can have. */
const settlement = (n: number): Settlement => ({
  reached: 3 * n + 3,
  done: [[3 * n + 1, 3 * n + 1]],
  exceptions: [{ position: 3 * n + 2, key: 'k', state: 'retrying', dueAt: 1, note: `${n}` }],
  cleared: n === 0 ? [3] : [3 * n - 1],
  dead: [letter(n)],
  revived: n === 0 ? ['none'] : [`letter ${n - 1}`],
  caused: [message(`caused ${n}`)],
})

/** What is stored of all that. */
async function storedIn({ ask, schema }: Fixture): Promise<unknown> {
  const [row] = await ask(`SELECT (SELECT cursor FROM ${schema}.claim)::int AS cursor,
    (SELECT array_agg(note ORDER BY position) FROM ${schema}.exception) AS notes,
    (SELECT array_agg(letter_id ORDER BY seq) FROM ${schema}.dead_letter) AS letters,
    (SELECT array_agg(id ORDER BY position) FROM ${schema}.message WHERE id LIKE 'caused%') AS caused,
    (SELECT array_agg(effect) FROM effects_${schema}) AS effects`)
  return row
}

/** Settles, and once more where it fails: then nothing must have been stored. Gives what came of the first time. */
async function settledAtLast(on: Fixture, settle: () => Promise<unknown>): Promise<unknown> {
  const before = await storedIn(on)
  const outcome = await settle()
  if (outcome === 'stored') return outcome
  expect(await storedIn(on)).toEqual(before)
  expect(await settle()).toBe('stored')
  return outcome
}

async function opened(on: Fixture): Promise<{ readonly store: OpenStore; readonly claim: Claim }> {
  const store = await on.open()
  const [claim] = await store.claim()
  await store.append(Array.from({ length: 200 }, (_, n) => message(`m${n}`)))
  return { store, claim: claim as Claim }
}

test.each(cuts)(
  'a settlement whose connection is cut at any statement, %s, is stored once: as a whole',
  async (_, cut) => {
    const on = await fixture(url)
    const { store, claim } = await opened(on)
    let n = 0
    const outcomes: unknown[] = []
    const hit = await atEachStatement(on.pool, cut(on.proxy), async () => {
      outcomes.push(await settledAtLast(on, () => outcomeOf(store.settle(claim, settlement(n)))))
      expect(await storedIn(on)).toMatchObject({ notes: [`${n}`], letters: [`letter ${n}`] })
      n += 1
      expect(await storedIn(on)).toMatchObject({ caused: Array.from({ length: n }, (__, of) => `caused ${of}`) })
    })
    expect(kinds(hit)).toEqual([
      'BEGIN',
      'claim',
      'exception',
      'exception',
      'dead_letter',
      'dead_letter',
      'tail',
      'COMMIT',
    ])
    // Only of the one whose COMMIT was done is it found out that it is stored.
    expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(cut === cutAfter ? 2 : 1)
  },
)

test.each([...cuts, ['after it was done, and left half-open', strandAfter] as const])(
  'what is settled by one statement, whose connection is cut %s, is stored once, with the messages that it causes',
  async (_, cut: (proxy: Fixture['proxy']) => Fault) => {
    const on = await fixture(url)
    const store = await on.open({ partitions: 2, ...(cut === strandAfter ? { statementTimeoutMs: 400 } : {}) })
    const claims = (await store.claim()) as [Claim, Claim]
    for (let n = 1; n <= 5; n += 1) {
      on.pool.arm(1, cut(on.proxy))
      const outcomes = await Promise.all(
        claims.map((claim, of) =>
          outcomeOf(store.settle(claim, { reached: n, done: [[n, n]], caused: [message(`caused ${n} ${of}`)] })),
        ),
      )
      expect(on.pool.hit).toContain('SET cursor')
      expect(outcomes).toEqual(cut === cutBefore ? ['STORE_FAILED', 'STORE_FAILED'] : ['stored', 'stored'])
      if (cut !== cutBefore) continue
      for (const claim of claims) await store.settle(claim, { reached: n, done: [[n, n]] })
    }
    const [row] = await on.ask(`SELECT sum(tail)::int AS appended FROM ${on.schema}.tail`)
    expect(row).toEqual({ appended: cut === cutBefore ? 0 : 10 })
    expect(await on.ask(`SELECT cursor::int FROM ${on.schema}.claim`)).toEqual([{ cursor: 5 }, { cursor: 5 }])
  },
)

test('a settlement that reaches the server when it was given up for lost is refused there', async () => {
  const on = await fixture(url)
  const { store, claim } = await opened(on)
  let late: (() => Promise<unknown>) | undefined
  on.pool.arm(1, ({ text, values }) => {
    late = () => on.pool.pool.query(text, values)
    return Promise.reject(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
  })
  expect(await outcomeOf(store.settle(claim, { reached: 1, done: [[1, 1]], caused: [message('caused')] }))).toBe(
    'STORE_FAILED',
  )
  await expect(late?.()).rejects.toMatchObject({ code: 'IB001' })
  expect(await on.ask(`SELECT cursor::int FROM ${on.schema}.claim`)).toEqual([{ cursor: 0 }])
  expect(await outcomeOf(store.settle(claim, { reached: 1, done: [[1, 1]] }))).toBe('stored')
  expect(await on.ask(`SELECT FROM ${on.schema}.message WHERE id = 'caused'`)).toEqual([])
})

test.each([...cuts, ['after it was done, and left half-open', strandAfter] as const])(
  'the effects of a handler whose connection is cut at any statement, %s, are stored once, with what it settles',
  async (_, cut: (proxy: Fixture['proxy']) => Fault) => {
    const on = await fixture(url)
    const store = await on.open(cut === strandAfter ? { statementTimeoutMs: 400 } : {})
    const [claim] = (await store.claim()) as [Claim]
    await store.append(Array.from({ length: 200 }, (__, n) => message(`m${n}`)))
    let n = 0
    const settle = (): Promise<unknown> =>
      outcomeOf(
        store.settle(claim, {
          done: [[n + 1, n + 1]],
          reached: n + 1,
          work: async (tx) => {
            const insert = `INSERT INTO effects_${on.schema} VALUES ($1)`
            await (tx as PostgresTransaction).query(insert, [`effect ${n}`])
            return [message(`caused ${n}`)]
          },
        }),
      )
    const hit = await atEachStatement(on.pool, cut(on.proxy), async () => {
      await settledAtLast(on, settle)
      n += 1
      expect(await storedIn(on)).toMatchObject({
        cursor: n,
        effects: Array.from({ length: n }, (__, of) => `effect ${of}`),
        caused: Array.from({ length: n }, (__, of) => `caused ${of}`),
      })
    })
    expect(hit.length).toBeGreaterThanOrEqual(6)
    expect(hit).toContain('COMMIT')
  },
)

test.each(cuts)('claims whose answer is cut, %s, are taken by whoever claims next', async (_, cut) => {
  const on = await fixture(url)
  const store = await on.open({ leaseMs: 200, partitions: 4 })
  const hit = await atEachStatement(on.pool, cut(on.proxy), async () => {
    const taken = new Set<number>()
    await expect
      .poll(
        async () => {
          const claims = await store.claim().catch(() => [])
          for (const { partition } of claims) taken.add(partition)
          await store.renew?.(claims).catch(() => {})
          return taken.size
        },
        { timeout: 5_000, interval: 20 },
      )
      .toBe(4)
    await expect.poll(() => outcomeOf(store.release([])), { interval: 5 }).toBe('stored')
    await on.ask(`UPDATE ${on.schema}.claim SET node = NULL`)
  })
  expect(hit.length).toBeGreaterThanOrEqual(2)
})

test.each([
  ['before it arrives', cutBefore, /./],
  ['after it was done, before its answer', cutAfter, /^(BEGIN|COMMIT|LISTEN)/],
] as const)(
  'a store whose connections are cut at any statement of its opening, %s, opens when tried again',
  async (_, cut, which) => {
    const on = await fixture(url)
    await (await on.open()).close()
    const outcomes: unknown[] = []
    const open = (): Promise<OpenStore> => on.open({ listen: true })
    const run = async (): Promise<void> => {
      const opening = open()
      outcomes.push(await outcomeOf(opening))
      const store = await opening.catch(open)
      await expect.poll(() => outcomeOf(store.append([message('m')])), { interval: 5 }).toBe('stored')
      await store.close().catch(() => {})
    }
    const hit = await atEachStatement(on.pool, cut(on.proxy), run, which)
    expect(hit).toEqual(expect.arrayContaining(['COMMIT', expect.stringMatching(/^LISTEN/)]))
    expect(new Set(outcomes)).toEqual(new Set(['STORE_FAILED', 'stored']))
  },
)

test.each(cuts)('a page that is read when the connections are cut, %s, can be read again', async (_, cut) => {
  const on = await fixture(url)
  const { store } = await opened(on)
  const hit = await atEachStatement(on.pool, cut(on.proxy), async () => {
    const reading = store.read(0, 0, 3)
    const messages = await reading.catch(() => store.read(0, 0, 3))
    expect(messages.map(({ position }) => position)).toEqual([1, 2, 3])
  })
  expect(hit).toHaveLength(1)
})

test.each(cuts)(
  'a store whose connections are cut at any statement of its closing, %s, is closed all the same',
  async (_, cut) => {
    const on = await fixture(url)
    const hit: string[] = []
    for (;;) {
      const store = await on.open()
      await store.read(0, 0, 1)
      await store.append([message('m')])
      on.pool.arm(hit.length + 1, cut(on.proxy))
      await store.close().catch(() => {})
      expect(await outcomeOf(store.append([message('late')]))).toBe('STORE_CLOSED')
      await until(() => on.pool.pool.totalCount === on.pool.pool.idleCount)
      if (on.pool.hit === undefined) break
      hit.push(on.pool.hit)
    }
    expect(hit.length).toBeGreaterThanOrEqual(2)
  },
)
