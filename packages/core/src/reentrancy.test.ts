import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { ScriptedBus } from '../test/scripted-bus.ts'
import { silent } from '../test/silent.ts'
import { type Context, Dispatcher, fixed, immediate, type Notices, retry, singleton } from './index.ts'

// What the bus calls may call the bus: listeners, loggers, policies, handlers that go on after their end.

const boom = new Error('boom')

describe('a listener that acts on the bus as soon as it is told', () => {
  const acts: Record<string, (bus: ScriptedBus) => unknown> = {
    'publishes more': (bus) => bus.dp.publish('y', { id: 'more', key: 'a' }),
    'replays all': (bus) => bus.dp.deadLetters.replay({}),
    'discards all': (bus) => bus.dp.deadLetters.discard({}),
    'erases the key': (bus) => bus.dp.deadLetters.erase({ key: 'a' }),
    'sets the first limit': (bus) => (bus.dp.limits.workers = 1),
    stops: (bus) => bus.dp.stop(),
  }
  const names: (keyof Notices)[] = [
    'accepted',
    'started',
    'succeeded',
    'failed',
    'retried',
    'dead',
    'parked',
    'replayed',
  ]
  const cases = names.flatMap((name) => Object.keys(acts).map((act) => [name, act] as const))

  test.each(cases)('at %s, and %s, finds it in order, and leaves it so', async (name, act) => {
    const bus = new ScriptedBus()
    const script = { 1: [boom, boom], 4: [boom] }
    bus.bind('h', script, { onDead: 'park', recover: retry({ attempts: 2, backoff: immediate() }) })
    bus.bind('other', {}, { to: ['x', 'y'] })
    await bus.dp.start()
    let isFirst = true
    const end = bus.dp.observe(name, () => {
      if (!isFirst) return
      isFirst = false
      const acted: unknown = acts[act]?.(bus)
      if (acted instanceof Promise) acted.catch(() => {})
    })
    for (const id of ['1', '2', '3', '4', '5'])
      void bus.dp.publish('x', { id, key: id === '4' ? 'b' : 'a' }).catch(() => {})
    await bus.rest()
    await bus.dp.deadLetters.replay({}).catch(() => {})
    await bus.rest()
    end()
    await bus.dp.stop({ deadlineMs: Number.POSITIVE_INFINITY }) // Which waits for ever, if anything is counted wrong.
    // Whatever was parked or freed runs after a new start, and each key in its order.
    await bus.dp.start()
    await bus.dp.deadLetters.replay({})
    await bus.rest()
    await bus.dp.stop({ deadlineMs: Number.POSITIVE_INFINITY })
    const order = bus.runs.filter((run) => /^h [1235]$/.test(run)).map((run) => Number(run.slice(2)))
    expect(order).toEqual(order.toSorted((a, b) => a - b))
    expect(isFirst && name !== 'replayed').toBe(false)
  })

  test('replays each letter once, however often it is asked to', async () => {
    const bus = new ScriptedBus()
    bus.bind('h', { 1: [boom], 2: [boom], 3: [boom] })
    await bus.dp.start()
    for (const id of ['1', '2', '3']) await bus.tell(id)
    const end = bus.dp.observe('replayed', () => bus.dp.deadLetters.replay({}))
    expect(await bus.dp.deadLetters.replay({})).toBe(3)
    await bus.rest()
    end()
    expect(bus.runs.slice(3)).toEqual(['h 1', 'h 2', 'h 3'])
  })

  test('publishes at "accepted" what comes after the message that it was told of', async () => {
    const bus = new ScriptedBus()
    bus.bind('h', {})
    await bus.dp.start()
    const end = bus.dp.observe(
      'accepted',
      ({ envelope }) => envelope.id === '1' && bus.dp.publish('x', { id: '2', key: 'a' }),
    )
    await bus.tell('1', 'a')
    end()
    expect(bus.runs).toEqual(['h 1', 'h 2'])
  })
})

