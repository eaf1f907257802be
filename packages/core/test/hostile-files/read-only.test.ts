import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { busOn, codeOf, noticed, Placed, placed, tempFile } from './bus-file.ts'

function file(): DatabaseSync & { lock(): void; unlock(): void } {
  const database = new DatabaseSync(tempFile())
  onTestFinished(() => database.close())
  return Object.assign(database, {
    lock: () => database.exec('PRAGMA query_only = 1'),
    unlock: () => database.exec('PRAGMA query_only = 0'),
  })
}

test('a file that becomes read-only refuses publications, and holds what is done until it is writable again', async () => {
  const database = file()
  const dp = busOn(database)
  const starts: number[] = []
  dp.events.bind(
    Placed,
    ({ order }) => {
      starts.push(order)
      database.lock()
    },
    { name: 'a' },
  )
  const failing = noticed(dp, 'storeFailed')
  await dp.start()
  const outcomes = dp.publish(placed(1), { waitForResponse: true })
  expect(await failing).toMatchObject({ error: { code: 'STORE_READ_ONLY' } })
  expect(await codeOf(dp.publish(placed(2)))).toBe('STORE_READ_ONLY')
  database.unlock()
  expect(await outcomes).toMatchObject([{ status: 'done' }])
  expect(starts).toEqual([1])
})

test('stop() on a file that cannot be written ends, tells whoever waits, and a new start runs again what was not settled', async () => {
  const database = file()
  const dp = busOn(database)
  const starts: number[] = []
  const again = Promise.withResolvers<void>()
  dp.events.bind(
    Placed,
    ({ order }) => {
      if (starts.push(order) > 1) again.resolve()
      else database.lock()
    },
    { name: 'a' },
  )
  const failing = noticed(dp, 'storeFailed')
  const unclosed = noticed(dp, 'storeCloseFailed')
  await dp.start()
  const outcomes = dp.publish(placed(1), { waitForResponse: true })
  await failing
  await dp.stop({ deadlineMs: 20 })
  expect(await unclosed).toMatchObject({ error: { code: expect.stringMatching(/^STORE_/) } })
  expect(await outcomes).toMatchObject([{ status: 'stopped' }])
  expect(await codeOf(dp.start())).toBe('STORE_READ_ONLY')
  database.unlock()
  await dp.start()
  await again.promise
  expect(starts).toEqual([1, 1])
})
