import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type Delivery,
  defineEvent,
  Dispatcher,
  type DispatcherOptions,
  Engine,
  InvalidOption,
  LaneDeadlock,
  type Limits,
  module,
  QueueFull,
} from './index.ts'

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
beforeEach(() => vi.resetAllMocks())

const bus = (options: DispatcherOptions = {}) => new Dispatcher({ logger, ...options })

/** A handler whose runs end when the test says so. */
function held() {
  const started: string[] = []
  const ends = new Map<string, (error?: Error) => void>()
  const handler = (_message: unknown, { context }: { context: { id: string } }): Promise<string> => {
    started.push(context.id)
    return new Promise((resolve, reject) => {
      ends.set(context.id, (error) => (error === undefined ? resolve(context.id) : reject(error)))
    })
  }
  const end = async (...ids: string[]) => {
    for (const id of ids) ends.get(id)?.()
    await nextTurn()
  }
  const fail = async (id: string) => {
    ends.get(id)?.(new Error('boom'))
    await nextTurn()
  }
  return { handler, started, end, fail }
}

/** Ends whatever still runs, one after the other, and stops. */
async function finish(dp: Dispatcher, ...all: ReturnType<typeof held>[]) {
  const stopping = dp.stop()
  let ended = 0
  const startedSoFar = () => all.reduce((sum, { started }) => sum + started.length, 0)
  while (ended < startedSoFar()) {
    ended = startedSoFar()
    for (const { started, end } of all) await end(...started)
  }
  await stopping
}

/** Whether a promise has been settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = () => {
    settled = true
  }
  promise.then(settle, settle)
  await nextTurn()
  return settled
}

describe('a handler of an event', () => {
  test('that is slow, and has all its workers busy, delays no other handler of it', async () => {
    const dp = bus()
    const slow = held()
    const fast: string[] = []
    dp.events.bind('x', slow.handler, { name: 'slow', workers: 1 })
    dp.events.bind('x', (_event, { context }) => void fast.push(context.id), { name: 'fast' })
    await dp.start()
    for (const id of ['1', '2', '3']) await dp.publish('x', { id })
    expect(slow.started).toEqual(['1'])
    expect(fast).toEqual(['1', '2', '3'])
    await finish(dp, slow)
    expect(slow.started).toEqual(['1', '2', '3'])
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('boom')
      },
    ],
    ['rejects', () => Promise.reject(new Error('boom'))],
  ])(
    'that %s delays neither another handler of it, nor its own next message, also with one worker',
    async (_, fail) => {
      const dp = bus()
      const fine: string[] = []
      const failed: string[] = []
      dp.events.bind(
        'x',
        (_event, { context }) => {
          failed.push(context.id)
          return fail()
        },
        { name: 'failing', workers: 1 },
      )
      dp.events.bind('x', (_event, { context }) => void fine.push(context.id), { name: 'fine' })
      await dp.start()
      for (const id of ['1', '2', '3']) await dp.publish('x', { id, key: 'k' })
      expect(fine).toEqual(['1', '2', '3'])
      await dp.stop()
      expect(failed).toEqual(['1', '2', '3'])
    },
  )
})

describe('a lane', () => {
  /** An engine that tells how many lanes the handlers have that it has run. */
  function counting() {
    const targets = new Set<Delivery['target']>()
    class Counting extends Engine {
      protected override run(delivery: Delivery): unknown {
        targets.add(delivery.target)
        return super.run(delivery)
      }
    }
    return { engine: Counting, lanes: () => [...targets].reduce((sum, { lanes }) => sum + lanes.size, 0) }
  }

  test.each<[string, DispatcherOptions]>([
    ['without limits', {}],
    ['with one worker', { workers: 1 }],
  ])('exists only while it has work, however that ends, %s', async (_, options) => {
    const { engine, lanes } = counting()
    const dp = bus({ ...options, engine })
    const { handler, end, fail } = held()
    dp.events.bind('x', handler)
    dp.commands.bind('at once', () => 1)
    dp.commands.bind('ask', handler)
    await dp.start()
    for (const id of ['1', '2']) await dp.publish('x', { id, key: 'k' })
    await dp.publish('x', { id: '3', key: 'another' })
    expect(lanes()).toBe(2)
    await end('1')
    await fail('2')
    await end('3')
    expect(lanes()).toBe(0)
    await dp.request('at once', { key: 'k' })
    expect(lanes()).toBe(0)
    const abort = new AbortController()
    const answer = dp.request('ask', { id: '4', key: 'k', signal: abort.signal }).catch(() => {})
    const waiting = dp.request('ask', { id: '5', key: 'k', signal: abort.signal }).catch(() => {})
    expect(lanes()).toBe(1)
    abort.abort()
    await Promise.all([answer, waiting])
    await end('4')
    expect(lanes()).toBe(0)
    await dp.stop()
  })
})

