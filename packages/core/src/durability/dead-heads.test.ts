import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { stopWithin } from '../../test/stop-within.ts'
import { quiet } from '../../test/quiet.ts'
import { silent } from '../../test/silent.ts'
import { Dispatcher } from '../dispatcher.ts'
import { memory } from '../memory/index.ts'
import { defineEvent } from '../message/define.ts'
import type { DeadLetter } from '../ports/dead-letters.ts'
import { fixed } from '../routing/backoff.ts'
import { deadLetter, retry } from '../routing/recover.ts'

class Placed extends defineEvent<{ order: number }>('shop.placed') {}

let clock: ManualClock
let dp: Dispatcher
/** Which orders run, by what ends them. */
let running: Map<number, () => void>
let started: number[]

beforeEach(() => {
  clock = new ManualClock()
  dp = new Dispatcher({ store: memory(), logger: silent, clock, onDead: 'park', recover: deadLetter() })
  running = new Map()
  started = []
})

afterEach(() => stopWithin(clock, dp))

async function run({ order }: Placed): Promise<void> {
  started.push(order)
  const { promise, resolve } = Promise.withResolvers<void>()
  running.set(order, resolve)
  await promise
}

/** The first is dead, since it ran out of time, and its handler still runs; the second waits behind it. */
async function overdue(): Promise<string> {
  dp.events.bind(Placed, run, { name: 'a', timeoutMs: 100 })
  await dp.start()
  for (const order of [1, 2]) await dp.publish(new Placed({ order }), { key: 'k' })
  await quiet()
  clock.advance(100)
  await quiet()
  return ((await dp.deadLetters.list()).letters[0] as DeadLetter).id
}

describe('a dead letter whose handler, which ran out of time, still runs', () => {
  test('is replayed when that has ended, before what is behind it', async () => {
    const id = await overdue()
    await dp.deadLetters.replay(id)
    await quiet()
    expect(started).toEqual([1])
    running.get(1)?.()
    await quiet()
    expect(started).toEqual([1, 1])
    running.get(1)?.()
    await quiet()
    expect(started).toEqual([1, 1, 2])
  })

  test('can be discarded: what is behind it runs when that has ended', async () => {
    await dp.deadLetters.discard(await overdue())
    await quiet()
    expect(started).toEqual([1])
    running.get(1)?.()
    await quiet()
    expect(started).toEqual([1, 2])
  })

  test('takes nothing along that waits behind it when it is erased', async () => {
    await overdue()
    // More than are in memory of one key: the last ones are set aside.
    for (let order = 3; order <= 80; order += 1) await dp.publish(new Placed({ order }), { key: 'k' })
    await quiet()
    await dp.deadLetters.erase({ key: 'k' })
    for (let order = 1; order <= 80; order += 1) {
      running.get(order)?.()
      await quiet()
    }
    expect(started).toEqual(Array.from({ length: 80 }, (_, index) => index + 1))
  })

  test('parks its key after a stop and a start, once that has ended; it is not run by itself', async () => {
    const id = await overdue()
    await stopWithin(clock, dp)
    await dp.start()
    await quiet()
    running.get(1)?.()
    await quiet()
    expect(started).toEqual([1])
    expect(await dp.deadLetters.get(id)).toMatchObject({ parked: 1 })
    await dp.deadLetters.discard(id)
    await quiet()
    expect(started).toEqual([1, 2])
  })

  test('can be replayed after a stop and a start before that has ended', async () => {
    const id = await overdue()
    await stopWithin(clock, dp)
    await dp.start()
    await dp.deadLetters.replay(id)
    await quiet()
    expect(started).toEqual([1])
    running.get(1)?.()
    await quiet()
    running.get(1)?.()
    await quiet()
    expect(started).toEqual([1, 1, 2])
  })
})

test('what waited when the bus stopped comes before what was set aside behind it', async () => {
  let fails = true
  const handle = async (event: Placed): Promise<void> => {
    await run(event)
    if (fails) throw new Error('no')
  }
  dp.events.bind(Placed, handle, { name: 'a', recover: retry({ attempts: 2, backoff: fixed(50) }) })
  await dp.start()
  for (const order of [1, 2]) await dp.publish(new Placed({ order }), { key: 'k' })
  await quiet()
  running.get(1)?.()
  await quiet()
  fails = false
  await dp.publish(new Placed({ order: 3 }), { key: 'k' }) // Its lane is held: it is set aside.
  await quiet()
  clock.advance(50)
  await quiet()
  const stopped = dp.stop()
  running.get(1)?.()
  await stopped
  await dp.start()
  for (const order of [2, 3]) {
    await quiet()
    running.get(order)?.()
  }
  await quiet()
  expect(started).toEqual([1, 1, 2, 3])
})
