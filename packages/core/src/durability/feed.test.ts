import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { altered } from '../../test/altered-store.ts'
import { ManualClock } from '../../test/manual-clock.ts'
import { stopWithin } from '../../test/stop-within.ts'
import { quiet } from '../../test/quiet.ts'
import { silent } from '../../test/silent.ts'
import { Dispatcher } from '../dispatcher.ts'
import type { DispatcherOptions } from '../dispatcher-options.ts'
import { memory, type MemoryStore, type MemoryTransaction } from '../memory/index.ts'
import { defineEvent } from '../message/define.ts'
import type { DeadLetter } from '../ports/dead-letters.ts'
import { AHEAD } from '../ports/progress.ts'
import type { NewMessage, Store } from '../ports/store.ts'
import { deadLetter } from '../routing/recover.ts'

class Placed extends defineEvent<{ order: number; paid?: boolean }>('shop.placed') {}
class Shipped extends defineEvent<{ order: number }>('shop.shipped') {}

const started: Dispatcher[] = []
let clock: ManualClock
let store: MemoryStore

beforeEach(() => {
  clock = new ManualClock()
  store = memory()
})

afterEach(async () => {
  for (const dp of started.splice(0)) {
    await stopWithin(clock, dp)
  }
})

function dispatcher(options: DispatcherOptions = {}): Dispatcher {
  const dp = new Dispatcher({ store, logger: silent, clock, recover: deadLetter(), ...options })
  started.push(dp)
  return dp
}

async function publish(dp: Dispatcher, count: number, key?: string): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, order) => dp.publish(new Placed({ order }), { key })))
}

async function left(of: Store = store): Promise<{ readonly messages: number; readonly exceptions: number }> {
  const open = await of.open({ service: undefined, subscriptions: [], clock, wake: () => {} })
  const { messages, subscriptions } = await open.stats()
  await open.close()
  return { messages, exceptions: subscriptions.reduce((sum, { exceptions }) => sum + exceptions, 0) }
}

describe('a key with much behind a slow message', () => {
  test('keeps its order, and does not hold back others', async () => {
    const dp = dispatcher()
    const go = Promise.withResolvers<void>()
    const seen: Record<string, number[]> = { slow: [], quick: [] }
    const handle = async ({ order }: Placed, { context }: { context: { key: string | undefined } }): Promise<void> => {
      if (context.key === 'slow' && order === 0) await go.promise
      seen[context.key as string]?.push(order)
    }
    dp.events.bind(Placed, handle, { name: 'a' })
    await dp.start()
    await publish(dp, 3_000, 'slow')
    await publish(dp, 100, 'quick')
    await quiet(30)
    expect(seen['quick']).toHaveLength(100)
    expect(seen['slow']).toEqual([])
    go.resolve()
    await quiet(400)
    expect(seen['slow']).toEqual(Array.from({ length: 3_000 }, (_, order) => order))
    await dp.stop()
    expect(await left()).toEqual({ messages: 0, exceptions: 0 })
  })

  test('has nothing more read once scanAhead messages are set aside, until there are fewer', async () => {
    const dp = dispatcher({ store: altered(store, () => ({ scanAhead: 50 })) })
    const go = Promise.withResolvers<void>()
    const seen: string[] = []
    const handle = async ({ order }: Placed, { context }: { context: { key: string | undefined } }): Promise<void> => {
      if (context.key === 'slow' && order === 0) await go.promise
      seen.push(`${context.key}${order}`)
    }
    dp.events.bind(Placed, handle, { name: 'a' })
    await dp.start()
    await publish(dp, 500, 'slow')
    await publish(dp, 3, 'quick')
    await quiet(30)
    expect(seen).toEqual([])
    go.resolve()
    await quiet(200)
    expect(seen.filter((one) => one.startsWith('quick'))).toEqual(['quick0', 'quick1', 'quick2'])
    expect(seen.filter((one) => one.startsWith('slow'))).toEqual(
      Array.from({ length: 500 }, (_, order) => `slow${order}`),
    )
  })
})