describe('places are taken before anything starts, also', () => {
  test('when the bound of dead letters frees a lane in the middle of it', async () => {
    const bus = new ScriptedBus({ deadLetterCapacity: 1 })
    bus.bind('first', {}, { to: 'y' })
    bus.bind('parks', { 1: [boom] }, { to: ['x', 'y'], onDead: 'park' })
    const runs: string[] = []
    bus.dp.events.bind('y', (_event, { context }) => runs.push(context.id), { name: 'last' })
    await bus.dp.start()
    await bus.tell('1', 'k')
    let nested: Promise<void> | undefined
    const end = bus.dp.observe('started', ({ handler }) => {
      if (handler === 'events/first') nested ??= bus.dp.publish('y', { id: '3', key: 'k' })
    })
    await bus.dp.publish('y', { id: '2', key: 'k' }) // Parked, and one too many: the dead letter leaves, and frees its lane.
    await nested
    await bus.rest()
    end()
    expect(runs).toEqual(['2', '3'])
    await bus.dp.stop()
  })
})

describe('a policy that changes the limits', () => {
  test('while a synchronous handler is settled loses no place', async () => {
    const dp: Dispatcher = new Dispatcher({
      logger: silent,
      recover: () => {
        dp.limits.workers = 1
        return { outcome: 'skipped' }
      },
    })
    let [running, most] = [0, 0]
    dp.events.bind('x', () => {
      throw boom
    })
    dp.events.bind('y', async () => {
      most = Math.max(most, (running += 1))
      await nextTurn()
      running -= 1
    })
    await dp.start()
    await dp.publish('x')
    for (let n = 0; n < 4; n += 1) void dp.publish('y')
    await dp.stop()
    expect(most).toBe(1)
  })
})

describe('what goes on after its attempt has ended', () => {
  test.each(['continue', 'park'] as const)('can cause nothing any more, under %s', async (onDead) => {
    const bus = new ScriptedBus()
    bus.bind('h', { 1: [boom] }, { onDead })
    bus.bind('q', {}, { to: 'y' })
    await bus.dp.start()
    await bus.tell('1', 'a')
    const [context] = bus.contexts as [Context]
    expect(() => context.publish('y')).toThrow(expect.objectContaining({ code: 'ATTEMPT_ENDED' }))
    await expect(context.request('q')).rejects.toMatchObject({ code: 'ATTEMPT_ENDED' })
    await bus.dp.stop()
    await expect(context.request('q')).rejects.toMatchObject({ code: 'ATTEMPT_ENDED' })
    expect(bus.runs).toEqual(['h 1'])
  })
})

describe('a value or an error that bites whoever looks at it', () => {
  test.each([
    ['a value whose `then` cannot be read', () => Proxy.revocable({}, {}), 'dead'],
    [
      'an error whose message cannot be read',
      () =>
        Object.defineProperty(new Error('x'), 'message', {
          get: () => {
            throw boom
          },
        }),
      'dead',
    ],
  ] as const)('%s is an ordinary failure', async (_, make, status) => {
    const bus = new ScriptedBus()
    bus.dp.events.bind(
      'x',
      (_event, { context }) => {
        bus.runs.push(context.id)
        if (context.id !== '1') return undefined
        const made: unknown = make()
        if (made instanceof Error) throw made
        const { proxy, revoke } = made as { proxy: object; revoke: () => void }
        revoke()
        return proxy
      },
      { name: 'h' },
    )
    await bus.dp.start()
    const outcomes = await bus.dp.publish('x', { id: '1', key: 'a', waitForResponse: true })
    expect(outcomes.map((outcome) => outcome.status)).toEqual([status])
    await bus.tell('2', 'a')
    expect(bus.runs).toEqual(['1', '2'])
    await bus.dp.stop({ deadlineMs: Number.POSITIVE_INFINITY })
  })
})

