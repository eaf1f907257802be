import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { claimOne, messages, openStore, tempFile } from '../../test/sqlite/trial.ts'
import { RETRY } from '../options.ts'
import { SQLITE_DEFAULTS } from './settings.ts'
import { sqlite } from './sqlite.ts'

test.each([
  [{ sync: 'off' }, 'sync'],
  [{ completion: 'keep' }, 'completion'],
  [{ completion: {} }, 'completion'],
  [{ completion: { keepMs: -1 } }, 'completion.keepMs'],
  [{ completion: { keepMs: 1, more: 1 } }, "'more'"],
  [{ dedupeMs: '1' }, 'dedupeMs'],
  [{ dedupeMs: Number.POSITIVE_INFINITY }, 'dedupeMs'],
  [{ commitTimeoutMs: Number.NaN }, 'commitTimeoutMs'],
  [{ forget: 'events/a' }, 'forget'],
  [{ journal: 'wal' }, "'journal'"],
  [null, 'sqlite()'],
])('the options %j are refused, with the name of what is wrong', (options, name) => {
  expect(() => sqlite('bus.db', options as never)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(name) }),
  )
})

test.each([[''], [undefined], [{}], [{ database: undefined }], [{ database: {} }], [{ database: 'bus.db' }]])(
  'it refuses to be a store of %j',
  (target) => {
    expect(() => sqlite(target as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  },
)

test('it refuses a connection that was closed', () => {
  const database = new DatabaseSync(':memory:')
  database.close()
  expect(() => sqlite({ database })).toThrow('closed')
})

test('an id is remembered for longer than the longest retry', () => {
  expect(SQLITE_DEFAULTS.dedupeMs).toBeGreaterThan(RETRY.maxAgeMs + 3_600_000)
})

test.each([
  [undefined, 2],
  ['full', 2],
  ['normal', 1],
] as const)('sync: %s is what the file is written with', async (sync, synchronous) => {
  const database = new DatabaseSync(tempFile())
  onTestFinished(() => database.close())
  await openStore(sqlite({ database }, { sync }))
  expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous })
  expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
})

test('how the caller reads rows does not matter', async () => {
  const database = new DatabaseSync(':memory:', { readBigInts: true, returnArrays: true })
  onTestFinished(() => database.close())
  const open = await openStore(sqlite({ database }))
  await open.append(messages(2))
  const claim = await claimOne(open)
  await open.settle(claim, { reached: 2, done: [[1, 1]] })
  expect((await open.read(0, 0, 10)).map(({ position }) => position)).toEqual([2])
  expect((await open.stats()).messages).toBe(1)
})
