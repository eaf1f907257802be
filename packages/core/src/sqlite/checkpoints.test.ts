import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import { messages, openStore, tempFile } from '../../test/sqlite/trial.ts'
import { Checkpoints } from './checkpoints.ts'
import { sqlite } from './sqlite.ts'

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
  expect(most).toBeLessThan(90_000_000)
  await open.close()
  expect(statSync(path).size).toBeGreaterThan(120_000_000)
})

/** A file with a megabyte in its write-ahead log, and how large the file was at each checkpoint of the writer. */
function written(): { path: string; database: DatabaseSync; sizes: number[] } {
  const path = tempFile()
  const database = new DatabaseSync(path)
  onTestFinished(() => database.close())
  database.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (a)')
  database.prepare('INSERT INTO t VALUES (?)').run('x'.repeat(1_000_000))
  const sizes: number[] = []
  const prepare = database.prepare.bind(database)
  vi.spyOn(database, 'prepare').mockImplementation((sql) => {
    const statement = prepare(sql)
    const get = statement.get.bind(statement)
    vi.spyOn(statement, 'get').mockImplementation(() => {
      sizes.push(statSync(path).size)
      return get()
    })
    return statement
  })
  return { path, database, sizes }
}

const page = 4_096

test('a checkpoint is made in the thread, and finished by the writer', async () => {
  const { path, database, sizes } = written()
  const checkpoints = new Checkpoints(path, database)
  checkpoints.committed(700 * page)
  checkpoints.committed(200 * page)
  expect(sizes).toEqual([])
  await vi.waitUntil(() => sizes.length > 0, { timeout: 10_000 })
  expect(sizes).toEqual([expect.closeTo(1_000_000, -5)])
  await checkpoints.close()
})

test('where the thread does not keep up, or cannot begin, the writer makes them itself', async () => {
  const { database, sizes } = written()
  const checkpoints = new Checkpoints('/nowhere/at/all/bus.db', database)
  checkpoints.committed(900 * page)
  checkpoints.committed(8_000 * page)
  expect(sizes).toEqual([expect.closeTo(0, -5)])
  // By now and then, the thread has failed: it found no file.
  await vi.waitUntil(
    () => {
      checkpoints.committed(900 * page)
      return sizes.length > 3
    },
    { timeout: 10_000, interval: 20 },
  )
  await checkpoints.close()
})
