import { closeSync, ftruncateSync, openSync, statSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test } from 'vitest'
import { claimOne, idsOf, message, messages, openStore, tempFile } from '../../test/sqlite/trial.ts'
import { StoreFailed } from '../store-errors.ts'
import { failureOf, isBusy, isOfTheFile } from './failure.ts'
import { sqlite } from './sqlite.ts'

const change = (path: string, sql: string): void => {
  const database = new DatabaseSync(path)
  database.exec(sql)
  database.close()
}

describe('a file', () => {
  test('that is no database is refused as damaged', async () => {
    const path = tempFile()
    writeFileSync(path, 'This is a text. '.repeat(1_000))
    await expect(openStore(sqlite(path))).rejects.toMatchObject({
      code: 'STORE_DAMAGED',
      message: expect.stringContaining('no SQLite database'),
    })
  })

  test('that was cut is refused as damaged', async () => {
    const path = tempFile()
    const first = await openStore(sqlite(path))
    await first.append(messages(500))
    await first.close()
    const file = openSync(path, 'r+')
    ftruncateSync(file, Math.floor(statSync(path).size / 2))
    closeSync(file)
    await expect(openStore(sqlite(path))).rejects.toMatchObject({ code: 'STORE_DAMAGED' })
  })

  test('that cannot be made says where', async () => {
    await expect(openStore(sqlite('/nowhere/at/all/bus.db'))).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('/nowhere/at/all/bus.db'),
    })
  })

  test('of a later release is used where that allows it, and refused where it does not', async () => {
    const path = tempFile()
    await (await openStore(sqlite(path))).close()
    change(path, 'UPDATE iambus_meta SET version = 99')
    await (await openStore(sqlite(path))).close()
    change(path, 'UPDATE iambus_meta SET min_compatible = 99')
    await expect(openStore(sqlite(path))).rejects.toMatchObject({ code: 'STORE_TOO_NEW' })
    change(path, 'UPDATE iambus_meta SET min_compatible = 1')
    await openStore(sqlite(path))
  })

  test('of another service is refused', async () => {
    const path = tempFile()
    await (await openStore(sqlite(path))).close()
    await (await openStore(sqlite(path), { service: 'orders' })).close()
    await (await openStore(sqlite(path))).close()
    const other = openStore(sqlite(path), { service: 'mail' })
    await expect(other).rejects.toMatchObject({ code: 'STORE_OF_ANOTHER_SERVICE' })
  })

  test('whose tables are not what they should be is refused with what SQLite says', async () => {
    const path = tempFile()
    change(path, 'CREATE TABLE iambus_log (a)')
    await expect(openStore(sqlite(path))).rejects.toMatchObject({
      code: 'STORE_FAILED',
      cause: expect.objectContaining({ message: expect.stringContaining('iambus_log') }),
    })
  })

  test('that is opened read-only is refused as that', async () => {
    const path = tempFile()
    change(path, 'PRAGMA journal_mode = WAL; CREATE TABLE t (a)')
    const database = new DatabaseSync(path, { readOnly: true })
    onTestFinished(() => database.close())
    await expect(openStore(sqlite({ database }))).rejects.toMatchObject({ code: 'STORE_READ_ONLY' })
  })
})

test('when the disk is full, all of a group is rejected and nothing stored; what comes later is tried anew', async () => {
  const database = new DatabaseSync(tempFile())
  onTestFinished(() => database.close())
  const open = await openStore(sqlite({ database }))
  const claim = await claimOne(open)
  await open.append([message('a')])
  database.exec('PRAGMA max_page_count = 1')
  const big = message('big', { body: 'x'.repeat(100_000), mayRepeat: true })
  const results = await Promise.allSettled([
    open.append([message('b', { mayRepeat: true })]),
    open.settle(claim, { reached: 1, done: [[1, 1]] }),
    open.append([big]),
    open.append([message('c')]),
  ])
  for (const result of results) {
    expect(result).toMatchObject({ reason: { code: 'STORE_FULL', cause: expect.anything() } })
  }
  database.exec('PRAGMA max_page_count = 1000000')
  expect(await open.append([message('b', { mayRepeat: true }), big])).toEqual([true, true])
  expect(await idsOf(open)).toEqual(['a', 'b', 'big'])
  await open.release([claim])
  expect((await claimOne(open)).progress.cursor).toBe(0)
})

test('what is asked for before everybody has heard of a failure fails too: it must not overtake what is tried again', async () => {
  const database = new DatabaseSync(tempFile())
  onTestFinished(() => database.close())
  const open = await openStore(sqlite({ database }))
  database.exec('PRAGMA max_page_count = 1')
  const late: Promise<unknown>[] = []
  const askMore = (): void => {
    database.exec('PRAGMA max_page_count = 1000000')
    late.push(open.append([message('late')]))
  }
  const first = open.append([message('first', { body: 'x'.repeat(100_000) })])
  const second = open.append([message('second')])
  await Promise.allSettled([first.catch(askMore), second])
  expect(await Promise.allSettled(late)).toMatchObject([{ reason: { code: 'STORE_FULL' } }])
  await open.append([message('later')])
  expect(await idsOf(open)).toEqual(['later'])
})

test('when the disk is full within work, that work is rejected, and nothing is half stored', async () => {
  const database = new DatabaseSync(tempFile())
  onTestFinished(() => database.close())
  const open = await openStore(sqlite({ database }))
  const claim = await claimOne(open)
  database.exec('CREATE TABLE effect (text TEXT); PRAGMA max_page_count = 1')
  const results = await Promise.allSettled([
    open.append([message('before')]),
    open.settle(claim, {
      work: () => {
        database.prepare('INSERT INTO effect VALUES (?)').run('x'.repeat(100_000))
        return [message('returned')]
      },
    }),
  ])
  expect(results[1]?.status).toBe('rejected')
  database.exec('PRAGMA max_page_count = 1000000')
  await open.append([message('after')])
  expect(await idsOf(open)).toEqual(results[0]?.status === 'fulfilled' ? ['before', 'after'] : ['after'])
  expect(database.prepare('SELECT * FROM effect').all()).toEqual([])
})

