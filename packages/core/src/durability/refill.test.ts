import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { stopWithin } from '../../test/stop-within.ts'
import { quiet } from '../../test/quiet.ts'
import { silent } from '../../test/silent.ts'
import { Dispatcher } from '../dispatcher.ts'
import type { DispatcherOptions } from '../dispatcher-options.ts'
import { memory, type MemoryStore } from '../memory/index.ts'
import { defineEvent } from '../message/define.ts'
import type { DeadLetter } from '../ports/dead-letters.ts'
import { fixed } from '../routing/backoff.ts'
import { deadLetter, retry } from '../routing/recover.ts'

class Placed extends defineEvent<{ order: number }>('shop.placed') {}

const never = new Promise<never>(() => {})
const started: Dispatcher[] = []
let clock: ManualClock
let store: MemoryStore

beforeEach(() => {
  clock = new ManualClock()
  store = memory()
})

afterEach(async () => {
  for (const dp of started.splice(0)) await stopWithin(clock, dp)
})

/** A dispatcher with one handler, `a`. */
async function start(
  handle: (order: number, attempt: number) => unknown,
  options: DispatcherOptions = {},
  prepare: (dp: Dispatcher) => void = () => {},
): Promise<Dispatcher> {
  const dp = new Dispatcher({ store, logger: silent, clock, recover: deadLetter(), ...options })
  started.push(dp)
  dp.events.bind(Placed, ({ order }, { context }) => handle(order, context.attempt), { name: 'a' })
  prepare(dp)
  await dp.start()
  return dp
}

async function publish(dp: Dispatcher, orders: readonly number[], key?: string): Promise<void> {
  for (const order of orders) await dp.publish(new Placed({ order }), { key })
  await quiet()
}

describe('what was running when the process crashed', () => {
  test('runs again one at a time, beside what is new', async () => {
    await publish(await start(() => never), [1, 2, 3])
    store.crash()
    const running = new Set<number>()
    const ends: (() => void)[] = []
    const dp = await start((order) => {
      running.add(order)
      return new Promise<void>((resolve) => ends.push(() => resolve(void running.delete(order))))
    })
    await publish(dp, [10, 11])
    expect(running).toEqual(new Set([1, 10, 11]))
    ends.shift()?.()
    await quiet()
    expect(running).toEqual(new Set([10, 11, 2]))
  })

  test('and crashes it once more while it runs alone has failed by that; at last it is dead, and the others are done', async () => {
    const options = { recover: retry({ attempts: 3, backoff: fixed(100) }) }
    const done: number[] = []
    const handle = (order: number): unknown => {
      if (order === 2) {
        store.crash()
        return never
      }
      return void done.push(order)
    }
    const first = await start(() => never, options)
    await publish(first, [1, 2, 3])
    const failures: (readonly [number, string])[] = []
    let last: Dispatcher = first
    for (let life = 0; life < 5; life += 1) {
      store.crash()
      last = await start(handle, options, (dp) => {
        dp.observe('failed', ({ attempt, error }) => failures.push([attempt, (error as { code?: string }).code ?? '']))
      })
      await quiet()
      clock.advance(100)
      await quiet()
    }
    expect(failures).toEqual([
      [1, 'PROCESS_CRASHED'],
      [2, 'PROCESS_CRASHED'],
      [3, 'PROCESS_CRASHED'],
    ])
    expect(done).toEqual([1, 3])
    const { letters } = await last.deadLetters.list()
    expect(letters).toMatchObject([{ envelope: { message: { order: 2 } }, error: { code: 'PROCESS_CRASHED' } }])
    expect((letters[0] as DeadLetter).attempts).toHaveLength(3)
  })

  test('and is to be tried again does not wait for what is suspect behind it', async () => {
    const options = { recover: retry({ attempts: 3, backoff: fixed(100) }) }
    const seen: string[] = []
    const first = await start(() => never, options)
    await publish(first, [1, 2], 'k')
    await publish(first, [3], 'other')
    store.crash()
    await start((order) => {
      if (order === 1) store.crash()
      return never
    }, options)
    await quiet()
    await start((order, attempt) => void seen.push(`${order} attempt ${attempt}`), options)
    await quiet()
    expect(seen).toEqual(['3 attempt 1'])
    clock.advance(100)
    await quiet()
    expect(seen).toEqual(['3 attempt 1', '1 attempt 2', '2 attempt 1'])
  })

  test('and waits for another suspect to end, when the bus stops, runs again with the next start', async () => {
    const options = { recover: retry({ attempts: 3, backoff: fixed(100) }) }
    const first = await start(() => never, options)
    await publish(first, [1], 'k')
    await publish(first, [2], 'other')
    store.crash()
    await start(() => never, options)
    await quiet()
    store.crash()
    const seen: string[] = []
    const go = Promise.withResolvers<void>()
    const handle = async (order: number, attempt: number): Promise<void> => {
      if (order === 2) await go.promise
      seen.push(`${order} attempt ${attempt}`)
    }
    const last = await start(handle, options)
    await quiet()
    clock.advance(100)
    await quiet()
    expect(seen).toEqual([])
    go.resolve()
    await last.stop()
    await last.start()
    clock.advance(1)
    await quiet()
    expect(seen).toEqual(['2 attempt 1', '1 attempt 2'])
  })

  test('is not to blame where the next end is a stop', async () => {
    await publish(await start(() => never), [1])
    store.crash()
    const second = await start(() => never)
    await quiet()
    await stopWithin(clock, second)
    const seen: number[] = []
    const counts: unknown[] = []
    const third = await start(
      (order) => void seen.push(order),
      {},
      (dp) => dp.observe('suspects', (notice) => counts.push(notice)),
    )
    await quiet()
    expect(counts).toEqual([])
    expect(seen).toEqual([1])
    expect((await third.deadLetters.list()).letters).toEqual([])
  })

  test('keeps its attempts, and those that failed before are told with the last', async () => {
    const options = { recover: retry({ attempts: 3, backoff: fixed(100) }) }
    const boom = (order: number): never => {
      throw new Error(`boom ${order}`)
    }
    const first = await start(boom, options)
    await publish(first, [1])
    store.crash()
    const second = await start(boom, options)
    await quiet()
    clock.advance(100)
    await quiet()
    await stopWithin(clock, second)
    const third = await start(boom, options)
    await quiet()
    clock.advance(100)
    await quiet()
    const { letters } = await third.deadLetters.list()
    expect((letters[0] as DeadLetter).attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3])
  })

  test('was a replay, and is one again, once; what ends within its start holds up nobody', async () => {
    const first = await start(() => Promise.reject(new Error('no')))
    await publish(first, [1, 2])
    await stopWithin(clock, first)
    const second = await start(() => never)
    expect(await second.deadLetters.replay({})).toBe(2)
    await publish(second, [3])
    store.crash()
    const seen: number[] = []
    const third = await start((order) => void seen.push(order))
    await quiet()
    expect(new Set(seen)).toEqual(new Set([1, 2, 3]))
    expect(seen).toHaveLength(3)
    expect((await third.deadLetters.list()).letters).toEqual([])
  })
})