describe('workers', () => {
  test('are not limited where nobody says so', async () => {
    const dp = bus()
    const runs = held()
    dp.events.bind('x', runs.handler, { name: 'x' })
    dp.queries.bind('ask', runs.handler, { name: 'ask' })
    await dp.start()
    const answers = Array.from({ length: 500 }, () => dp.request('ask'))
    for (let n = 0; n < 500; n += 1) await dp.publish('x', { key: `${n}` })
    expect(runs.started).toHaveLength(1_000)
    const { limits } = dp
    for (const limit of [limits, limits.events, limits.commands, limits.queries, limits.handler('events/x')]) {
      expect(limit.workers).toBe(Number.POSITIVE_INFINITY)
    }
    await finish(dp, runs)
    expect(await Promise.all(answers)).toHaveLength(500)
  })

  test('of a dispatcher are shared by the handlers of all its routers', async () => {
    const dp = bus({ workers: 2 })
    const all = held()
    dp.events.bind('event', all.handler)
    dp.commands.bind('command', all.handler)
    dp.queries.bind('query', all.handler)
    await dp.start()
    await dp.publish('event', { id: 'event' })
    const answer = dp.request('query', { id: 'query' })
    await dp.send('command', { id: 'command' })
    expect(all.started).toEqual(['event', 'query'])
    await all.end('query')
    expect(await answer).toBe('query')
    expect(all.started).toEqual(['event', 'query', 'command'])
    await finish(dp, all)
  })

  test.each(['events', 'commands', 'queries'] as const)(
    'of the router %s are shared by its handlers alone',
    async (router) => {
      const dp = bus({ [router]: { workers: 1 } })
      const all = held()
      for (const one of ['events', 'commands', 'queries'] as const) {
        for (const name of ['a', 'b']) (dp[one] as Dispatcher['queries']).bind(`${one} ${name}`, all.handler, { name })
      }
      await dp.start()
      for (const name of ['a', 'b']) {
        void dp.publish(`events ${name}`, { id: `events ${name}` })
        void dp.send(`commands ${name}`, { id: `commands ${name}` })
        void dp.request(`queries ${name}`, { id: `queries ${name}` })
      }
      expect(all.started).toHaveLength(5)
      expect(all.started).not.toContain(`${router} b`)
      await all.end(`${router} a`)
      expect(all.started).toContain(`${router} b`)
      await finish(dp, all)
    },
  )

  test('of a binding are counted over all messages that it takes, and limit no other handler', async () => {
    const dp = bus()
    const [one, other] = [held(), held()]
    dp.events.bind(['a', 'b'], one.handler, { name: 'one', workers: 1 })
    dp.events.bind(['a', 'b'], other.handler, { name: 'other' })
    await dp.start()
    await dp.publish('a', { id: '1' })
    await dp.publish('b', { id: '2' })
    expect(one.started).toEqual(['1'])
    expect(other.started).toEqual(['1', '2'])
    await one.end('1')
    expect(one.started).toEqual(['1', '2'])
    await finish(dp, one, other)
  })

  test('of dispatcher, router and binding hold together', async () => {
    const dp = bus({ workers: 4, events: { workers: 3 } })
    const [narrow, wide, query] = [held(), held(), held()]
    dp.events.bind('narrow', narrow.handler, { workers: 2 })
    dp.events.bind('wide', wide.handler)
    dp.queries.bind('query', query.handler)
    await dp.start()
    for (let n = 0; n < 5; n += 1) await dp.publish('narrow', { id: `narrow ${n}` })
    expect(narrow.started).toHaveLength(2) // The binding's own.
    for (let n = 0; n < 5; n += 1) await dp.publish('wide', { id: `wide ${n}` })
    expect(wide.started).toHaveLength(1) // The router's.
    const answers = Array.from({ length: 5 }, (_, n) => dp.request('query', { id: `${n}` }))
    expect(query.started).toHaveLength(1) // The dispatcher's.
    await narrow.end('narrow 0')
    expect(narrow.started.length + wide.started.length + query.started.length).toBe(5)
    await finish(dp, narrow, wide, query)
    expect(await Promise.all(answers)).toEqual(['0', '1', '2', '3', '4'])
  })

  test('more of a binding than of its router let no more run', async () => {
    const dp = bus({ events: { workers: 1 } })
    const { handler, started } = held()
    dp.events.bind('x', handler, { workers: 10 })
    await dp.start()
    for (const id of ['1', '2']) await dp.publish('x', { id })
    expect(started).toEqual(['1'])
    await dp.stop({ deadlineMs: 0 })
  })

  test('can be given to register, and within a module', async () => {
    const dp = bus()
    const runs = held()
    dp.events.register('registered', { workers: 1, name: 'registered' })(runs.handler)
    dp.mount(module('part', (m) => m.commands.bind('mounted', runs.handler, { workers: 2, name: 'mounted' })))
    await dp.start()
    for (let n = 0; n < 3; n += 1) await dp.publish('registered')
    for (let n = 0; n < 3; n += 1) await dp.send('mounted')
    expect(runs.started).toHaveLength(3)
    expect(dp.limits.handler('events/registered').workers).toBe(1)
    expect(dp.limits.handler('commands/mounted').workers).toBe(2)
    await finish(dp, runs)
  })

  test('let a lane go on in its order', async () => {
    const dp = bus({ workers: 2 })
    const runs = held()
    dp.events.bind('x', runs.handler)
    await dp.start()
    for (const id of ['a1', 'a2', 'b1', 'b2']) await dp.publish('x', { id, key: id[0] ?? '' })
    expect(runs.started).toEqual(['a1', 'b1'])
    await runs.end('b1')
    await runs.end('a1')
    expect(runs.started.filter((id) => id.startsWith('a'))).toEqual(['a1', 'a2'])
    expect(runs.started.filter((id) => id.startsWith('b'))).toEqual(['b1', 'b2'])
    await finish(dp, runs)
  })

  test('take turns: a hundred waiting messages of one handler do not keep another from starting', async () => {
    const dp = bus({ workers: 1 })
    const [hot, cold] = [held(), held()]
    dp.events.bind('hot', hot.handler)
    dp.events.bind('cold', cold.handler)
    await dp.start()
    for (let n = 0; n < 100; n += 1) await dp.publish('hot', { id: `${n}` })
    await dp.publish('cold', { id: 'cold' })
    await hot.end('0')
    await hot.end('1')
    await cold.end('cold')
    expect(cold.started).toEqual(['cold'])
    expect(hot.started.length).toBeLessThanOrEqual(3)
    await finish(dp, hot, cold)
    expect(hot.started).toHaveLength(100)
  })

  test('that are one start what a handler causes after that handler has ended', async () => {
    const dp = bus({ workers: 1 })
    const order: string[] = []
    dp.events.bind('first', async (_event, { context }) => {
      context.publish('second')
      await nextTurn()
      order.push('first')
    })
    dp.events.bind('second', () => void order.push('second'))
    await dp.start()
    await dp.publish('first')
    await dp.stop()
    expect(order).toEqual(['first', 'second'])
  })
})

