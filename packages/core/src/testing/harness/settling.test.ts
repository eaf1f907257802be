import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Dispatcher, defineCommand, defineEvent, defineQuery, fixed, retry, RetryLater } from '../../index.ts'
import { memory } from '../../memory/index.ts'
import { sqlite } from '../../sqlite/index.ts'
import { NotSettled, testDispatcher } from '../index.ts'
import type { TestDispatcherOptions } from './test-dispatcher.ts'

class Ordered extends defineEvent<{ n: number }>('shop.ordered') {}
class Charge extends defineCommand<{ n: number }>('shop.charge') {}
class Price extends defineQuery<{ n: number }, number>('shop.price') {}

const MINUTE = 60_000
const path = join(tmpdir(), `iambus-settling-${process.pid}.db`)
const stores: Record<string, () => TestDispatcherOptions> = {
  'without a store': () => ({}),
  'with a store in memory': () => ({ store: memory() }),
  'with a store in a file': () => ({ store: sqlite(path) }),
}

afterEach(() => {
  for (const suffix of ['', '-wal', '-shm', '.owner']) rmSync(path + suffix, { force: true })
})

describe.each(Object.entries(stores))('%s, settled()', (_, options) => {
  test('waits for what handlers cause, to the end', async () => {
    await using harness = testDispatcher(options())
    const done: number[] = []
    harness.dp.events.bind(Ordered, ({ n }, { context }) => context.send(new Charge({ n })), { name: 'charge' })
    harness.dp.commands.bind(Charge, async ({ n }) => void (await nextTurn(), done.push(n)), { name: 'do-charge' })
    await harness.start()
    for (let n = 0; n < 100; n += 1) await harness.dp.publish(new Ordered({ n }), { key: `${n % 3}` })
    await harness.settled()
    expect(done.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_none, n) => n))
  })

  test('goes through retries, however far apart', async () => {
    await using harness = testDispatcher({ ...options(), recover: retry({ attempts: 3, backoff: fixed(20 * MINUTE) }) })
    harness.dp.events.bind(Ordered, () => Promise.reject(new Error('no')), { name: 'never' })
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 1 }), { key: 'a' })
    await harness.settled()
    expect(harness.deliveries()).toMatchObject([{ attempts: 3, outcome: 'dead' }])
    expect(harness.clock.monotonic()).toBe(40 * MINUTE)
  })

  test('goes through delays, also of what handlers cause', async () => {
    await using harness = testDispatcher(options())
    harness.dp.events.bind(
      Ordered,
      ({ n }, { context }) =>
        n < 3 ? context.publish(new Ordered({ n: n + 1 }), { delayMs: 100 * MINUTE }) : undefined,
      { name: 'again' },
    )
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 1 }), { delayMs: 100 * MINUTE })
    await harness.settled()
    expect(harness.published(Ordered).map(({ n }) => n)).toEqual([1, 2, 3])
    expect(harness.deliveries({ handler: 'again' }).map(({ outcome }) => outcome)).toEqual(['done', 'done', 'done'])
    expect(harness.clock.monotonic()).toBe(300 * MINUTE)
  })

  test('leaves what is parked, and what is dead', async () => {
    await using harness = testDispatcher({ ...options(), onDead: 'park' })
    harness.dp.events.bind(Ordered, () => Promise.reject(new Error('no')), {
      name: 'never',
      recover: retry({ attempts: 1 }),
    })
    await harness.start()
    for (let n = 0; n < 3; n += 1) await harness.dp.publish(new Ordered({ n }), { key: 'a' })
    await harness.settled()
    expect(harness.deliveries().map(({ outcome }) => outcome)).toEqual(['dead', 'parked', 'parked'])
    await harness.dp.publish(new Ordered({ n: 3 }), { key: 'a' })
    await harness.settled()
    expect(harness.deliveries().map(({ outcome }) => outcome)).toEqual(['dead', 'parked', 'parked', 'parked'])
  })

  test('passes by a message that nobody handles, and one that another handler takes', async () => {
    await using harness = testDispatcher({ ...options(), messages: [Ordered] })
    harness.dp.commands.bind(Charge, () => {}, { name: 'charge' })
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 1 }))
    await harness.settled()
    expect(harness.published(Ordered)).toEqual([new Ordered({ n: 1 })])
  })
})

