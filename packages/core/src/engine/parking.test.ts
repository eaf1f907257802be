import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import { ScriptedBus } from '../../test/scripted-bus.ts'
import { fixed, LaneParked, retry, singleton } from '../index.ts'

const boom = new Error('boom')

/** A bus whose handler parks; 1 has died on key a, 2 and 3 wait behind it. */
async function parkedBus(script: Record<string, Error[]> = { 1: [boom] }, options = {}): Promise<ScriptedBus> {
  const bus = new ScriptedBus(options)
  bus.bind('h', script, { onDead: 'park' })
  bus.listen('dead', 'parked', 'replayed', 'succeeded', 'dropped', 'evicted', 'stopped')
  await bus.dp.start()
  for (const id of ['1', '2', '3']) await bus.tell(id, 'a')
  return bus
}
const letterOf = async (bus: ScriptedBus): Promise<string> => (await bus.dp.deadLetters.list()).letters[0]?.id ?? ''

describe('behind a dead delivery', () => {
  test('later messages of its key queue, and other keys flow', async () => {
    const bus = await parkedBus()
    await bus.tell('4', 'b')
    await bus.tell('5')
    expect(bus.runs).toEqual(['h 1', 'h 4', 'h 5'])
    expect(bus.notices.slice(0, 3)).toEqual(['dead h 1', 'parked h 2', 'parked h 3'])
    expect((await bus.dp.deadLetters.list()).letters).toMatchObject([{ envelope: { id: '1' }, parked: 2 }])
  })

  test('what waited in the lane already is parked too, and its waiters are told', async () => {
    const bus = new ScriptedBus()
    bus.bind('h', { 1: [boom] }, { onDead: 'park' })
    bus.bind('other', {})
    await bus.dp.start()
    const [first, second] = ['1', '2'].map((id) => bus.dp.publish('x', { id, key: 'a', waitForResponse: true }))
    expect(await first).toMatchObject([{ status: 'dead', error: boom }, { status: 'done' }])
    expect(await second).toEqual([
      { handler: 'events/h', status: 'parked', error: expect.any(LaneParked) },
      { handler: 'events/other', status: 'done', value: 'other 2' },
    ])
    const later = await bus.dp.publish('x', { id: '3', key: 'a', waitForResponse: true })
    expect(later).toMatchObject([{ status: 'parked' }, { status: 'done' }])
    expect(bus.runs).toEqual(['h 1', 'other 1', 'other 2', 'other 3'])
  })

  test('a request is refused, whether it comes later or waits already', async () => {
    const bus = new ScriptedBus()
    const gate = Promise.withResolvers<void>()
    bus.dp.commands.bind('c', () => gate.promise, { name: 'c', onDead: 'park' })
    await bus.dp.start()
    await bus.dp.send('c', { key: 'a' })
    const waiting = bus.dp.request('c', { key: 'a' })
    gate.reject(boom)
    await expect(waiting).rejects.toMatchObject({ code: 'LANE_PARKED' })
    const text = "commands/c is parked for the key 'a': an earlier message of it is dead."
    await expect(bus.dp.request('c', { key: 'a' })).rejects.toThrow(text)
    await expect(bus.dp.request('c', { key: 'a', timeoutMs: 100 })).rejects.toMatchObject({ code: 'LANE_PARKED' })
    await expect(bus.dp.request('c', { key: 'b' })).rejects.toBe(boom)
    expect(bus.clock.refTimers).toBe(0)
    await bus.dp.stop()
  })

  test('a request of a handler that holds the only worker is refused for what it is', async () => {
    const bus = new ScriptedBus({ workers: 1 })
    bus.dp.commands.bind('c', () => Promise.reject(boom), { name: 'c', onDead: 'park' })
    bus.dp.queries.bind('q', (_query, { context }) => context.request('c', { key: 'a' }))
    await bus.dp.start()
    await bus.dp.send('c', { key: 'a' })
    await bus.rest()
    await expect(bus.dp.request('q')).rejects.toMatchObject({ code: 'LANE_PARKED' })
    await bus.dp.stop({ deadlineMs: Number.POSITIVE_INFINITY })
  })

  test('nothing is counted as waiting: capacity is for what can run', async () => {
    const bus = await parkedBus({ 1: [boom] }, { capacity: { high: 1, low: 0 }, whenFull: 'throw' })
    await bus.tell('4', 'a')
    await bus.tell('5', 'b')
    expect(bus.runs).toEqual(['h 1', 'h 5'])
  })

  test('stop() does not wait for it, reports it, and it is there after a new start', async () => {
    const bus = await parkedBus()
    await bus.dp.stop()
    expect(bus.notices.slice(3)).toEqual(['stopped h 2', 'stopped h 3'])
    const text = "The dispatcher stopped: 'x' was still parked for events/h."
    expect(bus.logger.error.mock.calls.at(-1)?.[1]).toBe(text)
    await bus.dp.start()
    await bus.tell('4', 'a')
    await bus.dp.deadLetters.replay(await letterOf(bus))
    await bus.rest()
    expect(bus.runs.slice(1)).toEqual(['h 1', 'h 2', 'h 3', 'h 4'])
  })

  test('without a key, nothing is parked', async () => {
    const bus = new ScriptedBus({ onDead: 'park' })
    bus.bind('h', { 1: [boom] })
    await bus.dp.start()
    await bus.tell('1')
    await bus.tell('2')
    expect(bus.runs).toEqual(['h 1', 'h 2'])
  })

  test.each([
    ['the binding', { onDead: 'park' }, { events: { onDead: 'continue' } }, true],
    ['its router', {}, { events: { onDead: 'park' }, onDead: 'continue' }, true],
    ['the dispatcher', {}, { onDead: 'park' }, true],
    ['nobody', {}, {}, false],
  ] as const)('parked or not is said by %s', async (_, options, ofBus, isParked) => {
    const bus = new ScriptedBus(ofBus)
    bus.bind('h', { 1: [boom] }, options)
    await bus.dp.start()
    await bus.tell('1', 'a')
    await bus.tell('2', 'a')
    expect(bus.runs).toEqual(isParked ? ['h 1'] : ['h 1', 'h 2'])
  })
})

