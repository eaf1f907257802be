import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { altered } from '../../test/altered-store.ts'
import { stopWithin } from '../../test/stop-within.ts'
import { quiet } from '../../test/quiet.ts'
import { silent } from '../../test/silent.ts'
import { Dispatcher } from '../dispatcher.ts'
import type { DispatcherOptions } from '../dispatcher-options.ts'
import { memory, type MemoryStore } from '../memory/index.ts'
import { defineEvent } from '../message/define.ts'
import type { Store } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'
import { faulty, type FaultyStore } from '../testing/faulty.ts'
import { deadLetter } from '../routing/recover.ts'

class Placed extends defineEvent<{ order: number }>('shop.placed') {}
class Shipped extends defineEvent<{ order: number }>('shop.shipped') {}

const started: Dispatcher[] = []
let clock: ManualClock
let inner: MemoryStore
let store: FaultyStore

beforeEach(() => {
  clock = new ManualClock()
  inner = memory()
  store = faulty(inner)
})

afterEach(async () => {
  store.heal()
  for (const dp of started.splice(0)) {
    await stopWithin(clock, dp)
  }
})

function dispatcher(options: DispatcherOptions = {}): Dispatcher {
  const dp = new Dispatcher({ store, logger: silent, clock, recover: deadLetter(), ...options })
  started.push(dp)
  return dp
}

describe('a start', () => {
  test('that fails in recovering closes the store: the next one can open it', async () => {
    const first = dispatcher()
    first.events.bind(Placed, () => new Promise(() => {}), { name: 'a' })
    await first.start()
    await first.publish(new Placed({ order: 1 }))
    await quiet()
    inner.crash()
    const seen: number[] = []
    const second = dispatcher()
    second.events.bind(Placed, ({ order }) => void seen.push(order), { name: 'a' })
    store.fail('STORE_FULL', ['settle', 'readAt', 'release'])
    await expect(second.start()).rejects.toMatchObject({ code: 'STORE_FULL' })
    store.heal()
    await second.start()
    await quiet()
    expect(seen).toEqual([1])
  })

  test('that fails in recovering forgets nothing of what may have crashed the process', async () => {
    const bind = (dp: Dispatcher): void => {
      dp.events.bind(Placed, () => new Promise(() => {}), { name: 'a' })
    }
    const first = dispatcher()
    bind(first)
    await first.start()
    for (const order of [1, 2, 3]) await first.publish(new Placed({ order }))
    await quiet()
    inner.crash()
    const second = dispatcher()
    bind(second)
    const suspects: number[] = []
    second.observe('suspects', ({ count }) => suspects.push(count))
    const running: number[] = []
    second.observe('started', () => running.push(1))
    store.fail('STORE_FULL', ['settle', 'readAt'])
    await expect(second.start()).rejects.toMatchObject({ code: 'STORE_FULL' })
    store.heal()
    await second.start()
    await quiet()
    expect(suspects).toEqual([3])
    expect(running).toHaveLength(1)
  })

  test('reads nothing new for a handler before what is left of it has come back', async () => {
    const bind = (dp: Dispatcher, handle: (name: string, order: number) => unknown): void => {
      for (const name of ['a', 'b']) {
        dp.events.bind(
          Placed,
          ({ order }, { context }) => {
            if (name === 'a' && order === 1) context.publish(new Shipped({ order }))
            return handle(name, order)
          },
          { name },
        )
      }
      dp.events.bind(Shipped, () => {}, { name: 'c' })
    }
    const first = dispatcher()
    bind(first, () => new Promise(() => {}))
    await first.start()
    for (const order of [1, 2, 3]) await first.publish(new Placed({ order }), { key: 'k' })
    await quiet()
    inner.crash()
    // What is published now is read after what had been started before the crash, also where `a` is done with that first.
    const between = dispatcher({ store: onlyPublishing(store) })
    between.events.bind(Placed, () => {}, { name: 'a' })
    between.events.bind(Placed, () => {}, { name: 'b' })
    between.events.bind(Shipped, () => {}, { name: 'c' })
    await between.start()
    await between.publish(new Placed({ order: 4 }), { key: 'k' })
    inner.crash()
    const seen: string[] = []
    const second = dispatcher({ store: slowToRecover(store, 'events/b') })
    bind(second, (name, order) => void seen.push(`${name}${order}`))
    await second.start()
    await quiet()
    expect(seen.filter((one) => one.startsWith('b'))).toEqual(['b1', 'b2', 'b3', 'b4'])
  })
})

/** A store of which nothing can be claimed. */
function onlyPublishing(of: Store): Store {
  return altered(of, () => ({ claim: async () => [] }))
}

