import { describe, expect, test } from 'vitest'
import { ScriptedBus } from '../../test/scripted-bus.ts'
import { discard, fixed, immediate, NonRetryable, type Recover, retry, RetryLater, Unavailable } from '../index.ts'

const boom = new Error('boom')
const after10 = retry({ attempts: 3, backoff: fixed(10) })

describe('a delivery that failed', () => {
  test('is dead at once where nothing else is said: one attempt', async () => {
    const bus = new ScriptedBus()
    bus.listen('failed', 'retried', 'dead')
    bus.bind('h', { 1: [boom] })
    await bus.dp.start()
    await bus.tell('1')
    await bus.pass(1e9)
    expect(bus.runs).toEqual(['h 1'])
    expect(bus.notices).toEqual(['failed h 1', 'dead h 1'])
  })

  test('is tried again after the delay and not before, each attempt with its number, until one succeeds', async () => {
    const bus = new ScriptedBus()
    bus.listen('started', 'failed', 'retried', 'succeeded', 'dead')
    bus.bind('h', { 1: [boom, boom] }, { recover: after10 })
    await bus.dp.start()
    await bus.tell('1')
    await bus.pass(9)
    expect(bus.runs).toEqual(['h 1'])
    await bus.pass(1)
    expect(bus.runs).toEqual(['h 1', 'h 1#2'])
    await bus.pass(10)
    expect(bus.runs).toEqual(['h 1', 'h 1#2', 'h 1#3'])
    const failing = ['started h 1', 'failed h 1', 'retried h 1']
    expect(bus.notices).toEqual([...failing, ...failing, 'started h 1', 'succeeded h 1'])
    await bus.pass(1e6)
    expect(bus.runs).toHaveLength(3)
  })

  test('is dead when the attempts are used up, and causes nothing', async () => {
    const bus = new ScriptedBus()
    bus.listen('dead')
    const seen: unknown[] = []
    bus.dp.events.bind(
      'x',
      (_event, { context }) => {
        context.publish('caused', { headers: { attempt: String(context.attempt) } })
        if (context.attempt < 3 || context.key === undefined) throw boom
      },
      { name: 'h', recover: after10 },
    )
    bus.dp.events.bind('caused', (_event, { context }) => seen.push(context.headers['attempt']))
    await bus.dp.start()
    await bus.tell('1')
    await bus.tell('2', 'k')
    await bus.pass(10)
    await bus.pass(10)
    expect(seen).toEqual(['3']) // Only what succeeded lets go what it recorded.
    expect(bus.notices).toEqual(['dead h 1'])
  })

  test.each([
    ['the binding', { recover: after10 }, {}, 3],
    ['its router', {}, { events: { recover: after10 } }, 3],
    ['the dispatcher', {}, { recover: after10 }, 3],
    [
      'the binding before its router',
      { recover: retry({ attempts: 2, backoff: fixed(1) }) },
      { events: { recover: after10 } },
      2,
    ],
    ['the router before the dispatcher', {}, { events: { recover: after10 }, recover: discard() }, 3],
    ['the next one, where the binding leaves it', { recover: () => undefined }, { recover: after10 }, 3],
    ['the first of several', { recover: [discard({ when: TypeError }), after10] }, {}, 3],
  ])('has its policy from %s', async (_, options, ofBus, attempts) => {
    const bus = new ScriptedBus(ofBus)
    bus.bind('h', { 1: [boom, boom, boom, boom, boom] }, options)
    await bus.dp.start()
    await bus.tell('1')
    for (let n = 0; n < 5; n += 1) await bus.pass(10)
    expect(bus.runs).toHaveLength(attempts)
  })

  test('has attempts of its own at each handler: the others are not told twice', async () => {
    const bus = new ScriptedBus({ recover: after10 })
    bus.bind('fails', { 1: [boom, boom] })
    bus.bind('works', {})
    await bus.dp.start()
    await bus.tell('1')
    await bus.pass(10)
    await bus.pass(10)
    expect(bus.runs).toEqual(['fails 1', 'works 1', 'fails 1#2', 'fails 1#3'])
  })

  test.each([
    ['Unavailable', () => new Unavailable('away')],
    ['RetryLater', () => new RetryLater(10)],
  ])('burns no attempt with %s, for as long as maxAgeMs', async (_, make) => {
    const bus = new ScriptedBus()
    bus.listen('dead')
    const errors = Array.from({ length: 100 }, make)
    bus.bind('h', { 1: errors }, { recover: retry({ attempts: 2, backoff: fixed(10), maxAgeMs: 100 }) })
    await bus.dp.start()
    await bus.tell('1')
    for (let n = 0; n < 20; n += 1) await bus.pass(10)
    // Ten that burn none (at 0, 10, ... 90), and the two attempts.
    expect(bus.runs).toEqual([...Array.from({ length: 11 }, () => 'h 1'), 'h 1#2'])
    const { letters } = await bus.dp.deadLetters.list()
    expect(letters[0]?.attempts.map(({ attempt, isFree, times }) => [attempt, isFree, times])).toEqual([
      [1, true, 10],
      [1, false, 1],
      [2, false, 1],
    ])
  })

  test('in memory, RetryLater is tried again although there is one attempt', async () => {
    const bus = new ScriptedBus()
    bus.bind('h', { 1: [new RetryLater(500)] })
    await bus.dp.start()
    await bus.tell('1')
    await bus.pass(499)
    expect(bus.runs).toHaveLength(1)
    await bus.pass(1)
    expect(bus.runs).toEqual(['h 1', 'h 1'])
  })

  test('that asks to be tried again at once, for free, leaves the turn to others', async () => {
    const bus = new ScriptedBus()
    let runs = 0
    bus.dp.events.bind('x', () => {
      runs += 1
      throw new RetryLater(0)
    })
    await bus.dp.start()
    await bus.tell('1') // Else it would never come back.
    expect(runs).toBe(1)
    await bus.pass(1)
    expect(runs).toBe(2)
    await bus.dp.stop()
  })

  test('is left by discard(), with a notice, and its outcome is skipped', async () => {
    const bus = new ScriptedBus({ recover: discard() })
    bus.listen('failed', 'dropped', 'dead')
    bus.bind('h', { 1: [boom] })
    await bus.dp.start()
    const outcomes = await bus.dp.publish('x', { id: '1', waitForResponse: true })
    expect(outcomes).toEqual([{ handler: 'events/h', status: 'skipped', error: boom }])
    expect(bus.notices).toEqual(['failed h 1', 'dropped h 1'])
    expect(await bus.dp.deadLetters.list()).toEqual({ letters: [], next: undefined })
  })

  test('counts as done where the policy says so', async () => {
    const bus = new ScriptedBus({ recover: () => ({ outcome: 'done' }) })
    bus.bind('h', { 1: [boom] })
    await bus.dp.start()
    expect(await bus.dp.publish('x', { id: '1', waitForResponse: true })).toEqual([
      { handler: 'events/h', status: 'done', value: undefined },
    ])
  })

  test.each<[string, Recover]>([
    [
      'throws',
      () => {
        throw new Error('in recover')
      },
    ],
    ['gives nonsense', () => 'again' as never],
    ['gives a delay that is none', () => ({ outcome: 'retry', delayMs: Number.NaN })],
  ])('is dead when the policy %s: nothing is lost, and a critical notice says so', async (_, recover) => {
    const bus = new ScriptedBus({ recover })
    bus.listen('recoverFailed', 'dead')
    bus.bind('h', { 1: [boom] })
    await bus.dp.start()
    await bus.tell('1')
    expect(bus.notices).toEqual(['recoverFailed h 1', 'dead h 1'])
    const { letters } = await bus.dp.deadLetters.list()
    expect(letters).toMatchObject([{ error: boom }])
    expect(bus.logger.error.mock.calls[0]?.[0]).toMatchObject({ critical: true })
  })

  test('is told to the policy as it is', async () => {
    const seen: unknown[] = []
    const bus = new ScriptedBus({
      recover: (error, delivery) => {
        seen.push({ error, ...delivery, random: 0 })
        return delivery.failures < 3 ? { outcome: 'retry', delayMs: 10, isFree: delivery.failures === 1 } : undefined
      },
    })
    bus.bind('h', { 1: [boom, boom, boom] })
    await bus.dp.start()
    await bus.tell('1', 'k')
    await bus.pass(10)
    await bus.pass(10)
    const same = {
      error: boom,
      id: '1',
      type: 'x',
      message: 'x',
      handler: 'events/h',
      key: 'k',
      headers: {},
      replayed: false,
    }
    expect(seen).toEqual([
      { ...same, attempt: 1, failures: 1, failingMs: 0, random: 0 },
      { ...same, attempt: 1, failures: 2, failingMs: 10, random: 0 },
      { ...same, attempt: 2, failures: 3, failingMs: 20, random: 0 },
    ])
  })
})

