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
    for (let n = 0; n < 100; n += 1) {
      await open.append(batch)
      most = Math.max(most, statSync(`${path}-wal`).size)
    }
  }
  await Promise.all([append(), append(), append(), append()])
  expect(statSync(path).size + most).toBeGreaterThan(40_000_000)
  expect(most).toBeLessThan(36_000_000)
  await open.close()
  expect(statSync(path).size).toBeGreaterThan(40_000_000)
})

function written(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  onTestFinished(() => database.close())
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (a)')
  return database
}

test('a checkpoint is begun in the thread, and finished by the writer', async () => {
  const path = tempFile()
  const database = written(path)
  const checkpoints = new Checkpoints(path, database)
  const finish = vi.spyOn(database, 'exec')
  checkpoints.committed(900 * 4_096)
  checkpoints.committed(200 * 4_096)
  expect(finish).not.toHaveBeenCalled()
  await vi.waitUntil(() => finish.mock.calls.length > 0)
  expect(finish.mock.calls).toEqual([['PRAGMA wal_checkpoint(PASSIVE)']])
  // The thread has moved all that there was.
  expect(database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get()).toMatchObject({ busy: 0 })
  await checkpoints.close()
})

test('without a thread, and where it does not keep up, the writer makes them itself', async () => {
  const database = written(tempFile())
  const checkpoints = new Checkpoints('/nowhere/at/all/bus.db', database)
  const finish = vi.spyOn(database, 'exec')
  checkpoints.committed(1_001 * 4_096)
  checkpoints.committed(8_000 * 4_096)
  expect(finish).toHaveBeenCalledTimes(1)
  // By now and then, the thread has failed: it found no file.
  await vi.waitUntil(
    () => {
      checkpoints.committed(1_001 * 4_096)
      return finish.mock.calls.length > 3
    },
    { timeout: 10_000, interval: 20 },
  )
  await checkpoints.close()
})
