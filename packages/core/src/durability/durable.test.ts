import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { silent } from '../../test/silent.ts'
import { Dispatcher } from '../dispatcher.ts'
import type { DispatcherOptions } from '../dispatcher-options.ts'
import { memory } from '../memory/index.ts'
import { defineCommand, defineEvent, defineQuery } from '../message/define.ts'
import type { Store } from '../ports/store.ts'
import { deadLetter, retry } from '../routing/recover.ts'
import { immediate } from '../routing/backoff.ts'
import { sqlite } from '../sqlite/index.ts'

class Placed extends defineEvent<{ order: number }>('shop.placed') {}
class Listed extends defineEvent<{ books: string[]; at: Date | null }>('shop.listed') {}
class Shipped extends defineEvent<{ order: number }>('shop.shipped') {}
class PriceOf extends defineQuery<{ book: string }, string>('shop.price-of') {}
class Ship extends defineCommand<{ order: number }>('shop.ship') {}

let directory: string
const started: Dispatcher[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'iambus-durable-'))
})

afterEach(async () => {
  for (const dp of started.splice(0)) await dp.stop()
  rmSync(directory, { recursive: true })
})

const stores: Record<string, () => Store> = {
  memory: () => memory(),
  sqlite: () => sqlite(join(directory, 'bus.db')),
}

function dispatcher(store: Store, options: DispatcherOptions = {}): Dispatcher {
  const dp = new Dispatcher({ store, logger: silent, ...options })
  started.push(dp)
  return dp
}