describe('while a delivery waits for its next attempt', () => {
  test('its lane waits, and others flow', async () => {
    const bus = new ScriptedBus({ recover: after10 })
    bus.bind('h', { 1: [boom, boom] })
    await bus.dp.start()
    for (const [id, key] of [
      ['1', 'a'],
      ['2', 'a'],
      ['3', 'b'],
      ['4', undefined],
      ['5', 'a'],
    ] as const)
      await bus.tell(id, key)
    expect(bus.runs).toEqual(['h 1', 'h 3', 'h 4'])
    await bus.pass(10)
    expect(bus.runs.slice(3)).toEqual(['h 1#2'])
    await bus.pass(10)
    expect(bus.runs.slice(4)).toEqual(['h 1#3', 'h 2', 'h 5'])
  })

  test('it holds no worker', async () => {
    const bus = new ScriptedBus({ recover: after10, workers: 1 })
    bus.bind('h', { 1: [boom] })
    await bus.dp.start()
    await bus.tell('1', 'a')
    await bus.tell('2', 'b')
    expect(bus.runs).toEqual(['h 1', 'h 2'])
    await bus.pass(10)
    expect(bus.runs).toEqual(['h 1', 'h 2', 'h 1#2'])
  })

  test('whoever waits for the event goes on waiting', async () => {
    const bus = new ScriptedBus({ recover: after10 })
    bus.bind('h', { 1: [boom, boom] })
    await bus.dp.start()
    let outcomes: unknown
    void bus.dp.publish('x', { id: '1', waitForResponse: true }).then((all) => (outcomes = all))
    await bus.rest()
    await bus.pass(10)
    expect(outcomes).toBeUndefined()
    await bus.pass(10)
    expect(outcomes).toEqual([{ handler: 'events/h', status: 'done', value: 'h 1' }])
  })

  test('what the failed attempt still holds of its context can cause nothing', async () => {
    const bus = new ScriptedBus({ recover: after10 })
    bus.bind('h', { 1: [boom] })
    await bus.dp.start()
    await bus.tell('1')
    await bus.pass(10)
    const [first, second] = bus.contexts
    expect([first?.attempt, second?.attempt]).toEqual([1, 2])
    expect(() => first?.publish('late')).toThrow(expect.objectContaining({ code: 'ATTEMPT_ENDED' }))
    expect([second?.id, second?.correlationId, second?.time]).toEqual([first?.id, first?.correlationId, first?.time])
  })

  test('no timer is left behind, and a process may end', async () => {
    const bus = new ScriptedBus({ recover: after10 })
    bus.bind('h', { 1: [boom] })
    await bus.dp.start()
    await bus.tell('1')
    expect(bus.clock.refTimers).toBe(1)
    await bus.pass(10)
    expect(bus.clock.timers).toBe(0)
  })

  test('immediate() tries again without a timer, in its place', async () => {
    const bus = new ScriptedBus({ recover: retry({ attempts: 3, backoff: immediate() }) })
    bus.bind('h', { 1: [boom, boom] })
    await bus.dp.start()
    await Promise.all([bus.tell('1', 'a'), bus.tell('2', 'a')])
    await bus.rest()
    expect(bus.runs).toEqual(['h 1', 'h 1#2', 'h 1#3', 'h 2'])
    expect(bus.clock.timers).toBe(0)
  })

  test('a delay that no timer can have is waited for all the same', async () => {
    const days = 24 * 60 * 60 * 1_000
    const bus = new ScriptedBus({ recover: () => ({ outcome: 'retry', delayMs: 60 * days }) })
    bus.bind('h', { 1: [boom] })
    await bus.dp.start()
    await bus.tell('1')
    await bus.pass(60 * days - 1)
    expect(bus.runs).toHaveLength(1)
    await bus.pass(1)
    expect(bus.runs).toHaveLength(2)
  })
})

