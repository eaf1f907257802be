import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { silent } from '../silent.ts'
import { defineEvent, Dispatcher } from '../../src/index.ts'
import { sqlite } from '../../src/sqlite/index.ts'
import { commitsIn } from './write-ahead-log.ts'

class Placed extends defineEvent<{ order: number }>('shop.placed') {}

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'iambus-sync-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A dispatcher whose handler never ends: so all that is published stays in the log. */
async function bus(path: string): Promise<Dispatcher> {
  const dp = new Dispatcher({ store: sqlite(path), logger: silent })
  dp.events.bind(Placed, () => new Promise(() => {}), { name: 'a' })
  await dp.start()
  onTestFinished(() => dp.stop({ deadlineMs: 0 }))
  return dp
}

/** Which messages another process reads in each of these files. */
function readElsewhere(paths: readonly string[]): string[][] {
  const program = `
    const { DatabaseSync } = require('node:sqlite')
    const ids = (path) => new DatabaseSync(path).prepare('SELECT id FROM iambus_message ORDER BY position').all().map(({ id }) => id)
    console.log(JSON.stringify(JSON.parse(process.argv[1]).map(ids)))`
  const args = ['--no-warnings', '-e', program, JSON.stringify(paths)]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as string[][]
}

test.each([
  ['full', 2],
  ['normal', 1],
] as const)('with sync: %s, SQLite is told so', async (sync, synchronous) => {
  const database = new DatabaseSync(join(tempFolder(), 'bus.db'))
  onTestFinished(() => database.close())
  const dp = new Dispatcher({ store: sqlite({ database }, { sync }), logger: silent })
  dp.events.bind(Placed, () => {}, { name: 'a' })
  await dp.start()
  expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous })
  expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
  await dp.stop()
})

test('the default is full', async () => {
  const database = new DatabaseSync(join(tempFolder(), 'bus.db'))
  onTestFinished(() => database.close())
  database.exec('PRAGMA synchronous = OFF')
  const dp = new Dispatcher({ store: sqlite({ database }), logger: silent })
  dp.events.bind(Placed, () => {}, { name: 'a' })
  await dp.start()
  expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 })
  await dp.stop()
})

test('when a publish resolves, its transaction is in the write-ahead log, whole, and another process reads it there', async () => {
  const folder = tempFolder()
  const path = join(folder, 'bus.db')
  const dp = await bus(path)
  const copies: string[] = []
  const commits: number[] = []
  const expected: string[][] = []
  /** What would be there if the process was gone now. */
  const copy = (order: number): void => {
    const to = join(folder, `copy${order}.db`)
    for (const end of ['', '-wal']) if (existsSync(path + end)) copyFileSync(path + end, to + end)
    copies.push(to)
    commits.push(commitsIn(`${path}-wal`))
  }
  const published: string[] = []
  for (let order = 1; order <= 20; order += 1) {
    const before = commitsIn(`${path}-wal`)
    await dp.publish(new Placed({ order }), { id: `order ${order}` })
    copy(order)
    expect(commits.at(-1)).toBeGreaterThan(before)
    expected.push([...published, `order ${order}`])
    published.push(`order ${order}`)
  }
  expect(readElsewhere(copies)).toEqual(expected)
})

test('publications that come together share a transaction, of at most 128, and none resolves before its own', async () => {
  const folder = tempFolder()
  const path = join(folder, 'bus.db')
  const dp = await bus(path)
  await dp.publish(new Placed({ order: 0 }))
  const before = commitsIn(`${path}-wal`)
  const resolvedAt = await Promise.all(
    Array.from({ length: 256 }, async (_, order) => {
      await dp.publish(new Placed({ order }))
      return commitsIn(`${path}-wal`) - before
    }),
  )
  const firsts = resolvedAt.slice(0, 128)
  const seconds = resolvedAt.slice(128)
  expect(Math.min(...firsts)).toBeGreaterThanOrEqual(1)
  expect(Math.min(...seconds)).toBeGreaterThanOrEqual(2)
  expect(Math.max(...resolvedAt)).toBeLessThan(20)
})