describe('a replay', () => {
  test('runs in its place, with the others behind it in order, when it succeeds', async () => {
    const bus = await parkedBus()
    expect(await bus.dp.deadLetters.replay(await letterOf(bus), { waitForResponse: true })).toEqual([
      { handler: 'events/h', status: 'done', value: 'h 1' },
    ])
    await bus.tell('4', 'a')
    expect(bus.runs).toEqual(['h 1', 'h 1', 'h 2', 'h 3', 'h 4'])
    expect(bus.contexts.map(({ replayed }) => replayed)).toEqual([false, true, false, false, false])
    expect((await bus.dp.deadLetters.list()).letters).toEqual([])
  })

  test('that fails is put back with its new cause, and the others stay behind it', async () => {
    const worse = new Error('worse')
    const bus = await parkedBus({ 1: [boom, worse] })
    const id = await letterOf(bus)
    expect(await bus.dp.deadLetters.replay(id, { waitForResponse: true })).toMatchObject([
      { status: 'dead', error: worse },
    ])
    const { letters } = await bus.dp.deadLetters.list()
    expect(letters).toMatchObject([{ id, error: worse, parked: 2, isReplaying: false }])
    expect(letters[0]?.attempts.map(({ error }) => error)).toEqual([boom, worse])
    expect(bus.runs).toEqual(['h 1', 'h 1'])
    await bus.dp.deadLetters.replay(id)
    await bus.rest()
    expect(bus.runs.slice(2)).toEqual(['h 1', 'h 2', 'h 3'])
  })

  test('passes the place on to the next that dies: the rest stay behind that one', async () => {
    const bus = await parkedBus({ 1: [boom], 2: [boom] })
    await bus.dp.deadLetters.replay(await letterOf(bus))
    await bus.rest()
    expect(bus.runs).toEqual(['h 1', 'h 1', 'h 2'])
    expect((await bus.dp.deadLetters.list()).letters).toMatchObject([{ envelope: { id: '2' }, parked: 1 }])
    await bus.dp.deadLetters.replay(await letterOf(bus))
    await bus.rest()
    expect(bus.runs.slice(3)).toEqual(['h 2', 'h 3'])
  })

  test('has all its attempts anew', async () => {
    const bus = new ScriptedBus()
    const recover = retry({ attempts: 2, backoff: fixed(10) })
    bus.bind('h', { 1: [boom, boom, boom] }, { onDead: 'park', recover })
    await bus.dp.start()
    await bus.tell('1', 'a')
    await bus.pass(10)
    await bus.tell('2', 'a')
    await bus.dp.deadLetters.replay(await letterOf(bus))
    await bus.rest()
    await bus.pass(10)
    expect(bus.runs).toEqual(['h 1', 'h 1#2', 'h 1', 'h 1#2', 'h 2'])
  })
})

