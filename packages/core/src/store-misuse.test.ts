import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silent } from '../test/silent.ts'
import { Dispatcher } from './dispatcher.ts'
import type { DispatcherOptions } from './dispatcher-options.ts'
import { memory } from './memory/index.ts'
import { defineEvent } from './message/define.ts'
import { deadLetter } from './routing/recover.ts'
import { sqlite } from './sqlite/index.ts'

class Placed extends defineEvent<{ order: number; text?: string }>('shop.placed') {}
class Shipped extends defineEvent<{ order: number }>('shop.shipped') {}

const started: Dispatcher[] = []
let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iambus-misuse-'))
  path = join(folder, 'bus.db')
})

afterEach(async () => {
  for (const dp of started.splice(0)) await dp.stop({ deadlineMs: 0 })
  rmSync(folder, { recursive: true })
})

function dispatcher(options: DispatcherOptions = {}): Dispatcher {
  const dp = new Dispatcher({ store: sqlite(path), logger: silent, recover: deadLetter(), ...options })
  started.push(dp)
  return dp
}

function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'done',
    (error: { code?: unknown }) => error.code,
  )
}

describe('a transaction of the caller that stays open', () => {
  test('is waited for as long as commitTimeoutMs: then what waits is told so, and all goes on when it has ended', async () => {
    const database = new DatabaseSync(path)
    const dp = dispatcher({ store: sqlite({ database }, { commitTimeoutMs: 20 }) })
    const seen: number[] = []
    dp.events.bind(Placed, ({ order }) => void seen.push(order), { name: 'a' })
    await dp.start()
    database.exec('BEGIN')
    const forgotten = dp.publish(new Placed({ order: 1 })) // Without { tx }.
    await expect(forgotten).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringContaining('a transaction of yours has been open'),
    })
    database.exec('COMMIT')
    await dp.publish(new Placed({ order: 2 }), { waitForResponse: true })
    expect(seen).toEqual([2])
    await dp.stop()
    database.close()
  })

  test('does not keep stop() beyond its deadline', async () => {
    const database = new DatabaseSync(path)
    const dp = dispatcher({ store: sqlite({ database }, { commitTimeoutMs: 20 }) })
    dp.events.bind(Placed, () => {}, { name: 'a' })
    await dp.start()
    const failed: string[] = []
    dp.observe('storeCloseFailed', ({ error }) => failed.push(error.message))
    database.exec('BEGIN')
    await dp.stop({ deadlineMs: 10 })
    expect(failed).not.toEqual([])
    database.exec('ROLLBACK')
    database.close()
  })
})

test('dead letters are not said to be none while the store is not open', async () => {
  const store = memory()
  const dp = dispatcher({ store })
  dp.events.bind(
    Placed,
    () => {
      throw new Error('no')
    },
    { name: 'a' },
  )
  expect(await codeOf(dp.deadLetters.list())).toBe('NOT_ACCEPTING')
  await dp.start()
  await dp.publish(new Placed({ order: 1 }), { waitForResponse: true })
  expect((await dp.deadLetters.list()).letters).toHaveLength(1)
  await dp.stop()
  for (const ask of [
    dp.deadLetters.list(),
    dp.deadLetters.get('x'),
    dp.deadLetters.discard({}),
    dp.deadLetters.erase({ key: 'k' }),
    dp.deadLetters.replay({}),
  ]) {
    expect(await codeOf(ask)).toBe('NOT_ACCEPTING')
  }
})

test('a file has one owner, also by a link to it', async () => {
  writeFileSync(path, '')
  symlinkSync(path, join(folder, 'link.db'))
  const first = dispatcher()
  first.events.bind(Placed, () => {}, { name: 'a' })
  await first.start()
  const second = dispatcher({ store: sqlite(join(folder, 'link.db')) })
  second.events.bind(Placed, () => {}, { name: 'a' })
  expect(await codeOf(second.start())).toBe('STORE_OWNED')
})

test('the capacity holds back what is published side by side', async () => {
  const dp = dispatcher({ capacity: { high: 10, low: 5 }, whenFull: 'throw' })
  dp.events.bind(Placed, () => {}, { name: 'a' })
  await dp.start()
  const published = await Promise.all(
    Array.from({ length: 50 }, (_, order) => codeOf(dp.publish(new Placed({ order })))),
  )
  expect(published.filter((code) => code === 'done')).toHaveLength(10)
  expect(published.filter((code) => code === 'QUEUE_FULL')).toHaveLength(40)
})

test('a commit that nobody awaits is no unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const listen = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', listen)
  try {
    const dp = dispatcher()
    dp.events.bind(Placed, (_event, { context }) => void context.commit(() => {}), { name: 'a' })
    await dp.start()
    const [outcome] = await dp.publish(new Placed({ order: 1 }), { waitForResponse: true })
    expect(outcome).toMatchObject({ status: 'dead', error: { code: 'ATTEMPT_ENDED' } })
    await dp.stop()
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.off('unhandledRejection', listen)
  }
  expect(unhandled).toEqual([])
})

test('what is forgotten is said, and so is a name that none can have', async () => {
  const first = dispatcher()
  first.events.bind(Placed, () => new Promise(() => {}), { name: 'old' })
  await first.start()
  for (let order = 0; order < 3; order += 1) await first.publish(new Placed({ order }), { key: 'k' })
  await first.stop({ deadlineMs: 0 })
  expect(() => sqlite(path, { forget: ['old'] })).toThrow(
    "Pass the whole names of handlers, as ['events/update-search']",
  )
  const second = dispatcher({ store: sqlite(path, { forget: ['events/old'] }) })
  const forgotten: unknown[] = []
  second.observe('forgotten', ({ handler, pending }) => forgotten.push([handler, pending]))
  second.events.bind(Shipped, () => {}, { name: 'new' })
  await second.start()
  await second.publish(new Shipped({ order: 1 }), { waitForResponse: true })
  expect(forgotten).toEqual([['events/old', expect.any(Number)]])
})

test('a message that is too large says by which option it may be larger', async () => {
  const large = new Placed({ order: 1, text: 'x'.repeat(2_000_000) })
  const first = dispatcher()
  first.events.bind(Placed, () => {}, { name: 'a' })
  await first.start()
  await expect(first.publish(large)).rejects.toMatchObject({
    code: 'TOO_LARGE',
    message: expect.stringContaining('give the codec larger maxBytes'),
  })
  await first.stop()
  const second = dispatcher({ codec: { maxBytes: 3_000_000 } })
  second.events.bind(Placed, () => {}, { name: 'a' })
  await second.start()
  expect(await second.publish(large, { waitForResponse: true })).toMatchObject([{ status: 'done' }])
})

test('a URL is no path', () => {
  expect(() => sqlite('file:///tmp/bus.db')).toThrow('not a URL')
})