/** A store that takes long to give the exceptions of a handler. */
function slowToRecover(of: Store, subscription: string): Store {
  return altered(of, (open) => ({
    exceptions: async (claim) => {
      if (claim.subscription === subscription) await quiet()
      return open.exceptions(claim)
    },
  }))
}

describe('a stop', () => {
  test('ends at its deadline while the store fails; the next start finds what could not be written', async () => {
    const seen: number[] = []
    const dp = dispatcher()
    const handle = ({ order }: Placed): void => {
      seen.push(order)
      if (seen.length === 1) store.fail('STORE_FULL')
    }
    dp.events.bind(Placed, handle, { name: 'a' })
    await dp.start()
    await dp.publish(new Placed({ order: 1 }), { key: 'k' })
    await quiet()
    expect(seen).toEqual([1])
    const failed: string[] = []
    dp.observe('storeCloseFailed', ({ error }) => failed.push(error.message))
    await dp.publish(new Placed({ order: 2 }), { key: 'k' }).catch(() => {})
    await quiet()
    let hasStopped = false
    const stopped = dp.stop({ deadlineMs: 1_000 }).then(() => (hasStopped = true))
    await quiet()
    clock.advance(1_000)
    await quiet()
    clock.advance(1_000)
    await quiet()
    expect(hasStopped).toBe(true)
    await stopped
    expect(failed).toHaveLength(1)
    expect(clock.refTimers).toBe(0)
    store.heal()
    await dp.start()
    await dp.publish(new Placed({ order: 3 }), { key: 'k' })
    await quiet()
    expect(seen.at(-1)).toBe(3)
    await dp.stop()
    expect(await left()).toBe(0)
  })

  test('waits for what its last deliveries cause in memory', async () => {
    const dp = dispatcher()
    const running = Promise.withResolvers<void>()
    const done: string[] = []
    dp.events.bind(
      Placed,
      async ({ order }, { context }) => {
        await running.promise
        context.publish(new Shipped({ order }))
      },
      { name: 'a' },
    )
    dp.events.bind(
      Shipped,
      async () => {
        await quiet()
        done.push('in memory')
      },
      { durable: false, name: 'b' },
    )
    await dp.start()
    await dp.publish(new Placed({ order: 1 }))
    await quiet()
    const stopped = dp.stop()
    running.resolve()
    await stopped
    expect(done).toEqual(['in memory'])
  })

  test('waits for what was published before it, and is stored only then', async () => {
    const dp = dispatcher()
    const done: number[] = []
    dp.events.bind(Placed, () => {}, { name: 'a' })
    dp.events.bind(
      Placed,
      async ({ order }) => {
        await quiet()
        done.push(order)
      },
      { durable: false, name: 'b' },
    )
    await dp.start()
    const published = dp.publish(new Placed({ order: 1 }))
    await dp.stop()
    await published
    expect(done).toEqual([1])
  })
})

async function left(): Promise<number> {
  const subscriptions = [{ name: 'events/a', formerly: [], types: ['shop.placed'], from: 'now' as const }]
  const open = await inner.open({ service: undefined, subscriptions, clock, wake: () => {} })
  const { messages } = await open.stats()
  await open.close()
  return messages
}

describe('what is accepted', () => {
  test('is told once for each handler, whoever published it, when it is stored', async () => {
    const dp = dispatcher()
    dp.events.bind(Placed, () => {}, { name: 'a' })
    dp.events.bind(Placed, () => {}, { name: 'b', durable: false })
    dp.events.bind(
      Shipped,
      ({ order }, { context }) => {
        context.publish(new Placed({ order }))
        context.publish(new Placed({ order: order + 1 }), { delayMs: 1_000 })
      },
      { name: 'c' },
    )
    const told: string[] = []
    dp.observe('accepted', ({ envelope, handlers }) => told.push(`${orderOf(envelope)} for ${handlers.join()}`))
    dp.observe('delayed', ({ envelope, dueAt }) => told.push(`${orderOf(envelope)} due at ${dueAt.getTime()}`))
    await dp.start()
    await dp.publish(new Placed({ order: 1 }))
    expect(told.splice(0)).toEqual(['1 for events/a', '1 for events/b'])
    await dp.publish(new Shipped({ order: 2 }))
    await quiet()
    expect(told.splice(0).sort()).toEqual([
      '2 for events/a',
      '2 for events/b',
      '2 for events/c',
      '3 due at 1000',
      '3 due at 1000',
    ])
  })
})