describe('a delivery that is dead because it ran out of time, while its handler goes on,', () => {
  async function overdue() {
    const bus = new ScriptedBus()
    const runs: string[] = []
    const ends: (() => void)[] = []
    bus.dp.events.bind(
      'x',
      (_event, { context }) => {
        runs.push(`${context.id}${context.replayed ? ' replayed' : ''}`)
        return runs.length > 1 ? undefined : new Promise<void>((resolve) => ends.push(resolve))
      },
      { name: 'h', onDead: 'park', timeoutMs: 10 },
    )
    await bus.dp.start()
    await bus.tell('1', 'a')
    await bus.tell('2', 'a')
    await bus.pass(10)
    const end = async (): Promise<void> => {
      ends[0]?.()
      await bus.rest()
    }
    return { bus, runs, end }
  }

  test('parks the others once it has ended', async () => {
    const { bus, runs, end } = await overdue()
    await end()
    expect(runs).toEqual(['1'])
    await bus.dp.deadLetters.replay(await letterOf(bus))
    await bus.rest()
    expect(runs).toEqual(['1', '1 replayed', '2'])
  })

  test('does not park them when it was replayed meanwhile: that comes next', async () => {
    const { bus, runs, end } = await overdue()
    await bus.dp.deadLetters.replay(await letterOf(bus))
    await bus.rest()
    expect(runs).toEqual(['1'])
    await end()
    expect(runs).toEqual(['1', '1 replayed', '2'])
  })

  test('does not park them when it was discarded meanwhile', async () => {
    const { bus, runs, end } = await overdue()
    await bus.dp.deadLetters.discard(await letterOf(bus))
    await end()
    expect(runs).toEqual(['1', '2'])
  })
})

test('a listener that discards a dead letter as soon as it is told of it leaves no lane parked', async () => {
  const bus = new ScriptedBus()
  bus.bind('h', { 1: [boom] }, { onDead: 'park' })
  const discard = (notice: unknown): void => {
    void bus.dp.deadLetters.discard((notice as { letterId: string }).letterId)
  }
  subscribe('iambus:dead', discard)
  await bus.dp.start()
  await bus.tell('1', 'a')
  await bus.tell('2', 'a')
  unsubscribe('iambus:dead', discard)
  expect(bus.runs).toEqual(['h 1', 'h 2'])
})

test('what was parked before a new start has what that start has opened', async () => {
  const bus = new ScriptedBus()
  let opened = 0
  const db = singleton('db', () => (opened += 1))
  const seen: string[] = []
  bus.dp.events.bind(
    'x',
    (_event, { context, db: n }) => {
      seen.push(`${context.id} with ${n}`)
      if (seen.length === 1) throw boom
    },
    { inject: { db }, onDead: 'park' },
  )
  await bus.dp.start()
  await bus.tell('1', 'a')
  await bus.tell('2', 'a')
  await bus.dp.stop()
  await bus.dp.start()
  await bus.dp.deadLetters.replay({})
  await bus.rest()
  expect(seen).toEqual(['1 with 1', '1 with 2', '2 with 2'])
})

