import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test, vi } from 'vitest'
import { messages, openStore, tempFile } from '../../test/sqlite/trial.ts'
import { Checkpoints } from './checkpoints.ts'
import { sqlite } from './sqlite.ts'

const page = 4_096

test('the write-ahead log does not grow for ever under load', async () => {
  const path = tempFile()
  const open = await openStore(sqlite(path, { sync: 'normal' }))
  const batch = messages(100).map((one) => ({ ...one, body: 'x'.repeat(1_000) }))
  let most = 0
  const append = async (): Promise<void> => {
    for (let n = 0; n < 300; n += 1) {
      await open.append(batch)
      most = Math.max(most, statSync(`${path}-wal`).size)
    }
  }
  await Promise.all([append(), append(), append(), append()])
  expect(most).toBeLessThan(14_000 * page)
  await open.close()
  expect(statSync(path).size).toBeGreaterThan(120_000_000)
})

interface Written {
  readonly path: string
  readonly database: DatabaseSync
  readonly write: (bytes: number) => void
  readonly inThread: () => number
}

/** As long as the log becomes. */
const LONG = 34_000_000

/** A file with so much in its write-ahead log, and how many checkpoints the writer has made. */
function written(length = 1_000_000): Written {
  const path = tempFile()
  const database = new DatabaseSync(path)
  onTestFinished(() => database.close())
  database.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (a)')
  const write = (bytes: number): void => void database.prepare('INSERT INTO t VALUES (?)').run('x'.repeat(bytes))
  write(length)
  let count = 0
  const prepare = database.prepare.bind(database)
  vi.spyOn(database, 'prepare').mockImplementation((sql) => {
    const statement = prepare(sql)
    const get = statement.get.bind(statement)
    vi.spyOn(statement, 'get').mockImplementation(() => {
      count += 1
      return get()
    })
    return statement
  })
  return { path, database, write, inThread: () => count }
}

const bytes = (pages: number): { readonly bytes: number; readonly isAppend: boolean } => {
  return { bytes: pages * page, isAppend: true }
}

/** Asks as a writer does, until nobody has to wait any more. */
const mayWrite = async (checkpoints: Checkpoints): Promise<void> => {
  await new Promise<void>((resolve) => {
    if (!checkpoints.mustWait(resolve)) resolve()
  })
}

/** Whether the next write begins at the start of the log. */
function isAtItsStart({ path, write }: Pick<Written, 'path' | 'write'>): boolean {
  const { size } = statSync(`${path}-wal`)
  write(1)
  return statSync(`${path}-wal`).size === size
}

/** Asks in each turn whether somebody has to wait, until it is so, or for so many milliseconds. */
async function hasToWait(checkpoints: Checkpoints, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end;) {
    if (checkpoints.mustWait(() => {})) return true
    await new Promise((resolve) => setImmediate(resolve))
  }
  return false
}

test('a thread moves what is in the log, and nobody waits for that', async () => {
  const { path, database, inThread } = written()
  const checkpoints = new Checkpoints(path, database)
  checkpoints.committed(bytes(600))
  let hadToWait = false
  const isMoved = async (): Promise<boolean> => {
    hadToWait ||= await hasToWait(checkpoints, 50)
    return statSync(path).size > 1_000_000
  }
  await vi.waitUntil(isMoved, { timeout: 10_000, interval: 1 })
  expect(hadToWait || (await hasToWait(checkpoints, 100))).toBe(false)
  expect(inThread()).toBe(0)
  await checkpoints.close()
})

test('what was written to a long log meanwhile is moved while the writer waits; then it begins again from its start', async () => {
  const { path, database, write, inThread } = written(LONG)
  const checkpoints = new Checkpoints(path, database)
  checkpoints.committed(bytes(400))
  expect(await hasToWait(checkpoints, 50)).toBe(false)
  checkpoints.committed(bytes(200))
  write(100_000)
  expect(await hasToWait(checkpoints, 10_000)).toBe(true)
  await mayWrite(checkpoints)
  expect(statSync(path).size).toBeGreaterThan(30_000_000)
  expect(isAtItsStart({ path, write })).toBe(true)
  expect(inThread()).toBe(0)
  await checkpoints.close()
})

test('a log counts as long with what was written to it while it was moved', async () => {
  const { path, database } = written()
  const checkpoints = new Checkpoints(path, database)
  const passes = vi.spyOn(Worker.prototype, 'postMessage')
  onTestFinished(() => passes.mockRestore())
  checkpoints.committed(bytes(600))
  checkpoints.committed(bytes(8_000))
  await mayWrite(checkpoints)
  expect(passes).toHaveBeenCalledTimes(2)
  await checkpoints.close()
})

test('where a transaction is open, nobody waits, and the rest is moved when it has ended', async () => {
  const { path, database, write, inThread } = written(LONG)
  const checkpoints = new Checkpoints(path, database)
  database.exec('BEGIN')
  checkpoints.committed(bytes(900))
  await vi.waitUntil(() => statSync(path).size > 30_000_000, { timeout: 10_000, interval: 1 })
  expect(await hasToWait(checkpoints, 300)).toBe(false)
  database.exec('COMMIT')
  checkpoints.committed(bytes(1))
  expect(await hasToWait(checkpoints, 10_000)).toBe(true)
  await mayWrite(checkpoints)
  expect(isAtItsStart({ path, write })).toBe(true)
  expect(inThread()).toBe(0)
  await checkpoints.close()
})

test('where the thread does not keep up, the writer waits for it', async () => {
  const { path, database } = written()
  const checkpoints = new Checkpoints(path, database)
  checkpoints.committed(bytes(900))
  checkpoints.committed(bytes(8_000))
  expect(checkpoints.mustWait(() => {})).toBe(true)
  await mayWrite(checkpoints)
  expect(checkpoints.mustWait(() => {})).toBe(false)
  await checkpoints.close()
})

test('where somebody reads for long, what cannot be moved is not tried again for each transaction', async () => {
  const { path, database, write } = written()
  const reader = new DatabaseSync(path)
  onTestFinished(() => reader.close())
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM t').get()
  const checkpoints = new Checkpoints(path, database)
  let waits = 0
  for (let n = 0; n < 300; n += 1) {
    write(40_000)
    checkpoints.committed(bytes(10))
    if (checkpoints.mustWait(() => {})) waits += 1
    await mayWrite(checkpoints)
    await new Promise((resolve) => setImmediate(resolve))
  }
  // 3 000 pages are three times as many as are worth one, about.
  expect(waits).toBeLessThan(10)
  reader.exec('COMMIT')
  await checkpoints.close()
})

test('where it cannot begin, nobody waits for ever, and the writer makes them itself', async () => {
  const { path, database, inThread } = written()
  const checkpoints = new Checkpoints('/nowhere/at/all/bus.db', database)
  checkpoints.committed(bytes(900))
  checkpoints.committed(bytes(8_000))
  // It has failed when the writer may go on: it found no file.
  await mayWrite(checkpoints)
  checkpoints.committed(bytes(900))
  expect(inThread()).toBe(1)
  expect(statSync(path).size).toBeGreaterThan(1_000_000)
  await checkpoints.close()
})