describe('a slow delivery at the bottom', () => {
  test('is passed by the cursor, and suspect after a crash', async () => {
    const first = dispatcher()
    const bind = (dp: Dispatcher, handle: (order: number) => unknown): void => {
      dp.events.bind(Placed, ({ order }) => handle(order), { name: 'a' })
    }
    bind(first, (order) => (order === 0 ? new Promise(() => {}) : undefined))
    await first.start()
    await publish(first, 3 * AHEAD)
    await quiet(100)
    store.crash()
    expect(await left()).toEqual({ messages: 1, exceptions: 1 })
    const second = dispatcher()
    const counts: number[] = []
    second.observe('suspects', ({ count }) => counts.push(count))
    const seen: number[] = []
    bind(second, (order) => void seen.push(order))
    await second.start()
    await quiet()
    expect(counts).toEqual([1])
    expect(seen).toEqual([0])
    await second.stop()
    expect(await left()).toEqual({ messages: 0, exceptions: 0 })
  })

  test('that is being committed is not passed: it is done when that is stored', async () => {
    const go = Promise.withResolvers<void>()
    const isSlow = altered(store, (open) => ({
      // The other one's writes do not wait for it: as if its transaction was one of its own.
      settle: async (claim, settlement) => {
        if (settlement.work !== undefined) await go.promise
        return open.settle(claim, settlement)
      },
    }))
    const first = dispatcher({ store: isSlow })
    const bind = (dp: Dispatcher): void => {
      dp.events.bind(
        Placed,
        async ({ order }, { context }) => {
          // What a `tx` is, its store says: here it is the one in memory.
          if (order === 0) await context.commit((tx) => (tx as unknown as MemoryTransaction).write('effect'))
        },
        { name: 'a' },
      )
    }
    bind(first)
    await first.start()
    await publish(first, 3 * AHEAD)
    await quiet(100)
    go.resolve()
    await quiet(100)
    store.crash()
    expect(await left()).toEqual({ messages: 0, exceptions: 0 })
    const second = dispatcher()
    bind(second)
    await second.start()
    await quiet()
    expect(store.effects).toEqual(['effect'])
  })
})

describe('a message that cannot be read', () => {
  const damaging = (change: Partial<NewMessage>): Store => {
    return altered(store, (open) => ({
      append: (messages, tx) =>
        open.append(
          messages.map((message) => ({ ...message, ...change })),
          tx,
        ),
    }))
  }

  test('is a dead letter with its raw body, without its handler being called; it can be edited and replayed', async () => {
    const dp = dispatcher({ store: damaging({ body: '{"order":1' }) })
    const seen: unknown[] = []
    dp.events.bind(Placed, (event) => void seen.push(event), { name: 'a' })
    await dp.start()
    expect(await dp.publish(new Placed({ order: 1 }), { key: 'k', waitForResponse: true })).toMatchObject([
      { status: 'dead', error: { code: 'DAMAGED' } },
    ])
    const { letters } = await dp.deadLetters.list()
    expect(letters).toMatchObject([{ envelope: { type: 'shop.placed', key: 'k', message: { body: '{"order":1' } } }])
    const { id } = letters[0] as DeadLetter
    const [outcome] = await dp.deadLetters.replay(id, { waitForResponse: true })
    expect(outcome).toMatchObject({ status: 'dead' })
    expect(seen).toEqual([])
    const edited = new Placed({ order: 2 })
    expect(
      await dp.deadLetters.editAndReplay(id, () => ({ message: edited }), { waitForResponse: true }),
    ).toMatchObject({
      status: 'done',
    })
    expect(seen).toEqual([new Placed({ order: 2 })])
    expect((await dp.deadLetters.list()).letters).toEqual([])
  })

  test.each(['{"by":5}', '{"h":7,"c":{},"by":[[1]],"d":"x"}', '[]', '{"by":[null]}'])(
    'is a dead letter also where what is around it is %s',
    async (envelope) => {
      const dp = dispatcher({ store: damaging({ envelope }) })
      dp.events.bind(Placed, () => {}, { name: 'a' })
      await dp.start()
      expect(await dp.publish(new Placed({ order: 1 }), { waitForResponse: true })).toMatchObject([
        { status: 'dead', error: { code: 'DAMAGED' } },
      ])
      expect((await dp.deadLetters.list()).letters).toHaveLength(1)
    },
  )

  test('of a type that its handler takes no more is a dead letter, until that is bound again', async () => {
    const first = dispatcher({ messages: [Shipped] })
    first.events.bind([Placed, Shipped], () => new Promise(() => {}), { name: 'a' })
    await first.start()
    await first.publish(new Placed({ order: 1 }))
    await first.publish(new Shipped({ order: 1 }))
    store.crash()
    const second = dispatcher({ messages: [Shipped] })
    const seen: object[] = []
    second.events.bind(Placed, (event) => void seen.push(event), { name: 'a' })
    await second.start()
    await quiet()
    const { letters } = await second.deadLetters.list()
    expect(letters).toMatchObject([{ envelope: { type: 'shop.shipped' }, error: { code: 'TYPE_REMOVED' } }])
    const { id } = letters[0] as DeadLetter
    expect(await second.deadLetters.replay(id, { waitForResponse: true })).toMatchObject([
      { status: 'dead', error: { code: 'TYPE_REMOVED' } },
    ])
    expect(seen).toEqual([new Placed({ order: 1 })])
    await second.stop()
    const third = dispatcher()
    third.events.bind([Placed, Shipped], (event) => void seen.push(event), { name: 'a' })
    await third.start()
    expect(await third.deadLetters.replay(id, { waitForResponse: true })).toMatchObject([{ status: 'done' }])
    expect(seen).toEqual([new Placed({ order: 1 }), new Shipped({ order: 1 })])
  })
})

