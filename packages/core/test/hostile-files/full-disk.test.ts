import { rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { busOn, codeOf, handling, noticed, Placed, placed, tempFile } from './bus-file.ts'

interface Disk {
  readonly database: DatabaseSync
  readonly fill: () => void
  readonly makeRoom: () => void
}

/** A file that may not grow: for SQLite, a disk without room. */
function disk(): Disk {
  const database = new DatabaseSync(tempFile())
  onTestFinished(() => database.close())
  database.exec('CREATE TABLE effects (name TEXT)')
  return {
    database,
    fill: () => database.exec('PRAGMA max_page_count = 1'),
    makeRoom: () => database.exec('PRAGMA max_page_count = 1000000'),
  }
}

// oxlint-disable-next-line unbound-method -- it is called with its own `this`.
const original = DatabaseSync.prototype.exec
const large = 'x'.repeat(20_000)

describe('when the disk is full', () => {
  test('publications are rejected as that, nothing of them is handled, and all goes on when there is room', async () => {
    const { database, fill, makeRoom } = disk()
    const dp = busOn(database)
    const { orders, all } = handling(dp, 2)
    await dp.start()
    await dp.publish(placed(1, large))
    fill()
    const refused = [2, 3, 4].map((order) => codeOf(dp.publish(placed(order, large), { id: `${order}` })))
    expect(await Promise.all(refused)).toEqual(['STORE_FULL', 'STORE_FULL', 'STORE_FULL'])
    makeRoom()
    await dp.publish(placed(2, large), { id: '2' })
    await all
    expect(orders).toEqual([1, 2])
  })

  test('what has failed meanwhile is held, said once a try, and written when there is room', async () => {
    const { database, fill, makeRoom } = disk()
    const dp = busOn(database)
    const starts: number[] = []
    dp.events.bind(
      Placed,
      ({ order }) => {
        if (starts.push(order) > 1) return
        fill()
        throw new Error(large)
      },
      { name: 'a' },
    )
    await dp.start()
    const failing = noticed(dp, 'storeFailed')
    const outcomes = dp.publish(placed(1), { waitForResponse: true })
    expect(await failing).toMatchObject({ handler: 'events/a', error: { code: 'STORE_FULL' }, delayMs: 100 })
    expect(starts).toEqual([1])
    makeRoom()
    expect(await outcomes).toMatchObject([{ status: 'done' }])
    expect(starts).toEqual([1, 1])
  })

  test('a commit is rejected in its handler, and its effects are there once when there is room', async () => {
    const { database, fill, makeRoom } = disk()
    const dp = busOn(database)
    const refusals: unknown[] = []
    dp.events.bind(
      Placed,
      async (_event, { context }) => {
        if (refusals.length === 0) fill()
        try {
          await context.commit((tx) => tx.prepare('INSERT INTO effects VALUES (?)').run(large))
        } catch (error) {
          refusals.push((error as { code: unknown }).code)
          makeRoom()
          throw error
        }
      },
      { name: 'a' },
    )
    await dp.start()
    expect(await dp.publish(placed(1), { waitForResponse: true })).toMatchObject([{ status: 'done' }])
    expect(refusals).toEqual(['STORE_FULL'])
    expect(database.prepare('SELECT count(*) AS count FROM effects').get()).toEqual({ count: 1 })
  })

  test('stop() ends, says what it could not write, and a new start runs that again', async () => {
    const { database, fill, makeRoom } = disk()
    const dp = busOn(database)
    let starts = 0
    const again = Promise.withResolvers<void>()
    dp.events.bind(
      Placed,
      () => {
        starts += 1
        if (starts > 1) return again.resolve()
        fill()
        throw new Error(large)
      },
      { name: 'a' },
    )
    const failing = noticed(dp, 'storeFailed')
    const unclosed = noticed(dp, 'storeCloseFailed')
    await dp.start()
    await dp.publish(placed(1))
    await failing
    await dp.stop({ deadlineMs: 20 })
    expect(await unclosed).toMatchObject({ error: { code: expect.stringMatching(/STORE_/) } })
    expect(starts).toBe(1)
    makeRoom()
    await dp.start()
    await again.promise
    expect(starts).toBe(2)
  })

  test.each([
    ['while somebody else has it open, is missed', true, 1],
    ['that is moved after all, is not', false, 0],
  ])('a close without room for a checkpoint leaves no lock; its write-ahead log, %s', async (_, isRead, losses) => {
    const path = tempFile()
    const dp = busOn(path)
    const lost: string[] = []
    dp.observe('storeLost', ({ text }) => lost.push(text))
    handling(dp, 1)
    const unclosed = noticed(dp, 'storeCloseFailed')
    await dp.start()
    const reader = new DatabaseSync(path, { readOnly: true })
    reader.prepare('SELECT count(*) FROM iambus_log').get()
    if (!isRead) reader.close()
    const exec = vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (this: DatabaseSync, sql) {
      if (!sql.includes('wal_checkpoint')) return original.call(this, sql)
      throw Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 })
    })
    await dp.stop()
    exec.mockRestore()
    expect(await unclosed).toMatchObject({ error: { code: 'STORE_FULL' } })
    if (isRead) {
      rmSync(`${path}-wal`)
      reader.close()
    }
    await dp.start()
    expect(lost).toHaveLength(losses)
  })
})