test('a chain that is too long stays so when a policy has it tried again', async () => {
  let runs = 0
  const recover = (_error: Error, { failures }: { failures: number }) =>
    failures < 3 ? ({ outcome: 'retry', delayMs: 0 } as const) : undefined
  const bus = new ScriptedBus({ maxDepth: 3, recover })
  bus.dp.events.bind('x', (_event, { context }) => {
    runs += 1
    if (runs < 50) context.publish('x')
  })
  await bus.dp.start()
  await bus.dp.publish('x')
  await bus.rest()
  expect(runs).toBe(3)
  expect((await bus.dp.deadLetters.list()).letters).toMatchObject([{ error: { code: 'MAX_DEPTH_EXCEEDED' } }])
})

describe('stop and start, over and over', () => {
  test('never run two at a time, whoever waits for which', async () => {
    let [open, most] = [0, 0]
    const gate = Promise.withResolvers<void>()
    const db = singleton(
      'db',
      async () => {
        most = Math.max(most, (open += 1))
        await nextTurn()
        return 'db'
      },
      {
        close: async () => {
          await nextTurn()
          open -= 1
        },
      },
    )
    const dp = new Dispatcher({ logger: silent })
    dp.events.bind('x', () => gate.promise, { inject: { db } })
    dp.queries.bind('q', () => 'answer')
    await dp.start()
    await dp.publish('x')
    const first = dp.stop()
    const second = dp.start()
    const third = dp.stop()
    gate.resolve()
    await first
    await dp.start()
    expect(await dp.request('q')).toBe('answer')
    await Promise.all([second, third])
    expect(await dp.request('q')).toBe('answer')
    expect(most).toBe(1)
    await dp.stop()
    expect(open).toBe(0)
  })

  test('what was freed meanwhile runs when the bus takes messages again', async () => {
    const bus = new ScriptedBus()
    const told: unknown[] = []
    bus.dp.events.bind(
      'x',
      async (_event, { context }) => {
        if (context.id === '1') throw boom
        told.push(await bus.dp.publish('y'))
      },
      { onDead: 'park' },
    )
    bus.dp.events.bind('y', () => {})
    await bus.dp.start()
    await bus.tell('1', 'a')
    await bus.tell('2', 'a')
    await bus.dp.stop()
    await bus.dp.deadLetters.discard({})
    await bus.dp.start()
    await bus.rest()
    expect(told).toEqual([undefined])
    expect((await bus.dp.deadLetters.list()).letters).toEqual([])
  })

  test('a replay that a stop gave up is still a dead letter: its id is not free', async () => {
    const bus = new ScriptedBus()
    let runs = 0
    bus.dp.events.bind('x', () => ((runs += 1) === 2 ? new Promise<void>(() => {}) : Promise.reject(boom)))
    await bus.dp.start()
    await bus.tell('1')
    await bus.dp.deadLetters.replay({})
    const stopped = bus.dp.stop({ deadlineMs: 5 })
    await bus.rest()
    await bus.pass(5)
    await stopped
    await bus.dp.start()
    expect(await bus.dp.publish('x', { id: '1', waitForResponse: true })).toMatchObject([{ status: 'skipped' }])
    expect((await bus.dp.deadLetters.list()).letters).toHaveLength(1)
  })

  test('a stop that comes while it starts lets nothing in', async () => {
    const dp = new Dispatcher({ logger: silent })
    dp.events.bind('x', () => {})
    const started = dp.start()
    const stopped = dp.stop()
    await started
    expect(dp.isStarted).toBe(false)
    await expect(dp.publish('x')).rejects.toMatchObject({ code: 'NOT_ACCEPTING' })
    await stopped
  })

  test('a message that a stop gave up can be sent again with its id', async () => {
    const bus = new ScriptedBus({ recover: retry({ attempts: 2, backoff: fixed(1_000) }) })
    bus.bind('h', { 1: [boom] })
    await bus.dp.start()
    await bus.tell('1')
    await bus.dp.stop()
    await bus.dp.start()
    expect(await bus.dp.publish('x', { id: '1', waitForResponse: true })).toMatchObject([{ status: 'done' }])
  })
})