describe('what a handler causes with an id that the store has', () => {
  test('is a duplicate: it is told as one, and is not run again', async () => {
    const dp = dispatcher()
    const seen: string[] = []
    dp.events.bind(Placed, ({ order }) => void seen.push(`${order} in a`), { name: 'a' })
    dp.events.bind(Placed, ({ order }) => void seen.push(`${order} in b`), { name: 'b', durable: false })
    dp.events.bind(
      Shipped,
      ({ order }, { context }) => {
        context.publish(new Placed({ order }), { id: 'once' })
        context.publish(new Placed({ order: order + 1 }))
        context.publish(new Placed({ order: order + 2 }), { id: 'later', delayMs: 1_000 })
        context.publish(new Placed({ order: order + 3 }), { id: `the ${order}th` })
      },
      { name: 'c' },
    )
    const told: string[] = []
    dp.observe('accepted', ({ envelope, handlers }) => {
      if (handlers.includes('events/a')) told.push(`${orderOf(envelope)} is accepted`)
    })
    dp.observe('delayed', ({ envelope }) => told.push(`${orderOf(envelope)} is delayed`))
    dp.observe('duplicate', ({ id, type }) => told.push(`${id}, of ${type}, is a duplicate`))
    await dp.start()
    await dp.publish(new Shipped({ order: 10 }))
    await quiet()
    const first = ['10 is accepted', '11 is accepted', '12 is delayed', '13 is accepted']
    expect(told.splice(0)).toEqual([...first, '12 is delayed']) // For b, it waits in memory.
    expect(seen.splice(0).sort()).toEqual(['10 in a', '10 in b', '11 in a', '11 in b', '13 in a', '13 in b'])

    await Promise.all([dp.publish(new Shipped({ order: 20 })), dp.publish(new Shipped({ order: 30 }))])
    await quiet()
    const duplicates = ['later, of shop.placed, is a duplicate', 'once, of shop.placed, is a duplicate']
    const others = [21, 23, 31, 33]
    expect(told.sort()).toEqual([
      ...others.map((order) => `${order} is accepted`),
      ...duplicates.flatMap((one) => [one, one]),
    ])
    expect(seen.splice(0).sort()).toEqual(others.flatMap((order) => [`${order} in a`, `${order} in b`]))
    clock.advance(1_000)
    await quiet()
    expect(seen.sort()).toEqual(['12 in a', '12 in b'])
  })

  test('is told as one also where nobody listens for what is accepted', async () => {
    const dp = dispatcher()
    dp.events.bind(Placed, () => {}, { name: 'a' })
    dp.events.bind(Shipped, ({ order }, { context }) => context.publish(new Placed({ order }), { id: 'once' }), {
      name: 'b',
    })
    const told: string[] = []
    dp.observe('duplicate', ({ id }) => told.push(id))
    await dp.start()
    await dp.publish(new Placed({ order: 1 }), { id: 'once' })
    await dp.publish(new Shipped({ order: 2 }))
    await quiet()
    expect(told).toEqual(['once'])
  })

  test('is none where the store had it from the settlement itself, and only said that it had failed', async () => {
    let fails = 1
    const doubtful = altered(inner, (open) => ({
      settle: async (claim, settlement) => {
        const isNew = await open.settle(claim, settlement)
        if (isNew.length > 0 && fails-- > 0) throw new StoreFailed('STORE_FAILED', 'The connection was lost.')
        return isNew
      },
    }))
    const dp = dispatcher({ store: doubtful })
    const seen: string[] = []
    dp.events.bind(Placed, () => void seen.push('a'), { name: 'a' })
    dp.events.bind(Placed, () => void seen.push('b'), { name: 'b', durable: false })
    dp.events.bind(Shipped, ({ order }, { context }) => context.publish(new Placed({ order }), { id: 'once' }), {
      name: 'c',
    })
    dp.observe('duplicate', () => seen.push('duplicate'))
    await dp.start()
    await dp.publish(new Shipped({ order: 1 }))
    await quiet()
    expect(seen).toEqual(['a'])
    clock.advance(60_000)
    await quiet()
    expect(seen).toEqual(['a', 'b'])
  })
})

function orderOf({ message }: { readonly message: object | string }): number {
  return (message as Placed).order
}

describe('a log that cannot be read', () => {
  test('is read again after a time, and not each time that something is published', async () => {
    const dp = dispatcher({ store: faulty(inner, { on: 'read', times: 3, fail: 'STORE_DAMAGED' }) })
    const seen: number[] = []
    dp.events.bind(Placed, ({ order }) => void seen.push(order), { name: 'a' })
    const delays: number[] = []
    dp.observe('storeFailed', ({ delayMs }) => delays.push(delayMs))
    await dp.start()
    for (let order = 1; order <= 10; order += 1) await dp.publish(new Placed({ order }), { key: 'k' })
    await quiet()
    expect(delays).toHaveLength(1)
    expect(clock.timers).toBe(1)
    for (let failures = 1; failures <= 3; failures += 1) {
      expect(delays).toHaveLength(failures)
      expect(seen).toEqual([])
      clock.advance(delays.at(-1) as number)
      await quiet()
    }
    expect(delays).toEqual([...delays].sort((a, b) => a - b))
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })
})