describe.each(Object.keys(stores))('a durable handler, on %s', (name) => {
  let store: Store
  beforeEach(() => {
    store = (stores[name] as () => Store)()
  })

  test('gives each of its requests an id of its own, the same at each attempt', async () => {
    const dp = dispatcher(store)
    const ids: string[][] = []
    const done = Promise.withResolvers<void>()
    dp.queries.bind(PriceOf, (_, { context }) => context.id, { name: 'price' })
    dp.events.bind(
      Placed,
      async (_, { context }) => {
        context.publish(new Shipped({ order: 1 }))
        const asked = [
          context.request(new PriceOf({ book: 'Emma' })),
          context.request(new PriceOf({ book: 'Persuasion' })),
        ]
        ids.push(await Promise.all(asked))
        if (context.attempt === 1) throw new Error('once more')
        done.resolve()
      },
      { name: 'a', recover: retry({ attempts: 2, backoff: immediate() }) },
    )
    await dp.start()
    await dp.publish(new Placed({ order: 1 }))
    await done.promise
    expect(new Set(ids[0]).size).toBe(2)
    expect(ids[1]).toEqual(ids[0])
  })

  test('handles what is published, each of a key in order', async () => {
    const dp = dispatcher(store)
    const seen: number[] = []
    const all = Promise.withResolvers<void>()
    dp.events.bind(
      Placed,
      async ({ order }) => {
        if (seen.push(order) === 500) all.resolve()
      },
      { name: 'a' },
    )
    await dp.start()
    const published = Array.from({ length: 500 }, (_, order) => dp.publish(new Placed({ order }), { key: 'k' }))
    await Promise.all(published)
    await all.promise
    expect(seen).toEqual(Array.from({ length: 500 }, (_, order) => order))
  })

  test('gets what was published as it was then, of its class, whatever is done to it since', async () => {
    const dp = dispatcher(store)
    const got: Listed[] = []
    dp.events.bind(Listed, (listed) => void got.push(listed), { name: 'list' })
    await dp.start()
    const listed = new Listed({ books: ['Emma'], at: new Date(0) })
    const plain = new Listed({ books: ['Emma'], at: null })
    const published = [dp.publish(listed), dp.publish(plain)]
    for (const { books } of [listed, plain]) books.push('Persuasion')
    await Promise.all(published)
    for (const { books } of [listed, plain]) books.push('Sanditon')
    await vi.waitUntil(() => got.length === 2)
    expect(got).toEqual([new Listed({ books: ['Emma'], at: new Date(0) }), new Listed({ books: ['Emma'], at: null })])
    expect(got.every((one) => one instanceof Listed && one !== listed && one !== plain)).toBe(true)
  })

  test('handles after a restart what was published before it', async () => {
    const first = dispatcher(store)
    first.events.bind(Placed, async () => new Promise(() => {}), { name: 'a' })
    await first.start()
    for (let order = 0; order < 10; order += 1) await first.publish(new Placed({ order }), { key: `${order % 2}` })
    await first.stop({ deadlineMs: 0 })
    const seen: number[] = []
    const all = Promise.withResolvers<void>()
    const second = dispatcher(store)
    second.events.bind(Placed, ({ order }) => void (seen.push(order) === 10 && all.resolve()), { name: 'a' })
    await second.start()
    await all.promise
    expect(seen.filter((order) => order % 2 === 0)).toEqual([0, 2, 4, 6, 8])
    expect(seen.filter((order) => order % 2 === 1)).toEqual([1, 3, 5, 7, 9])
  })

  test('goes on behind one that does not end, however many others of its key there are', async () => {
    const dp = dispatcher(store)
    const seen: number[] = []
    const opened = Promise.withResolvers<void>()
    const all = Promise.withResolvers<void>()
    dp.events.bind(
      Placed,
      async ({ order }, { context }) => {
        if (context.key === 'other') return
        if (order === 0) await opened.promise
        if (seen.push(order) === 1_200) all.resolve()
      },
      { name: 'a' },
    )
    await dp.start()
    await Promise.all(Array.from({ length: 1_200 }, (_, order) => dp.publish(new Placed({ order }), { key: 'k' })))
    await dp.publish(new Placed({ order: -1 }), { key: 'other', waitForResponse: true })
    expect(seen).toEqual([])
    opened.resolve()
    await all.promise
    expect(seen).toEqual(Array.from({ length: 1_200 }, (_, order) => order))
  })

  test('causes messages with its end', async () => {
    const dp = dispatcher(store)
    const shipped = Promise.withResolvers<number>()
    dp.events.bind(Placed, ({ order }, { context }) => context.send(new Ship({ order })), { name: 'a' })
    dp.commands.bind(Ship, ({ order }) => new Shipped({ order }) as never, { name: 'b', responseEvent: Shipped })
    dp.events.bind(Shipped, ({ order }) => shipped.resolve(order), { name: 'c' })
    await dp.start()
    await dp.publish(new Placed({ order: 7 }))
    expect(await shipped.promise).toBe(7)
  })

  test('has its outcomes told to whoever waits', async () => {
    const dp = dispatcher(store, { recover: retry({ attempts: 2, backoff: immediate() }) })
    let attempts = 0
    dp.events.bind(Placed, () => 'fine', { name: 'a' })
    dp.events.bind(
      Placed,
      () => {
        attempts += 1
        throw new Error('never')
      },
      { name: 'b' },
    )
    dp.events.bind(Placed, () => 'in memory', { durable: false })
    await dp.start()
    const outcomes = await dp.publish(new Placed({ order: 1 }), { waitForResponse: true })
    expect(outcomes).toMatchObject([
      { status: 'done', value: 'fine' },
      { status: 'dead', error: { message: 'never' } },
      { status: 'done', value: 'in memory' },
    ])
    expect(attempts).toBe(2)
  })

  test('that was not reached before a stop has whoever waits told so, and runs after a new start', async () => {
    const dp = dispatcher(store)
    const seen = Promise.withResolvers<number>()
    dp.events.bind(Placed, ({ order }) => seen.resolve(order), { name: 'a' })
    await dp.start()
    const outcomes = dp.publish(new Placed({ order: 1 }), { waitForResponse: true })
    await dp.stop()
    expect(await outcomes).toMatchObject([{ status: 'stopped', error: { code: 'STOPPED' } }])
    await dp.start()
    expect(await seen.promise).toBe(1)
  })

  test('keeps those of a parked key in their order, over a restart', async () => {
    const first = dispatcher(store, { recover: deadLetter(), onDead: 'park' })
    const seen: string[] = []
    const bind = (dp: Dispatcher, fails: boolean): void => {
      dp.events.bind(
        Placed,
        ({ order }, { context }) => {
          if (fails && order === 0) throw new Error('no')
          seen.push(`${context.key}${order}`)
        },
        { name: 'a' },
      )
    }
    bind(first, true)
    await first.start()
    await first.publish(new Placed({ order: 0 }), { key: 'k', waitForResponse: true })
    for (const order of [1, 2]) await first.publish(new Placed({ order }), { key: 'k' })
    await first.publish(new Placed({ order: 9 }), { key: 'other', waitForResponse: true })
    await first.stop()
    expect(seen).toEqual(['other9'])
    const second = dispatcher(store, { recover: deadLetter(), onDead: 'park' })
    bind(second, false)
    await second.start()
    await second.publish(new Placed({ order: 3 }), { key: 'k' })
    const { letters } = await second.deadLetters.list()
    expect(letters).toMatchObject([{ handler: 'events/a', parked: 3, error: { message: 'no' } }])
    await second.deadLetters.replay((letters[0] as { id: string }).id, { waitForResponse: true })
    await second.publish(new Placed({ order: 4 }), { key: 'k', waitForResponse: true })
    expect(seen).toEqual(['other9', 'k0', 'k1', 'k2', 'k3', 'k4'])
    expect((await second.deadLetters.list()).letters).toEqual([])
  })
})