describe('an attempt that runs out of time', () => {
  const policies = { timeoutMs: 100, recover: retry({ attempts: 2, backoff: fixed(50) }) }

  /** A handler that ends when it is told to. */
  function held(bus: ScriptedBus, options: object) {
    const ends: (() => void)[] = []
    const started: number[] = []
    bus.dp.events.bind(
      'x',
      (_event, { context }) => {
        started.push(context.attempt)
        return new Promise<void>((resolve) => ends.push(resolve))
      },
      { name: 'h', ...options },
    )
    return { ends, started }
  }

  test('is tried again after its handler has ended, and no earlier than the delay says', async () => {
    const bus = new ScriptedBus()
    bus.listen('failed', 'retried', 'late', 'dead')
    const { ends, started } = held(bus, policies)
    await bus.dp.start()
    await bus.tell('1', 'k')
    await bus.pass(100)
    expect(bus.notices).toEqual(['failed h 1', 'retried h 1'])
    await bus.pass(20)
    ends[0]?.() // 20 of the 50 are over.
    await bus.rest()
    expect(bus.notices.at(-1)).toBe('late h 1')
    await bus.pass(29)
    expect(started).toEqual([1])
    await bus.pass(1)
    expect(started).toEqual([1, 2])
    ends[1]?.()
    await bus.rest()
    expect(bus.notices.filter((notice) => notice.startsWith('dead'))).toEqual([])
  })

  test('is tried again at once when its handler ends after the delay; until then its lane waits', async () => {
    const bus = new ScriptedBus()
    const { ends, started } = held(bus, policies)
    await bus.dp.start()
    await bus.tell('1', 'k')
    await bus.tell('2', 'k')
    await bus.pass(500)
    expect(started).toEqual([1])
    ends[0]?.()
    await bus.rest()
    expect(started).toEqual([1, 2])
    ends[1]?.()
    await bus.rest()
    expect(started).toEqual([1, 2, 1])
  })

  test('is dead at once where it was the last, and its lane waits until its handler ends', async () => {
    const bus = new ScriptedBus()
    bus.listen('dead', 'late')
    const { ends, started } = held(bus, { timeoutMs: 100 })
    await bus.dp.start()
    await bus.tell('1', 'k')
    await bus.tell('2', 'k')
    await bus.pass(100)
    expect(bus.notices).toEqual(['dead h 1'])
    expect(started).toEqual([1])
    ends[0]?.()
    await bus.rest()
    expect(started).toEqual([1, 1])
    expect((await bus.dp.deadLetters.list()).letters).toMatchObject([{ error: { code: 'TIMED_OUT' } }])
  })
})