describe('dp.limits', () => {
  test('gives what the options said', async () => {
    const dp = bus({ workers: 9, events: { workers: 8 }, commands: { workers: 7 }, capacity: { high: 6, low: 5 } })
    dp.events.bind('x', () => {}, { name: 'x', workers: 4 })
    dp.events.bind('x', () => {})
    const { limits } = dp
    expect([limits.workers, limits.events.workers, limits.commands.workers]).toEqual([9, 8, 7])
    expect(limits.queries.workers).toBe(Number.POSITIVE_INFINITY)
    expect(limits.handler('events/x').workers).toBe(4)
    expect(limits.handler('events/x#1').workers).toBe(Number.POSITIVE_INFINITY)
    expect(limits.capacity).toEqual({ high: 6, low: 5 })
  })

  const places: [string, (limits: Limits) => { workers: number }][] = [
    ['dp.limits.workers', (limits) => limits],
    ['dp.limits.events.workers', (limits) => limits.events],
    ["dp.limits.handler('events/x').workers", (limits) => limits.handler('events/x')],
  ]

  describe.each(places)('%s', (_, limitOf) => {
    /** Six messages, of which `workers` run. */
    async function running(workers: number) {
      const dp = bus()
      const runs = held()
      dp.events.bind('x', runs.handler, { name: 'x' })
      limitOf(dp.limits).workers = workers
      await dp.start()
      for (let n = 1; n <= 6; n += 1) await dp.publish('x', { id: `${n}` })
      return { dp, runs, limit: limitOf(dp.limits) }
    }

    test('raised starts those that wait within the assignment', async () => {
      const { dp, runs, limit } = await running(1)
      expect(runs.started).toEqual(['1'])
      limit.workers = 3
      expect(runs.started).toEqual(['1', '2', '3'])
      limit.workers = Number.POSITIVE_INFINITY
      expect(runs.started).toEqual(['1', '2', '3', '4', '5', '6'])
      await finish(dp, runs)
    })

    test('lowered takes no work away, and starts no more until fewer run', async () => {
      const { dp, runs, limit } = await running(3)
      limit.workers = 1
      expect(limit.workers).toBe(1)
      await runs.end('1')
      await runs.end('2')
      expect(runs.started).toEqual(['1', '2', '3'])
      await runs.end('3')
      expect(runs.started).toEqual(['1', '2', '3', '4'])
      await finish(dp, runs)
    })

    test('lowered holds for the next of a lane, too', async () => {
      const dp = bus({ workers: 2 })
      const runs = held()
      dp.events.bind('x', runs.handler, { name: 'x' })
      await dp.start()
      for (const id of ['a1', 'b1', 'a2', 'b2']) await dp.publish('x', { id, key: id[0] ?? '' })
      limitOf(dp.limits).workers = 1
      await runs.end('a1')
      expect(runs.started).toEqual(['a1', 'b1'])
      await finish(dp, runs)
      expect(runs.started).toHaveLength(4)
    })

    test('set again and again has the last value', async () => {
      const { dp, runs, limit } = await running(2)
      for (const workers of [1, 4, 3, 2]) limit.workers = workers
      expect(limit.workers).toBe(2)
      expect(runs.started).toEqual(['1', '2', '3', '4'])
      await runs.end('1')
      await runs.end('2')
      expect(runs.started).toHaveLength(4)
      await runs.end('3')
      expect(runs.started).toHaveLength(5)
      await finish(dp, runs)
    })

    test('that is the first limit at all counts what runs already', async () => {
      const { dp, runs, limit } = await running(Number.POSITIVE_INFINITY)
      limit.workers = 2
      await dp.publish('x', { id: '7' })
      await runs.end('1', '2', '3', '4')
      expect(runs.started).toHaveLength(6)
      await runs.end('5')
      expect(runs.started).toHaveLength(7)
      await finish(dp, runs)
    })

    test('keeps its value over a stop and a new start', async () => {
      const { dp, runs, limit } = await running(6)
      limit.workers = 2
      await finish(dp, runs)
      await dp.start()
      for (let n = 11; n <= 14; n += 1) await dp.publish('x', { id: `${n}` })
      expect(runs.started).toHaveLength(8)
      await finish(dp, runs)
    })

    test('can be set by a handler, before its first await and after', async () => {
      const dp = bus()
      const runs = held()
      const goOn = Promise.withResolvers<void>()
      dp.events.bind('x', runs.handler, { name: 'x' })
      dp.queries.bind('regulate', async () => {
        limitOf(dp.limits).workers = 2
        await goOn.promise
        limitOf(dp.limits).workers = 4
      })
      await dp.start()
      const regulated = dp.request('regulate')
      for (let n = 1; n <= 6; n += 1) await dp.publish('x', { id: `${n}` })
      const own = limitOf(dp.limits) === dp.limits ? 1 : 0 // Its own place, where that counts.
      expect(runs.started).toHaveLength(2 - own)
      goOn.resolve()
      await regulated
      await nextTurn()
      expect(runs.started).toHaveLength(4)
      await finish(dp, runs)
    })

    test.each([[0], [-1], [1.5], [Number.NaN], ['4'], [null], [undefined]])(
      'refuses %s, and stays as it was',
      async (workers) => {
        const { dp, runs, limit } = await running(2)
        expect(() => {
          limit.workers = workers as number
        }).toThrow(InvalidOption)
        expect(limit.workers).toBe(2)
        await runs.end('1')
        expect(runs.started).toEqual(['1', '2', '3'])
        await finish(dp, runs)
      },
    )
  })

  test('set as the first limit by a handler that ends at once holds for the next of its lane', async () => {
    const dp = bus()
    const runs = held()
    dp.events.bind('slow', runs.handler)
    dp.events.bind('x', (message, deps) => {
      if (deps.context.id !== 'setter') return runs.handler(message, deps)
      void dp.publish('x', { key: 'k', id: 'next' })
      dp.limits.workers = 1
      return undefined
    })
    await dp.start()
    await dp.publish('slow', { id: 'slow' })
    await dp.publish('x', { key: 'k', id: 'setter' })
    const before = [...runs.started]
    await finish(dp, runs)
    expect(before).toEqual(['slow'])
    expect(runs.started).toEqual(['slow', 'next'])
  })

  test('names a handler as its context does', async () => {
    const dp = bus()
    class Created extends defineEvent('limits.created') {}
    const names: string[] = []
    const seen = (_event: unknown, { context }: { context: { handler: string } }) => void names.push(context.handler)
    dp.events.bind(Created, function updateSearch(event, deps) {
      seen(event, deps)
    })
    dp.events.bind(Created, seen, { name: 'named' })
    dp.events.bind(Created, (event, deps) => seen(event, deps))
    await dp.start()
    await dp.publish(new Created())
    expect(names).toEqual(['events/updateSearch', 'events/named', 'events/limits.created#1'])
    for (const name of names) {
      dp.limits.handler(name).workers = 5
      expect(dp.limits.handler(name).workers).toBe(5)
    }
    await dp.stop()
  })

  test.each(['events/y', 'x', 'commands/x', '', 'dp.events.x'])('knows no handler %o', async (name) => {
    const dp = bus()
    dp.events.bind('x', () => {}, { name: 'x' })
    const unknown = {
      code: 'INVALID_OPTION',
      message: expect.stringContaining(`There is no handler "${name}"`) as string,
    }
    expect(() => dp.limits.handler(name)).toThrow(expect.objectContaining(unknown))
    await dp.start()
    expect(() => dp.limits.handler(name)).toThrow(InvalidOption)
    await dp.stop()
  })
})

