import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { busOn, codeOf, handling, killed, noticed, Placed, placed, spoil, tempFile } from './bus-file.ts'

/** A file that was closed in order, with so many messages that wait: their handler was not there. */
async function waiting(count: number): Promise<string> {
  const path = tempFile()
  const first = busOn(path)
  first.events.bind(Placed, () => {}, { name: 'a' })
  await first.start()
  await first.stop()
  const second = busOn(path)
  second.events.bind('another', () => {}, { name: 'b' })
  second.events.bind(Placed, () => {}, { durable: false })
  await second.start()
  for (let order = 1; order <= count; order += 1) await second.publish(placed(order, `${order}`.repeat(1_000)))
  await second.stop()
  return path
}

/** Starts a dispatcher on it, twice: the first must not leave anything behind. Gives what it failed with. */
async function startTwice(path: string): Promise<unknown[]> {
  const dp = busOn(path)
  handling(dp, 1)
  return [await codeOf(dp.start()), await codeOf(dp.start())]
}

describe('a start is refused, with STORE_DAMAGED, again and again, on a file', () => {
  test('that is no database', async () => {
    const path = tempFile()
    writeFileSync(path, 'What is this? '.repeat(1_000))
    expect(await startTwice(path)).toEqual(['STORE_DAMAGED', 'STORE_DAMAGED'])
  })

  test('whose header was spoiled', async () => {
    const path = await waiting(3)
    spoil(path, 1, new Uint8Array(100).fill(0xa5))
    expect(await startTwice(path)).toEqual(['STORE_DAMAGED', 'STORE_DAMAGED'])
  })

  test('that was cut', async () => {
    const path = await waiting(50)
    truncateSync(path, 3 * 4_096)
    expect(await startTwice(path)).toEqual(['STORE_DAMAGED', 'STORE_DAMAGED'])
  })

  test.each(['iambus_log', 'iambus_claim', 'iambus_subscription', 'iambus_exception'])(
    'whose table %s was spoiled',
    async (table) => {
      const path = await waiting(3)
      spoil(path, table)
      expect(await startTwice(path)).toEqual(['STORE_DAMAGED', 'STORE_DAMAGED'])
    },
  )
})

describe('a file whose messages', () => {
  test('cannot be read is refused at the start', async () => {
    const path = await waiting(50)
    spoil(path, 'iambus_message')
    const dp = busOn(path)
    const { orders } = handling(dp, 50)
    await expect(dp.start()).rejects.toMatchObject({ code: 'STORE_DAMAGED' })
    await dp.stop()
    expect(orders).toEqual([])
  })

  test('are fine, and whose dead letters cannot be read, handles them, and says so to whoever looks', async () => {
    const path = await waiting(3)
    spoil(path, 'iambus_dead_letter')
    const dp = busOn(path)
    const { all } = handling(dp, 3)
    await dp.start()
    await all
    expect(await codeOf(dp.deadLetters.list())).toBe('STORE_DAMAGED')
  })

  test('have other bytes than were written has each of them as a dead letter, and handles the others', async () => {
    const path = await waiting(9)
    const bytes = readFileSync(path)
    // Also where it is no more: a page that was freed keeps its bytes.
    for (let at = 0; at >= 0; at = bytes.indexOf('5'.repeat(1_000), at)) if (at > 0) bytes.write('6', at + 50)
    writeFileSync(path, bytes)
    const dp = busOn(path)
    const { orders } = handling(dp, 10)
    const dead = noticed(dp, 'dead')
    await dp.start()
    await dp.publish(placed(10), { waitForResponse: true })
    expect(await dead).toMatchObject({ error: { name: 'CodecError' } })
    const { letters } = await dp.deadLetters.list()
    expect(letters).toHaveLength(1)
    expect([...orders, letters.length]).toHaveLength(10)
  })
})

describe('what is gone is reported, and a dispatcher goes on with what is left:', () => {
  /** A file, as it is after a crash in a handler. */
  async function crashed(): Promise<string> {
    const path = tempFile()
    const dp = busOn(path)
    dp.events.bind(Placed, () => new Promise(() => {}), { name: 'a' })
    await dp.start()
    await dp.publish(placed(7))
    return killed(path)
  }

  async function startsAfter(path: string): Promise<string> {
    const dp = busOn(path)
    handling(dp, 1)
    const lost = noticed(dp, 'storeLost')
    await dp.start()
    expect(await dp.publish(placed(1), { waitForResponse: true })).toMatchObject([{ status: 'done' }])
    return (await lost).text
  }

  test('a write-ahead log, after a crash', async () => {
    const copy = await crashed()
    rmSync(`${copy}-wal`)
    expect(await startsAfter(copy)).toMatch(/^sqlite bus.db has lost something|the last \d+ changes/)
  })

  test.each([
    ['the file', (path: string) => rmSync(path)],
    ['all of its bytes', (path: string) => truncateSync(path)],
  ])('%s, that its last owner had closed', async (_, take) => {
    const path = await waiting(3)
    take(path)
    expect(await startsAfter(path)).toContain(`${path} is missing or empty`)
  })

  test('the file, but not its write-ahead log, after a crash', async () => {
    const copy = await crashed()
    rmSync(copy)
    expect(await startsAfter(copy)).toContain(`${copy} is missing or empty`)
  })
})