describe('settled()', () => {
  test('waits for real work in real time, and the clock stands still meanwhile', async () => {
    await using harness = testDispatcher()
    const { promise, resolve } = Promise.withResolvers<void>()
    harness.dp.events.bind(Ordered, () => promise, { name: 'slow', timeoutMs: 10 })
    harness.dp.events.bind(Ordered, () => {}, { name: 'quick' })
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 1 }))
    const settled = harness.settled()
    for (let turn = 0; turn < 10; turn += 1) await nextTurn()
    resolve()
    await settled
    expect(harness.deliveries({ handler: 'slow' })).toMatchObject([{ outcome: 'done' }])
    expect(harness.clock.monotonic()).toBe(0)
  })

  test('moves the clock on for a handler that sleeps on it', async () => {
    await using harness = testDispatcher()
    const { clock } = harness
    harness.dp.events.bind(Ordered, () => new Promise<void>((resolve) => void clock.after(5_000, resolve)))
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 1 }))
    await harness.settled()
    expect(clock.monotonic()).toBe(5_000)
  })

  test('moves the clock on for a handler whose request waits behind a retry', async () => {
    await using harness = testDispatcher({ recover: retry({ attempts: 2, backoff: fixed(5_000) }) })
    let failures = 0
    harness.dp.commands.bind(Charge, () => {
      failures += 1
      if (failures === 1) throw new Error('not yet')
    })
    harness.dp.events.bind(Ordered, ({ n }, { context }) => context.request(new Charge({ n }), { key: 'a' }))
    await harness.start()
    await harness.dp.send(new Charge({ n: 1 }), { key: 'a' })
    await harness.dp.publish(new Ordered({ n: 2 }))
    await harness.settled()
    expect(harness.deliveries().map(({ outcome }) => outcome)).toEqual(['done', 'done', 'done'])
  })

  test('does not wait for schedules, which the clock reaches', async () => {
    await using harness = testDispatcher()
    harness.dp.events.bind(Ordered, () => {})
    harness.dp.schedule('hourly', { everyMs: 60 * MINUTE }, () => new Ordered({ n: 1 }))
    await harness.start()
    await harness.settled()
    expect(harness.published(Ordered)).toEqual([])
    await harness.clock.advance(3 * 60 * MINUTE)
    await harness.clock.runUntilSettled()
    expect(harness.published(Ordered)).toHaveLength(3)
  })

  test('is not held up by fake timers of the test', async () => {
    vi.useFakeTimers()
    try {
      const harness = testDispatcher()
      harness.dp.events.bind(Ordered, () => {})
      await harness.start()
      await harness.dp.publish(new Ordered({ n: 1 }), { delayMs: 1_000 })
      await harness.settled()
      expect(harness.deliveries()).toMatchObject([{ outcome: 'done' }])
    } finally {
      vi.useRealTimers()
    }
  })

  test('is at once over before the start, and after the stop', async () => {
    const harness = testDispatcher()
    harness.dp.events.bind(Ordered, () => {})
    await expect(harness.settled()).resolves.toBeUndefined()
    await harness.start()
    await harness.stop()
    await expect(harness.settled()).resolves.toBeUndefined()
  })
})