describe('a dead letter that lost its lane, because a stop came over its replay,', () => {
  /** 1 is such a letter; then 5 has died on the same key, and 6 is parked behind it. */
  async function twoOfOneKey() {
    const bus = new ScriptedBus()
    const gate = Promise.withResolvers<void>()
    const runs: string[] = []
    bus.dp.events.bind(
      'x',
      (_event, { context: { id, replayed } }) => {
        runs.push(`${id}${replayed ? ' replayed' : ''}`)
        if (replayed) return gate.promise
        return id === '6' ? undefined : Promise.reject(boom)
      },
      { name: 'h', onDead: 'park' },
    )
    await bus.dp.start()
    await bus.tell('1', 'a')
    await bus.dp.deadLetters.replay({})
    const stopped = bus.dp.stop({ deadlineMs: 5 })
    await bus.rest()
    await bus.pass(5)
    await stopped
    gate.resolve()
    await bus.rest()
    await bus.dp.start()
    await bus.tell('5', 'a')
    await bus.tell('6', 'a')
    const found = async () =>
      (await bus.dp.deadLetters.list()).letters.map(({ envelope, parked, isReplaying }) => [
        envelope.id,
        parked,
        isReplaying,
      ])
    return { bus, runs, found }
  }

  test('does not take the place of another: what is parked is behind that one', async () => {
    const { bus, runs, found } = await twoOfOneKey()
    expect(await found()).toEqual([
      ['1', 0, false],
      ['5', 1, false],
    ])
    const [first] = (await bus.dp.deadLetters.list()).letters
    await bus.dp.deadLetters.replay(first?.id ?? '')
    await bus.rest()
    expect(await found()).toEqual([
      ['1', 0, true],
      ['5', 2, false],
    ]) // It is parked itself.
    await bus.dp.deadLetters.replay({})
    await bus.rest()
    expect(runs.slice(2)).toEqual(['5', '5 replayed', '1 replayed', '6'])
    expect(await found()).toEqual([])
  })

  test('is a dead letter still, when what it was parked behind is erased', async () => {
    const { bus, runs, found } = await twoOfOneKey()
    const [first] = (await bus.dp.deadLetters.list()).letters
    await bus.dp.deadLetters.replay(first?.id ?? '')
    expect(await bus.dp.deadLetters.erase({ key: 'a' })).toBe(2)
    await bus.rest()
    expect(await found()).toEqual([['1', 0, false]])
    expect(runs).toEqual(['1', '1 replayed', '5'])
  })
})

test('what follows a replay is waited for by stop(), and counts against the capacity', async () => {
  const bus = new ScriptedBus({ capacity: { high: 2, low: 0 }, whenFull: 'throw' })
  const gate = Promise.withResolvers<void>()
  const runs: string[] = []
  bus.dp.events.bind(
    'x',
    async (_event, { context }) => {
      runs.push(context.id)
      if (runs.length === 1) throw boom
      await gate.promise
    },
    { onDead: 'park' },
  )
  await bus.dp.start()
  for (const id of ['1', '2', '3']) await bus.tell(id, 'a')
  await bus.dp.deadLetters.replay({})
  await expect(bus.dp.publish('x', { key: 'a' })).rejects.toMatchObject({ code: 'QUEUE_FULL' })
  const stopped = bus.dp.stop()
  gate.resolve()
  await stopped
  expect(runs).toEqual(['1', '1', '2', '3'])
})

test('a dead letter that is discarded frees those behind it', async () => {
  const bus = await parkedBus()
  expect(await bus.dp.deadLetters.discard(await letterOf(bus))).toBe(1)
  await bus.rest()
  expect(bus.runs).toEqual(['h 1', 'h 2', 'h 3'])
  expect(bus.notices).toContain('dropped h 1')
})

test('at the bound the oldest leaves, whole, with what is parked behind it, in a critical notice; its lane goes on', async () => {
  const bus = await parkedBus({ 1: [boom], 9: [boom] }, { deadLetterCapacity: 4 })
  await bus.tell('9', 'b')
  expect(bus.notices).not.toContain('evicted h 1')
  await bus.tell('8', 'b')
  expect(bus.notices).toContain('evicted h 1')
  const [fields, text] = bus.logger.error.mock.lastCall as [object, string]
  expect(fields).toMatchObject({
    critical: true,
    letter: { envelope: { id: '1' }, error: boom },
    parked: [{ id: '2' }, { id: '3' }],
  })
  expect(text).toContain("the oldest, 'x' at events/h, is lost, and 2 messages parked behind it.")
  expect((await bus.dp.deadLetters.list()).letters).toMatchObject([{ envelope: { id: '9' }, parked: 1 }])
  await bus.tell('4', 'a')
  expect(bus.runs).toEqual(['h 1', 'h 9', 'h 4'])
  await bus.dp.stop()
})
