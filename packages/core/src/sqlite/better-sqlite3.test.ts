import Database from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { claimOne, idsOf, message, messages, openStore, tempFile } from '../../test/sqlite/trial.ts'
import { sqlite } from './sqlite.ts'

function open(path: string): Database.Database {
  const database = new Database(path)
  onTestFinished(() => void database.close())
  return database
}

test('a store works on a connection of better-sqlite3', async () => {
  const database = open(tempFile())
  const store = await openStore(sqlite({ database }))
  const claim = await claimOne(store)
  await store.append(messages(3))
  await store.settle(claim, {
    reached: 3,
    done: [[1, 1]],
    exceptions: [{ position: 2, key: undefined, state: 'retrying', dueAt: 5, note: undefined }],
    work: (tx) => {
      expect(tx).toBe(database)
      database.exec('CREATE TABLE effect (text TEXT)')
      return [message('caused')]
    },
  })
  await store.release([claim])
  const again = await claimOne(store)
  expect([again.epoch, again.progress.cursor, again.isClean]).toEqual([2, 2, true])
  expect(await store.exceptions(again)).toMatchObject([{ position: 2, state: 'retrying', dueAt: 5 }])
  expect(await idsOf(store)).toEqual(['m2', 'm3', 'caused'])
})

test('a message is one with a transaction of better-sqlite3', async () => {
  const database = open(tempFile())
  const store = await openStore(sqlite({ database }))
  let appending: Promise<unknown> | undefined
  database.transaction(() => {
    appending = store.append([message('a')], database)
    expect(database.prepare('SELECT id FROM iambus_message').all()).toEqual([{ id: 'a' }])
  })()
  expect(await appending).toEqual([true])
  const failing = database.transaction(() => {
    void store.append([message('b')], database)
    throw new Error('rolled back')
  })
  expect(failing).toThrow('rolled back')
  await store.append([message('c')])
  expect(await idsOf(store)).toEqual(['a', 'c'])
})

test('what better-sqlite3 throws is told by what it means', async () => {
  const path = tempFile()
  open(path).exec('CREATE TABLE t (a)')
  const database = new Database(path, { readonly: true })
  onTestFinished(() => void database.close())
  await expect(openStore(sqlite({ database }))).rejects.toMatchObject({ code: 'STORE_READ_ONLY' })
})

test('a file that is open by another SQLite library of this process is refused', async () => {
  const path = tempFile()
  const database = open(path)
  const first = await openStore(sqlite({ database }))
  await first.close()
  await expect(openStore(sqlite(path))).rejects.toMatchObject({
    code: 'STORE_OWNED',
    message: expect.stringContaining('better-sqlite3'),
  })
  database.close()
  await openStore(sqlite(path))
})

test('how the caller reads rows does not matter', async () => {
  const path = tempFile()
  const database = open(path)
  database.defaultSafeIntegers(true)
  const store = await openStore(sqlite({ database }))
  await store.append(messages(2))
  const claim = await claimOne(store)
  await store.settle(claim, { reached: 2, done: [[1, 1]] })
  expect((await store.read(0, 0, 10)).map(({ position }) => position)).toEqual([2])
  expect((await store.stats()).messages).toBe(1)
})