describe('where a program does not come to rest, settled() rejects, and says', () => {
  const forever = (): Promise<void> => new Promise(() => {})
  const refusal = async (settled: Promise<void>): Promise<NotSettled> => {
    const error: unknown = await settled.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(NotSettled)
    return error as NotSettled
  }

  test('which handler runs, and who waits behind it', async () => {
    const harness = testDispatcher()
    harness.dp.events.bind(Ordered, forever, { name: 'hangs', timeoutMs: 70_000 })
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 1 }), { key: 'a' })
    await harness.dp.publish(new Ordered({ n: 2 }), { key: 'a' })
    const { code, message, waiting } = await refusal(harness.settled({ timeoutMs: 10 }))
    expect(code).toBe('NOT_SETTLED')
    expect(message).toContain('nothing has happened for 10 ms')
    expect(message).toContain('clock.advance(70000)')
    expect(waiting).toMatchObject([
      expect.stringMatching(
        /^events\/hangs with shop.ordered \{ n: 1 \} of the key 'a' runs \(attempt 1, .* since 2025-/,
      ),
      expect.stringMatching(
        /\{ n: 2 \} of the key 'a' waits in the lane .* behind events\/hangs with .*\{ n: 1 \}.* runs/,
      ),
      'the next timer of the clock is due in 70000 ms',
    ])
    await harness.clock.advance(70_000)
    expect(harness.deliveries()).toMatchObject([{ outcome: 'dead' }, {}])
    await harness.stop({ deadlineMs: 0 })
  })

  test('which request a handler waits for', async () => {
    const harness = testDispatcher()
    harness.dp.queries.bind(Price, () => new Promise<number>(() => {}), { name: 'price' })
    harness.dp.events.bind(Ordered, async ({ n }, { context }) => void (await context.request(new Price({ n }))), {
      name: 'asks',
    })
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 1 }))
    const { waiting } = await refusal(harness.settled({ timeoutMs: 10 }))
    expect(waiting.join('\n')).toMatch(
      /events\/asks .* waits for the answer of queries\/price with shop.price \{ n: 1 \}/,
    )
    await harness.stop({ deadlineMs: 0 })
  })

  test('who waits for a worker', async () => {
    const harness = testDispatcher({ workers: 1 })
    harness.dp.events.bind(Ordered, forever)
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 1 }))
    await harness.dp.publish(new Ordered({ n: 2 }))
    const { waiting } = await refusal(harness.settled({ timeoutMs: 10 }))
    expect(waiting[1]).toMatch(/\{ n: 2 \} waits for a worker/)
    await harness.stop({ deadlineMs: 0 })
  })

  test('that it goes on for ever', async () => {
    const harness = testDispatcher({
      recover: () => ({ outcome: 'retry', delayMs: 1, isFree: true }),
    })
    harness.dp.events.bind(Ordered, () => {
      throw new RetryLater(1)
    })
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 1 }))
    const { message } = await refusal(harness.settled())
    expect(message).toMatch(/it goes on and on: after \d+ ms of the clock/)
    expect(message).toMatch(/waits for its attempt 1 after RetryLater/)
    await harness.stop({ deadlineMs: 0 })
  })
})

test('a store that fails is waited for through its backoff', async () => {
  const store = memory()
  let failures = 0
  await using harness = testDispatcher({
    make: (options) => new Dispatcher({ ...options, store: failing(store, () => (failures += 1) <= 3) }),
  })
  harness.dp.events.bind(Ordered, () => {}, { name: 'a' })
  await harness.start()
  await harness.dp.publish(new Ordered({ n: 1 }))
  await harness.settled()
  expect(harness.deliveries()).toMatchObject([{ outcome: 'done' }])
  expect(harness.log.some(({ text }) => text.includes('fails, and is tried again'))).toBe(true)
})

/** The same store, whose settlements fail while it says so. */
function failing<S extends ReturnType<typeof memory>>(store: S, isFailing: () => boolean): S {
  const open: S['open'] = async (opening) => {
    const opened = await store.open(opening)
    const settle: typeof opened.settle = async (...of) => {
      if (isFailing()) throw new Error('the disk is full')
      return opened.settle(...of)
    }
    return new Proxy(opened, {
      get: (target, name) => {
        if (name === 'settle') return settle
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }
  return Object.assign(Object.create(store) as S, { open })
}