test('a message that cannot be written is rejected alone', async () => {
  const open = await openStore(sqlite(tempFile()))
  // What the types refuse, the table refuses too.
  const wrong = { ...message('wrong'), body: null as unknown as string }
  const results = await Promise.allSettled([
    open.append([message('a')]),
    open.append([message('b'), wrong]),
    open.append([message('c')]),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect((await open.read(0, 0, 10)).map(({ position, id }) => [position, id])).toEqual([
    [1, 'a'],
    [2, 'c'],
  ])
})

test('the lock of another connection is waited for, and when it is not given up, what waits is rejected', async () => {
  const path = tempFile()
  const open = await openStore(sqlite(path, { commitTimeoutMs: 300 }))
  const other = new DatabaseSync(path)
  onTestFinished(() => other.close())
  other.exec('BEGIN IMMEDIATE')
  const rejected = open.append([message('rejected')])
  await expect(rejected).rejects.toMatchObject({ code: 'STORE_FAILED', message: expect.stringContaining('Another') })
  const waiting = open.append([message('waits')])
  await new Promise((resolve) => setImmediate(resolve))
  other.exec('COMMIT')
  await waiting
  expect(await idsOf(open)).toEqual(['waits'])
})

test('a store that was closed stores and reads nothing more, and says so', async () => {
  const open = await openStore(sqlite(tempFile()))
  const appending = open.append([message('a')])
  await open.close()
  expect(await appending).toEqual([true])
  await expect(open.append([message('b')])).rejects.toMatchObject({ code: 'STORE_CLOSED' })
  await expect(open.read(0, 0, 1)).rejects.toMatchObject({ code: 'STORE_CLOSED' })
  await open.close()
})

test.each([
  [{ errcode: 13 }, 'STORE_FULL', true],
  [{ errcode: 778 }, 'STORE_FAILED', true],
  [{ errcode: 522 }, 'STORE_DAMAGED', true],
  [{ errcode: 267 }, 'STORE_DAMAGED', true],
  [{ errcode: 1_032 }, 'STORE_READ_ONLY', true],
  [{ errcode: 1_555 }, 'STORE_FAILED', false],
  [{ code: 'SQLITE_FULL' }, 'STORE_FULL', true],
  [{ code: 'SQLITE_IOERR_WRITE' }, 'STORE_FAILED', true],
  [{ code: 'SQLITE_CORRUPT_VTAB' }, 'STORE_DAMAGED', true],
  [{ code: 'SQLITE_READONLY_DBMOVED' }, 'STORE_READ_ONLY', true],
  [{ code: 'SQLITE_CONSTRAINT_UNIQUE' }, 'STORE_FAILED', false],
  [{}, 'STORE_FAILED', false],
] as const)('%o is %s', (more, code, ofTheFile) => {
  const error = Object.assign(new Error('what the driver says'), more)
  expect(failureOf(error, 'sqlite bus.db')).toMatchObject({
    code,
    cause: error,
    message: expect.stringMatching(/^sqlite bus\.db: what the driver says\. \w/),
  })
  expect(isOfTheFile(error)).toBe(ofTheFile)
})

test('a failure of the store is passed on as it is, and a lock is told apart', () => {
  const failure = new StoreFailed('CLAIM_LOST', 'x')
  expect(failureOf(failure, 'y')).toBe(failure)
  expect([isBusy({ errcode: 517 }), isBusy({ code: 'SQLITE_BUSY_SNAPSHOT' }), isBusy({ errcode: 6 })]).toEqual([
    true,
    true,
    false,
  ])
})

test('a store that cannot write any more is closed all the same, and gives up its file', async () => {
  const path = tempFile()
  const database = new DatabaseSync(path)
  onTestFinished(() => database.close())
  const open = await openStore(sqlite({ database }))
  await open.append([message('a')])
  database.exec('PRAGMA query_only = ON')
  await expect(open.close()).rejects.toMatchObject({ code: 'STORE_READ_ONLY' })
  const again = await openStore(sqlite(path))
  expect([await idsOf(again), again.findings]).toEqual([['a'], []])
})

test('when COMMIT itself fails, all of the group is rejected and nothing stored', async () => {
  const database = new DatabaseSync(tempFile())
  onTestFinished(() => database.close())
  database.exec(`CREATE TABLE book (id INTEGER PRIMARY KEY);
    CREATE TABLE copy (book INTEGER REFERENCES book DEFERRABLE INITIALLY DEFERRED)`)
  const open = await openStore(sqlite({ database }))
  const claim = await claimOne(open)
  const work = (): [] => {
    // It is looked at by COMMIT only.
    database.exec('INSERT INTO copy VALUES (1)')
    return []
  }
  const results = await Promise.allSettled([
    open.append([message('a', { mayRepeat: true })]),
    open.settle(claim, { caused: [message('caused')], work }),
    open.append([message('b')]),
  ])
  for (const result of results) {
    expect(result).toMatchObject({ reason: { code: 'STORE_FAILED', message: expect.stringContaining('FOREIGN KEY') } })
  }
  expect(await open.append([message('a', { mayRepeat: true })])).toEqual([true])
  expect((await open.read(0, 0, 10)).map(({ position, id }) => [position, id])).toEqual([[1, 'a']])
  expect(database.prepare('SELECT * FROM copy').all()).toEqual([])
})