describe('what is not due yet', () => {
  test('is taken back from its durable handlers and from those that are not', async () => {
    const dp = dispatcher()
    const seen: string[] = []
    dp.events.bind(Placed, () => void seen.push('durable'), { name: 'a' })
    dp.events.bind(Placed, () => void seen.push('in memory'), { durable: false })
    await dp.start()
    const cancelled: string[] = []
    dp.observe('cancelled', ({ id }) => cancelled.push(id))
    await dp.publish(new Placed({ order: 1 }), { id: 'x', delayMs: 1_000 })
    expect(await dp.cancel('x')).toBe(true)
    clock.advance(1_000)
    await quiet()
    expect(seen).toEqual([])
    expect(cancelled).toEqual(['x'])
    expect(await dp.cancel('x')).toBe(false)
  })

  test('runs once at each of its handlers, durable or not, whoever delays it', async () => {
    const dp = dispatcher()
    const seen: string[] = []
    for (const name of ['a', 'b']) {
      dp.events.bind(Placed, ({ order }) => void seen.push(`${name}${order}`), { name, durable: name === 'a' })
    }
    dp.events.bind(Shipped, ({ order }, { context }) => context.publish(new Placed({ order }), { delayMs: 1_000 }), {
      name: 'c',
    })
    await dp.start()
    await dp.publish(new Placed({ order: 1 }), { delayMs: 1_000 })
    await dp.publish(new Placed({ order: 2 }), { delayMs: 1_000, id: 'x' })
    await dp.publish(new Shipped({ order: 3 }))
    await quiet()
    clock.advance(1_000)
    await quiet()
    expect(seen.sort()).toEqual(['a1', 'a2', 'a3', 'b1', 'b2', 'b3'])
  })

  test('and repeats an id is given to none of its handlers', async () => {
    const dp = dispatcher()
    const seen: string[] = []
    dp.events.bind(Placed, () => void seen.push('durable'), { name: 'a' })
    dp.events.bind(Placed, () => void seen.push('in memory'), { durable: false })
    await dp.start()
    await dp.publish(new Placed({ order: 1 }), { id: 'x' })
    await dp.publish(new Placed({ order: 1 }), { id: 'x', delayMs: 1_000 })
    clock.advance(1_000)
    await quiet()
    expect(seen.sort()).toEqual(['durable', 'in memory'])
  })
})

describe('whoever waits for an event', () => {
  test('is told when it is parked behind a dead one, whether that died before or after', async () => {
    const dp = dispatcher({ onDead: 'park' })
    const fail = Promise.withResolvers<void>()
    dp.events.bind(
      Placed,
      async ({ order }) => {
        await fail.promise
        throw new Error(`no ${order}`)
      },
      { name: 'a' },
    )
    await dp.start()
    const waiting = Array.from({ length: 200 }, (_, order) => {
      return dp.publish(new Placed({ order }), { key: 'k', waitForResponse: true })
    })
    await quiet()
    fail.resolve()
    const [first, ...behind] = await Promise.all(waiting)
    expect(first).toMatchObject([{ status: 'dead' }])
    for (const outcomes of behind)
      expect(outcomes).toMatchObject([{ status: 'parked', error: { code: 'LANE_PARKED' } }])
    const parked: unknown[] = []
    dp.observe('parked', (notice) => parked.push(notice))
    const later = await dp.publish(new Placed({ order: 200 }), { key: 'k', waitForResponse: true })
    expect(later).toMatchObject([{ status: 'parked' }])
    await quiet()
    expect(parked).toHaveLength(1)
  })

  test('with an id that comes again is told of the first', async () => {
    const dp = dispatcher()
    const go = Promise.withResolvers<void>()
    dp.events.bind(Placed, () => go.promise, { name: 'a' })
    await dp.start()
    const first = dp.publish(new Placed({ order: 1 }), { id: 'x', waitForResponse: true })
    const second = dp.publish(new Placed({ order: 1 }), { id: 'x', waitForResponse: true })
    expect(await second).toMatchObject([{ status: 'skipped' }])
    go.resolve()
    expect(await first).toMatchObject([{ status: 'done' }])
  })
})