describe('capacity', () => {
  /** One handler with one worker, so that all but the first message wait. */
  function narrow(options: DispatcherOptions) {
    const dp = bus({ workers: 1, ...options })
    const runs = held()
    dp.commands.bind('x', runs.handler, { name: 'x' })
    const send = async (...ids: string[]) => {
      for (const id of ids) await dp.send('x', { id })
    }
    return { dp, runs, send }
  }

  test('is not limited where nobody says so', async () => {
    const { dp, runs, send } = narrow({})
    await dp.start()
    await send(...Array.from({ length: 1_000 }, (_, n) => `${n}`))
    expect(dp.limits.capacity.high).toBe(Number.POSITIVE_INFINITY)
    await finish(dp, runs)
    expect(runs.started).toHaveLength(1_000)
  })

  test('counts what waits, not what runs', async () => {
    const dp = bus({ capacity: { high: 1, low: 0 }, whenFull: 'throw' })
    const runs = held()
    dp.commands.bind('x', runs.handler)
    await dp.start()
    for (let n = 0; n < 10; n += 1) await dp.send('x', { id: `${n}` })
    expect(runs.started).toHaveLength(10)
    await finish(dp, runs)
  })

  test('reached lets messages from outside wait, until no more than low are left, first come first served', async () => {
    const { dp, runs, send } = narrow({ capacity: { high: 3, low: 1 } })
    await dp.start()
    await send('1', '2', '3', '4') // One runs, three wait.
    const accepted: string[] = []
    const sent = ['5', '6'].map((id) => dp.send('x', { id }).then(() => accepted.push(id)))
    const answer = dp.request('x', { id: '7' })
    const last = dp.send('x', { id: '8' }).then(() => accepted.push('8'))
    await runs.end('1') // Two wait: fewer than high, more than low.
    expect(accepted).toEqual([])
    await runs.end('2') // One waits: 5 and 6 are let in, and then it is full again.
    expect(accepted).toEqual(['5', '6'])
    for (const id of ['3', '4', '5', '6']) await runs.end(id)
    await last
    await finish(dp, runs)
    expect(runs.started).toEqual(['1', '2', '3', '4', '5', '6', '7', '8'])
    expect(accepted).toEqual(['5', '6', '8'])
    expect(await answer).toBe('7')
    await Promise.all(sent)
  })

  test('lets in what came later only after what came before, whatever its verb', async () => {
    const { dp, runs, send } = narrow({ capacity: { high: 1, low: 0 } })
    await dp.start()
    await send('1', '2')
    const later = [dp.send('x', { id: '3' }), dp.request('x', { id: '4' }), dp.handle('x', { id: '5' })]
    for (const id of ['1', '2', '3', '4', '5']) await runs.end(id)
    await Promise.all(later)
    expect(runs.started).toEqual(['1', '2', '3', '4', '5'])
    await finish(dp, runs)
  })

  test('lets nobody overtake those that wait for it, though there would be room', async () => {
    const { dp, runs, send } = narrow({ capacity: { high: 3, low: 0 } })
    await dp.start()
    await send('1', '2', '3', '4')
    const waiting = dp.send('x', { id: '5' })
    await runs.end('1') // Two wait: fewer than high, more than low.
    const newcomer = dp.send('x', { id: '6' })
    expect(await isSettled(newcomer)).toBe(false)
    await runs.end('2')
    await runs.end('3')
    await Promise.all([waiting, newcomer])
    await finish(dp, runs)
    expect(runs.started).toEqual(['1', '2', '3', '4', '5', '6'])
  })

  test("with whenFull 'throw' refuses what comes from outside, with the numbers and the remedy", async () => {
    const { dp, runs, send } = narrow({ capacity: { high: 2, low: 1 }, whenFull: 'throw' })
    dp.events.bind('event', runs.handler)
    await dp.start()
    await send('1', '2', '3')
    const text = /2 deliveries wait, and the capacity is 2\. Send less, or raise capacity\.high\./
    for (const refused of [dp.send('x'), dp.request('x'), dp.publish('event'), dp.handle('x')]) {
      const error: unknown = await refused.catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(QueueFull)
      expect(error).toMatchObject({ code: 'QUEUE_FULL', message: expect.stringMatching(text) as string })
    }
    await runs.end('1')
    await send('4')
    await finish(dp, runs)
    expect(runs.started).toEqual(['1', '2', '3', '4'])
  })

  test('admits an event to all its handlers or to none', async () => {
    const dp = bus({ workers: 1, capacity: { high: 1, low: 0 } })
    const [first, second] = [held(), held()]
    dp.events.bind('x', first.handler, { name: 'first' })
    dp.events.bind('x', second.handler, { name: 'second' })
    await dp.start()
    await dp.publish('x', { id: '1' }) // One of its two runs, one waits.
    const more = dp.publish('x', { id: '2' })
    expect(await isSettled(more)).toBe(false)
    await first.end('1')
    expect(await isSettled(more)).toBe(true)
    await finish(dp, first, second)
    expect(first.started).toEqual(['1', '2'])
    expect(second.started).toEqual(['1', '2'])
  })

  test.each(['wait', 'throw'] as const)('never holds back what handlers cause, with whenFull %o', async (whenFull) => {
    const dp = bus({ workers: 1, capacity: { high: 1, low: 0 }, whenFull })
    const ran: string[] = []
    dp.commands.bind('cause', async (_command, { context }) => {
      await nextTurn()
      for (let n = 0; n < 5; n += 1) context.send('effect', { id: `${n}` })
    })
    dp.commands.bind('effect', (_command, { context }) => void ran.push(context.id))
    await dp.start()
    await dp.send('cause')
    await dp.stop()
    expect(ran).toEqual(['0', '1', '2', '3', '4'])
    expect(logger.error).not.toHaveBeenCalled()
  })

  test('counts what handlers cause', async () => {
    const { dp, runs } = narrow({ capacity: { high: 2, low: 0 }, whenFull: 'throw' })
    dp.commands.bind('cause', (_command, { context }) => {
      for (const id of ['1', '2', '3']) context.send('x', { id })
    })
    await dp.start()
    await dp.send('cause') // One runs, two wait.
    await expect(dp.send('x')).rejects.toBeInstanceOf(QueueFull)
    await finish(dp, runs)
  })

  test('raised by dp.limits lets in those that wait, at once', async () => {
    const { dp, runs, send } = narrow({ capacity: { high: 1, low: 0 } })
    await dp.start()
    await send('1', '2')
    const waiting = dp.send('x', { id: '3' })
    expect(await isSettled(waiting)).toBe(false)
    dp.limits.capacity = { high: 2, low: 1 }
    expect(await isSettled(waiting)).toBe(true)
    expect(dp.limits.capacity).toEqual({ high: 2, low: 1 })
    await finish(dp, runs)
  })

  test('lowered by dp.limits throws nothing out', async () => {
    const { dp, runs, send } = narrow({ capacity: { high: 4, low: 0 }, whenFull: 'throw' })
    await dp.start()
    await send('1', '2', '3', '4')
    dp.limits.capacity = { high: 1, low: 0 }
    await expect(dp.send('x')).rejects.toBeInstanceOf(QueueFull)
    await finish(dp, runs)
    expect(runs.started).toEqual(['1', '2', '3', '4'])
  })

  test('of one dispatcher is not changed by writing to that of another', () => {
    const [one, another] = [bus(), bus()]
    const marks = one.limits.capacity as { low: number }
    const { low } = marks
    try {
      marks.low = 3
    } catch {
      // Frozen, it would throw: that is as good.
    }
    const seen = another.limits.capacity.low
    try {
      marks.low = low
    } catch {}
    expect(seen).toBe(Number.POSITIVE_INFINITY)
  })

  test('is not changed by writing to the object that was given', () => {
    const capacity = { high: 5, low: 1 }
    const dp = bus({ capacity })
    capacity.high = -1
    expect(dp.limits.capacity.high).toBe(5)
  })
})