describe('a dead letter', () => {
  test('is kept with what its redaction left, also where that cannot be stored', async () => {
    class Gone {
      readonly nothing = true
    }
    const dp = dispatcher({ redact: (letter) => (letter.message = new Gone()) })
    dp.events.bind(
      Placed,
      () => {
        throw new Error('no')
      },
      { name: 'a' },
    )
    await dp.start()
    expect(await dp.publish(new Placed({ order: 1 }), { key: 'k', waitForResponse: true })).toMatchObject([
      { status: 'dead' },
    ])
    expect(await dp.publish(new Placed({ order: 2 }), { key: 'k', waitForResponse: true })).toMatchObject([
      { status: 'dead' },
    ])
    const { letters } = await dp.deadLetters.list()
    expect(letters).toMatchObject([{ error: { message: 'no' } }, { error: { message: 'no' } }])
    expect(JSON.stringify(letters)).not.toContain('order')
  })

  test('has the message as it was stored, whatever its handler has made of it', async () => {
    const dp = dispatcher()
    dp.events.bind(
      Placed,
      (event) => {
        Object.assign(event, { order: () => {} })
        throw new Error('no')
      },
      { name: 'a' },
    )
    await dp.start()
    expect(await dp.publish(new Placed({ order: 1 }), { waitForResponse: true })).toMatchObject([{ status: 'dead' }])
    expect((await dp.deadLetters.list()).letters).toMatchObject([{ envelope: { message: { order: 1 } } }])
  })

  test('is erased for good when that resolves, with what is parked behind it', async () => {
    const first = dispatcher({ onDead: 'park' })
    const bind = (dp: Dispatcher, handle: (order: number) => unknown): void => {
      dp.events.bind(Placed, ({ order }) => handle(order), { name: 'a' })
    }
    bind(first, () => Promise.reject(new Error('no')))
    await first.start()
    await publish(first, 5, 'k')
    await quiet()
    await first.deadLetters.erase({ key: 'k' })
    store.crash()
    const seen: number[] = []
    const second = dispatcher()
    bind(second, (order) => seen.push(order))
    await second.start()
    await quiet()
    expect(seen).toEqual([])
    await second.stop()
    expect(await left()).toEqual({ messages: 0, exceptions: 0 })
  })
})

describe('what is bound from one release to the next', () => {
  test('goes on under a new name with formerly, and is an orphan without', async () => {
    const first = dispatcher()
    first.events.bind(Placed, () => {}, { name: 'old' })
    first.events.bind(Placed, () => {}, { name: 'gone' })
    await first.start()
    await first.stop()
    const between = dispatcher()
    between.events.bind(Placed, () => new Promise(() => {}), { name: 'old' })
    between.events.bind(Placed, () => new Promise(() => {}), { name: 'gone' })
    await between.start()
    await publish(between, 3, 'k')
    store.crash()
    const second = dispatcher()
    const said: unknown[] = []
    second.observe('orphaned', ({ handler, pending }) => said.push({ handler, pending }))
    second.observe('subscribed', ({ handler, formerly }) => said.push({ handler, formerly }))
    const seen: number[] = []
    second.events.bind(Placed, ({ order }) => void seen.push(order), { name: 'new', formerly: ['old'] })
    await second.start()
    await quiet()
    expect(seen).toEqual([0, 1, 2])
    expect(said).toHaveLength(2)
    expect(said).toEqual(
      expect.arrayContaining([
        { handler: 'events/new', formerly: 'events/old' },
        { handler: 'events/gone', pending: 3 },
      ]),
    )
  })
})
