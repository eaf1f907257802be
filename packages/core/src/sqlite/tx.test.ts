import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import { idsOf, message, messages, openStore, tempFile } from '../../test/sqlite/trial.ts'
import { sqlite } from './sqlite.ts'

function connect(path = tempFile()): DatabaseSync {
  const database = new DatabaseSync(path)
  onTestFinished(() => {
    if (database.isOpen) database.close()
  })
  return database
}

test('a tx is refused by a store that writes on a connection of its own, with what to do', async () => {
  const path = tempFile()
  const open = await openStore(sqlite(path))
  const database = connect(path)
  database.exec('BEGIN')
  const rejection = { code: 'FOREIGN_TRANSACTION', message: expect.stringContaining('sqlite({ database })') }
  await expect(open.append([message('a')], database)).rejects.toMatchObject(rejection)
})

test.each([
  ['another connection', () => connect(), 'not the connection'],
  ['something else', () => ({}), 'not the connection'],
])('%s is refused as tx', async (_, tx, why) => {
  const open = await openStore(sqlite({ database: connect() }))
  await expect(open.append([message('a')], tx())).rejects.toMatchObject({
    code: 'FOREIGN_TRANSACTION',
    message: expect.stringContaining(why),
  })
})

test('a connection without an open transaction is refused as tx', async () => {
  const database = connect()
  const open = await openStore(sqlite({ database }))
  await expect(open.append([message('a')], database)).rejects.toThrow('No transaction is open')
  expect(await idsOf(open)).toEqual([])
})

test('messages are written when the call returns, and other writes wait until the transaction has ended', async () => {
  const database = connect()
  const open = await openStore(sqlite({ database }))
  database.exec('BEGIN')
  void open.append(messages(2), database)
  expect(database.prepare('SELECT count(*) AS n FROM iambus_message').get()).toEqual({ n: 2 })
  let isStored = false
  const appending = open.append([message('other')]).then(() => (isStored = true))
  await new Promise((resolve) => setImmediate(resolve))
  expect(isStored).toBe(false)
  database.exec('ROLLBACK')
  await appending
  expect((await open.read(0, 0, 10)).map(({ position, id }) => [position, id])).toEqual([[1, 'other']])
})

test('what the caller takes back to a savepoint is taken back, and the rest is stored', async () => {
  const database = connect()
  const open = await openStore(sqlite({ database }))
  database.exec('BEGIN')
  await open.append([message('a')], database)
  database.exec('SAVEPOINT mine')
  await open.append([message('b', { mayRepeat: true })], database)
  database.exec('ROLLBACK TO mine')
  expect(await open.append([message('b', { mayRepeat: true })], database)).toEqual([true])
  database.exec('COMMIT')
  await open.append([message('c')])
  expect(await idsOf(open)).toEqual(['a', 'b', 'c'])
  expect((await open.stats()).messages).toBe(3)
})

test('an append that cannot be written takes nothing else of the transaction with it', async () => {
  const database = connect()
  const open = await openStore(sqlite({ database }))
  database.exec('BEGIN; CREATE TABLE own (a)')
  // What the types refuse, the table refuses too.
  const wrong = { ...message('b'), type: null as unknown as string }
  await expect(open.append([message('a'), wrong], database)).rejects.toMatchObject({ code: 'STORE_FAILED' })
  database.exec('COMMIT')
  expect(database.prepare('SELECT * FROM own').all()).toEqual([])
  expect(await idsOf(open)).toEqual([])
})

test('the bus is woken when the transaction has ended, and nothing looks for its end before it began or after', async () => {
  const database = connect()
  const wake = vi.fn()
  const open = await openStore(sqlite({ database }), { wake })
  const timeout = vi.spyOn(globalThis, 'setTimeout')
  onTestFinished(() => timeout.mockRestore())
  database.exec('BEGIN')
  await open.append([message('a')], database)
  await open.append([message('b')], database)
  await vi.waitUntil(() => timeout.mock.calls.some(([, ms]) => ms === 1))
  expect(wake).not.toHaveBeenCalled()
  database.exec('COMMIT')
  await vi.waitUntil(() => wake.mock.calls.length > 0)
  expect(wake).toHaveBeenCalledTimes(1)
  expect(await idsOf(open)).toEqual(['a', 'b'])
})

test('a store does not begin in the middle of a transaction', async () => {
  const database = connect()
  database.exec('BEGIN')
  await expect(openStore(sqlite({ database }))).rejects.toThrow('a transaction is open')
})

test('closing the store leaves the connection of the caller open', async () => {
  const database = connect()
  const open = await openStore(sqlite({ database }))
  await open.append([message('a')])
  await open.close()
  expect(database.prepare('SELECT id FROM iambus_message').all()).toEqual([{ id: 'a' }])
})
