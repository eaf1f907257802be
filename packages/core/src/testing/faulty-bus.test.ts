import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, test } from 'vitest'
import { silent } from '../../test/silent.ts'
import { Dispatcher } from '../dispatcher.ts'
import { memory, type MemoryTransaction } from '../memory/index.ts'
import { defineEvent } from '../message/define.ts'
import type { Store } from '../ports/store.ts'
import { exponential } from '../routing/backoff.ts'
import { retry } from '../routing/recover.ts'
import { StoreFailed } from '../store-errors.ts'
import { sqlite } from '../sqlite/index.ts'
import { faulty, type FaultRule, VirtualClock } from './index.ts'

class Placed extends defineEvent<{ key: string; n: number }>('shop.placed') {}
class Shipped extends defineEvent<{ key: string; n: number }>('shop.shipped') {}

const plans: readonly (readonly [string, readonly FaultRule[]])[] = [
  [
    'refuses to append and to settle',
    [
      { on: 'append', every: 4, fail: 'STORE_FULL' },
      { on: 'settle', chance: 0.3, seed: 1, fail: 'STORE_FAILED' },
    ],
  ],
  [
    'is slow',
    [
      { on: 'append', every: 3, delayMs: 50 },
      { on: 'settle', every: 2, delayMs: 200 },
      { on: 'reads', chance: 0.2, delayMs: 500 },
    ],
  ],
  [
    'does everything badly',
    [
      { on: 'append', every: 5, loseAnswer: true },
      { on: 'append', every: 3, fail: 'STORE_FULL' },
      { on: 'settle', chance: 0.2, seed: 2, fail: 'STORE_FAILED' },
      { on: 'settle', chance: 0.2, seed: 3, delayMs: 2_000 },
      { on: 'read', every: 3, fail: 'STORE_FAILED' },
    ],
  ],
]

/** A store, what a handler writes to it in a commit, and what is written there. */
interface Subject {
  readonly store: Store
  readonly write: (tx: unknown, text: string) => void
  readonly written: () => readonly string[]
}

const removals: (() => void)[] = []

afterEach(() => {
  for (const remove of removals.splice(0)) remove()
})

function inMemory(): Subject {
  const store = memory()
  const write = (tx: unknown, text: string): void => (tx as MemoryTransaction).write(text)
  return { store, write, written: () => store.effects }
}

function inAFile(): Subject {
  const folder = mkdtempSync(join(tmpdir(), 'iambus-faulty-'))
  removals.push(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'bus.db')
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE effects (text TEXT)')
  database.close()
  return {
    store: sqlite(path, { sync: 'normal' }), // With a clock that stands, nobody would wait for the disk.
    write: (tx, text) => void (tx as DatabaseSync).prepare('INSERT INTO effects VALUES (?)').run(text),
    written: () => {
      const reader = new DatabaseSync(path)
      const rows = reader.prepare('SELECT text FROM effects ORDER BY rowid').all()
      reader.close()
      return rows.map(({ text }) => String(text))
    },
  }
}

const keys = ['a', 'b', 'c'] as const
const count = 20
const all = Array.from({ length: count }, (_, n) => n)

describe.each([
  ['in memory', inMemory],
  ['in a file', inAFile],
])('over a store %s that', (_, make) => {
  test.each(plans)('%s, nothing is lost, nothing is done twice, and each key keeps its order', async (_title, plan) => {
    const clock = new VirtualClock()
    const { store: inner, write, written } = make()
    const store = faulty(readingAll(inner), plan)
    const seen: Record<string, number[]> = { a: [], b: [], c: [] }
    const shipped: Record<string, number[]> = { a: [], b: [], c: [] }

    const dispatcher = async (): Promise<Dispatcher> => {
      const backoff = exponential({ initialMs: 10, maxMs: 100 })
      const dp = new Dispatcher({ store, clock, logger: silent, recover: retry({ attempts: 200, backoff }) })
      const place = ({ key, n }: Placed, { context }: { context: { publish(event: Shipped): void } }): void => {
        seen[key]?.push(n)
        context.publish(new Shipped({ key, n }))
      }
      dp.events.bind(Placed, place, { name: 'place' })
      dp.events.bind(Placed, ({ key, n }, { context }) => context.commit((tx) => write(tx, `${key}${n}`)), {
        name: 'book',
      })
      dp.events.bind(Shipped, ({ key, n }) => void shipped[key]?.push(n), { name: 'ship' })
      await passing(
        clock,
        tried(() => dp.start()),
      )
      return dp
    }

    /** Publishes, and publishes again what it was not told of as stored. */
    const publish = async (dp: Dispatcher, of: readonly number[]): Promise<void> => {
      const each = async (key: string): Promise<void> => {
        for (const n of of) await tried(() => dp.publish(new Placed({ key, n }), { key, id: `${key}${n}` }))
      }
      await passing(clock, Promise.all(keys.map(each)))
    }

    const first = await dispatcher()
    await publish(first, all.slice(0, count / 2))
    await passing(clock, first.stop({ deadlineMs: 3_600_000 }))
    const second = await dispatcher()
    await publish(second, all.slice(count / 2))
    const isEverythingThere = (): boolean =>
      written().length >= keys.length * count && keys.every((key) => shipped[key]?.length === count)
    for (let minutes = 0; minutes < 100 && !isEverythingThere(); minutes += 1) await clock.advance(60_000)
    expect(store.unused).toEqual([])
    store.heal()
    await passing(clock, second.stop({ deadlineMs: 3_600_000 }))

    for (const key of keys) {
      expect(seen[key]).toEqual(all)
      expect(shipped[key]).toEqual(all)
      expect(written().filter((text) => text.startsWith(key))).toEqual(all.map((n) => `${key}${n}`))
    }
    expect(await left(inner, clock)).toEqual({ messages: 0, deadLetters: 0 })
  })
})

/** The same store, where all is read: what is handed to its readers when it was appended could not fail. */
function readingAll(store: Store): Store {
  return { ...store, open: (opening) => store.open({ ...opening, appended: undefined }) }
}

/** Does it until it does not fail. */
async function tried(run: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await run()
      return
    } catch (error) {
      if (!(error instanceof StoreFailed)) throw error
    }
  }
}

/** Lets time pass until it has ended. */
async function passing<T>(clock: VirtualClock, ended: Promise<T>): Promise<T> {
  const hasEnded = ended.then(
    () => true,
    () => true,
  )
  while (!(await Promise.race([hasEnded, clock.advance(50).then(() => false)]))) continue
  return ended
}

async function left(
  store: Store,
  clock: VirtualClock,
): Promise<{ readonly messages: number; readonly deadLetters: number }> {
  const open = await store.open({ service: undefined, subscriptions: [], clock, wake: () => {} })
  const { messages, deadLetters } = await open.stats()
  await open.close()
  return { messages, deadLetters }
}