describe('requests behind a delivery that waits for its next attempt', () => {
  /** `c` fails once, and is tried again later; `d` asks it meanwhile, with the same key. */
  function asking(workers: number) {
    const bus = new ScriptedBus({ workers })
    bus.listen('retried')
    bus.dp.commands.bind(
      'c',
      (_command, { context }) => (context.id === '1' && context.attempt === 1 ? Promise.reject(boom) : 'answer'),
      {
        recover: after10,
      },
    )
    bus.dp.queries.bind('d', (_query, { context }) => context.request('c', { key: 'k' }))
    return bus
  }

  test('wait for it: a retry that has a worker is progress', async () => {
    const bus = asking(2)
    await bus.dp.start()
    await bus.dp.send('c', { id: '1', key: 'k' })
    await bus.rest()
    const answer = bus.dp.request('d')
    await bus.rest()
    await bus.pass(10)
    expect(await answer).toBe('answer')
  })

  test('are refused where they hold the worker that it would need', async () => {
    const bus = asking(1)
    await bus.dp.start()
    await bus.dp.send('c', { id: '1', key: 'k' })
    await bus.rest()
    await expect(bus.dp.request('d')).rejects.toMatchObject({ code: 'LANE_DEADLOCK' })
  })
})

describe('stop()', () => {
  test('does not wait for retries: each is reported, with what is behind it, and nothing overtakes', async () => {
    const bus = new ScriptedBus({ recover: after10 })
    bus.listen('stopped')
    bus.bind('h', { 1: [boom] })
    await bus.dp.start()
    const waited = bus.dp.publish('x', { id: '1', key: 'a', waitForResponse: true })
    await bus.rest()
    await bus.tell('2', 'a')
    await bus.dp.stop()
    expect(bus.notices).toEqual(['stopped h 1', 'stopped h 2'])
    expect(await waited).toEqual([
      { handler: 'events/h', status: 'stopped', error: expect.objectContaining({ code: 'STOPPED' }) },
    ])
    expect(bus.logger.error.mock.calls.map(([, text]) => text as string)).toEqual([
      "stop() does not wait for retries: 'x' was still retrying for events/h.",
      "stop() does not wait for retries: 'x' was still waiting for events/h.",
    ])
    await bus.pass(1e6)
    expect(bus.runs).toEqual(['h 1'])
    expect(bus.clock.timers).toBe(0)
  })

  test('gives up what fails while it waits, and what is caused in that lane afterwards', async () => {
    const bus = new ScriptedBus({ recover: after10 })
    bus.listen('stopped', 'succeeded')
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    bus.bind('h', { 1: [boom] })
    bus.dp.events.bind(
      'y',
      async (_event, { context }) => {
        await gates[0]?.promise
        context.publish('x', { id: '1', key: 'a' })
      },
      { name: 'first' },
    )
    bus.dp.events.bind(
      'y',
      async (_event, { context }) => {
        await gates[1]?.promise
        context.publish('x', { id: '2', key: 'a' })
        context.publish('x', { id: '3', key: 'b' })
      },
      { name: 'second' },
    )
    await bus.dp.start()
    await bus.tell('0', undefined, 'y')
    const stopped = bus.dp.stop()
    gates[0]?.resolve()
    await bus.rest()
    expect(bus.notices).toEqual(['succeeded first 0', 'stopped h 1'])
    gates[1]?.resolve()
    await stopped
    expect(bus.notices.slice(2)).toEqual(['stopped h 2', 'succeeded second 0', 'succeeded h 3'])
    expect(bus.runs).toEqual(['h 1', 'h 3'])
    await bus.dp.start()
    await bus.tell('4', 'a')
    expect(bus.runs).toEqual(['h 1', 'h 3', 'h 4'])
  })

  test('reports at its deadline what had run out of time and was to be tried again', async () => {
    const bus = new ScriptedBus()
    bus.listen('retried', 'stopped', 'late')
    const gate = Promise.withResolvers<void>()
    bus.dp.events.bind('x', () => gate.promise, { name: 'h', timeoutMs: 10, recover: after10 })
    await bus.dp.start()
    const waited = bus.dp.publish('x', { id: '1', waitForResponse: true })
    await bus.rest()
    await bus.pass(10)
    const stopped = bus.dp.stop({ deadlineMs: 5 })
    await bus.rest()
    await bus.pass(5)
    await stopped
    expect(bus.notices).toEqual(['retried h 1', 'stopped h 1'])
    expect(await waited).toMatchObject([{ status: 'stopped' }])
    gate.resolve()
    await bus.pass(100)
    expect(bus.notices.slice(2)).toEqual(['late h 1'])
  })

  test('runs what is to be tried again without delay', async () => {
    const bus = new ScriptedBus({ recover: retry({ attempts: 3, backoff: immediate() }) })
    bus.listen('stopped')
    bus.bind('h', { 1: [boom, boom] })
    await bus.dp.start()
    await bus.dp.publish('x', { id: '1', key: 'a' })
    await bus.dp.stop()
    expect(bus.runs).toEqual(['h 1', 'h 1#2', 'h 1#3'])
    expect(bus.notices).toEqual([])
  })
})