describe('a request that would wait for itself is refused, and says who waits for whom:', () => {
  test('in a lane', async () => {
    const dp = bus()
    dp.commands.bind('pay', (_command, { context }) => context.request('check', { key: 'k' }), { name: 'pay' })
    dp.commands.bind('check', (_command, { context }) => context.request('pay', { key: 'k' }), { name: 'check' })
    await dp.start()
    const error: unknown = await dp.request('pay', { key: 'k' }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(LaneDeadlock)
    expect((error as LaneDeadlock).code).toBe('LANE_DEADLOCK')
    expect((error as LaneDeadlock).message).toBe(
      "This request would wait for itself: commands/pay ('pay', key 'k') waits in the lane 'k' for " +
        "commands/pay ('pay', key 'k'), which requests commands/check ('check', key 'k'), which requests " +
        "commands/pay ('pay', key 'k'). " +
        'Send it without waiting for the answer, give it another key (or none), or allow more workers.',
    )
    await dp.stop()
  })

  test('for the only worker', async () => {
    const dp = bus({ workers: 1 })
    dp.commands.bind('pay', (_command, { context }) => context.request('check'), { name: 'pay' })
    dp.queries.bind('check', () => true, { name: 'check' })
    await dp.start()
    const refused = dp.request('pay')
    await expect(refused).rejects.toBeInstanceOf(LaneDeadlock)
    await expect(refused).rejects.toThrow(
      "queries/check ('check') waits for a worker, all of which are busy, such as with commands/pay ('pay'), " +
        "which requests queries/check ('check').",
    )
    dp.limits.workers = 2
    expect(await dp.request('pay')).toBe(true)
    await dp.stop()
  })
})
