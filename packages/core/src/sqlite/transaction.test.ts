import { DatabaseSync, StatementSync } from 'node:sqlite'
import * as fc from 'fast-check'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { claimOne, message, messages, openStore, tempFile } from '../../test/sqlite/trial.ts'
import type { OpenStore, Settlement } from '../ports/store.ts'
import type { Completion } from '../ports/store-settings.ts'
import { sqlite } from './sqlite.ts'
import { LOG } from './statements.ts'
import { type LogState, Transaction } from './transaction.ts'

afterEach(() => vi.restoreAllMocks())

/** What each transaction says it has left, beside what another connection reads then. */
function compared(path: string): (readonly [said: LogState, read: unknown])[] {
  const reader = new DatabaseSync(path, { readOnly: true })
  onTestFinished(() => reader.close())
  const log = reader.prepare(LOG)
  const left = Object.getOwnPropertyDescriptor(Transaction.prototype, 'left')
  const pairs: (readonly [LogState, unknown])[] = []
  vi.spyOn(Transaction.prototype, 'left', 'get').mockImplementation(function (this: Transaction) {
    const said = left?.get?.call(this) as LogState
    pairs.push([said, { ...log.get() }])
    return said
  })
  return pairs
}

/** How often the log was read, instead of being known. */
function reads(): () => number {
  const get = vi.spyOn(StatementSync.prototype, 'get')
  return () => get.mock.contexts.filter((statement) => (statement as StatementSync).sourceSQL === LOG).length
}

const steps = [
  'append',
  'append much',
  'append again',
  'append an old one',
  'delay',
  'what is due',
  'finish',
  'finish beside an append',
  'except',
  'clear',
  'fail',
  'fail beside an append',
  'work',
  'work that fails',
  'work that ends the transaction',
  'time passes',
  'the clock is set back',
] as const

const completions = fc.constantFrom<Completion>('delete', 'archive', { keepMs: 500 })
const programs = fc.array(fc.constantFrom(...steps), { minLength: 5, maxLength: 30 })

/** What can be done with a store, while it is counted how many messages its log has had. */
async function trialOf(open: OpenStore, clock: ManualClock) {
  const claim = await claimOne(open)
  const excepted: number[] = []
  let [made, tail, reached] = [0, 0, 0]
  const fresh = (): string => `m${(made += 1)}`
  const append = async (id: string, time = clock.now()): Promise<void> => {
    const [isNew] = await open.append([message(id, { time, mayRepeat: true })])
    if (isNew === true) tail += 1
  }
  const fail = (): Promise<unknown> => open.settle({ ...claim, epoch: claim.epoch + 1 }, {}).catch(() => {})
  /** Settles the next message, if there is one. */
  const settleNext = async (settlement: (position: number) => Settlement): Promise<void> => {
    if (reached >= tail) return
    reached += 1
    await open.settle(claim, { reached, ...settlement(reached) })
  }
  const finish = (): Promise<void> => settleNext((position) => ({ done: [[position, position]] }))
  const doing: Readonly<Record<(typeof steps)[number], () => unknown>> = {
    append: () => append(fresh()),
    'append much': async () => {
      const many = messages(200, `${fresh()}-`).map((one, n) => ({ ...one, time: clock.now() - (n % 7) }))
      await Promise.all(many.map((one) => open.append([one])))
      tail += many.length
    },
    'append again': () => append('again'),
    'append an old one': () => append(fresh(), clock.now() - 500),
    delay: () => open.append([message(fresh(), { dueAt: open.now() + 100 })]),
    'what is due': async () => {
      await open.appendDue(100)
      tail = (await open.stats()).appended
    },
    finish,
    'finish beside an append': () => Promise.all([append(fresh()), finish()]),
    except: () =>
      settleNext((position) => {
        excepted.push(position)
        return { exceptions: [{ position, key: 'k', state: 'retrying', dueAt: undefined, note: undefined }] }
      }),
    clear: () => open.settle(claim, { cleared: excepted.splice(0, 1) }),
    fail,
    'fail beside an append': () => Promise.all([append(fresh()), fail(), append(fresh())]),
    work: async () => {
      await open.settle(claim, { work: (tx) => (void open.append([message(fresh())], tx), [message(fresh())]) })
      tail += 2
    },
    'work that fails': () => {
      const work = (tx: unknown): never => {
        void open.append([message(fresh())], tx)
        throw new Error('No.')
      }
      return open.settle(claim, { work }).catch(() => {})
    },
    'work that ends the transaction': async () => {
      const work = (tx: unknown): never[] => ((tx as DatabaseSync).exec('COMMIT'), [])
      await Promise.allSettled([append(fresh()), open.settle(claim, { work })])
      tail = (await open.stats()).appended
    },
    'time passes': () => clock.advance(300),
    'the clock is set back': () => clock.advance(-2_000),
  }
  return { doing, tail: () => tail }
}

test('what a transaction says it has left is what another connection reads', async () => {
  const run = fc.asyncProperty(completions, programs, async (completion, program) => {
    const clock = new ManualClock()
    clock.advance(1_000_000)
    const path = tempFile()
    const open = await openStore(sqlite(path, { dedupeMs: 1_000, completion }), { clock })
    const pairs = compared(path)
    try {
      const { doing, tail } = await trialOf(open, clock)
      for (const step of program) await doing[step]()
      await doing.append()
      expect(pairs.length).toBeGreaterThan(0)
      for (const [said, read] of pairs) expect(said).toEqual(read)
      expect((await open.stats()).appended).toBe(tail())
    } finally {
      vi.restoreAllMocks()
      await open.close()
    }
  })
  await fc.assert(run, { numRuns: 90 })
})

test('the log is read once, and then known', async () => {
  const open = await openStore(sqlite(tempFile()))
  const count = reads()
  for (const one of messages(20)) await open.append([one])
  expect(count()).toBe(1)
})

test('it is read again after what a handler has written', async () => {
  const open = await openStore(sqlite(tempFile()))
  const claim = await claimOne(open)
  await open.append([message('a')])
  await open.settle(claim, { work: () => [] })
  const count = reads()
  await open.append([message('b')])
  expect(count()).toBe(1)
})

test('it is read each time on the connection of the caller, who may write in between', async () => {
  const database = new DatabaseSync(tempFile())
  onTestFinished(() => database.close())
  const open = await openStore(sqlite({ database }))
  const claim = await claimOne(open)
  const count = reads()
  await open.append([message('a')])
  database.exec('BEGIN')
  await open.append([message('b')], database)
  database.exec('COMMIT')
  await open.settle(claim, { reached: 2 })
  await open.append([message('c')])
  expect(count()).toBe(4)
  expect((await open.read(0, 0, 10)).map(({ position, id }) => `${position} ${id}`)).toEqual(['1 a', '2 b', '3 c'])
})

test('it is read again after somebody else has written, who should not', async () => {
  const path = tempFile()
  const open = await openStore(sqlite(path))
  const claim = await claimOne(open)
  await open.append(messages(2))
  const other = new DatabaseSync(path)
  // As another process would that took this one for dead: two messages more, and all of them are finished.
  other.exec(`UPDATE iambus_log SET tail = 4, pruned = 4, messages = 0, turn = turn + 1; DELETE FROM iambus_message`)
  other.close()
  await open.append([message('next')])
  expect((await open.read(0, 0, 10)).map(({ position, id }) => [position, id])).toEqual([[5, 'next']])
  await open.settle(claim, { reached: 5 })
  expect(await open.stats()).toMatchObject({ appended: 5, messages: 1 })
})