test('a request has one attempt and no dead letter, whatever the policy: its failure is its caller’s', async () => {
  const bus = new ScriptedBus({ recover: after10 })
  bus.listen('retried', 'dead')
  let runs = 0
  bus.dp.queries.bind('q', () => {
    runs += 1
    throw boom
  })
  await bus.dp.start()
  await expect(bus.dp.request('q')).rejects.toBe(boom)
  await bus.pass(1e6)
  expect(runs).toBe(1)
  expect(bus.notices).toEqual([])
  // Sent, it is nobody's.
  await bus.dp.handle('q')
  await bus.pass(10)
  await bus.pass(10)
  expect(runs).toBe(4)
  expect(bus.notices).toHaveLength(3)
})

test('a chain that feeds itself is dead at its end, whatever the policy, and holds the order of its key', async () => {
  const bus = new ScriptedBus({ recover: after10, maxDepth: 3 })
  bus.listen('dead', 'retried')
  bus.dp.events.bind('x', (_event, { context }) => context.publish('x'), { name: 'h' })
  await bus.dp.start()
  await bus.dp.publish('x', { key: 'k' })
  await bus.rest()
  expect(bus.notices).toHaveLength(1)
  const { letters } = await bus.dp.deadLetters.list()
  expect(letters[0]).toMatchObject({
    error: { code: 'MAX_DEPTH_EXCEEDED' },
    causes: [{ type: 'x' }, { type: 'x' }, { type: 'x' }],
  })
})

test('NonRetryable is dead at once', async () => {
  const bus = new ScriptedBus({ recover: after10 })
  bus.listen('retried', 'dead')
  bus.bind('h', { 1: [new NonRetryable('no such card')] })
  await bus.dp.start()
  await bus.tell('1')
  expect(bus.notices).toEqual(['dead h 1'])
})
