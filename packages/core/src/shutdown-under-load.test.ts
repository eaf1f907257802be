import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type Context,
  Dispatcher,
  type DispatcherOptions,
  NotAccepting,
  singleton,
  StopDeadlock,
  Stopped,
} from './index.ts'

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
const unhandled: unknown[] = []
const listen = (reason: unknown): void => void unhandled.push(reason)

beforeEach(() => {
  vi.resetAllMocks()
  process.on('unhandledRejection', listen)
})

afterEach(async () => {
  await nextTurn()
  process.off('unhandledRejection', listen)
  // oxlint-disable-next-line vitest/no-standalone-expect -- holds for every test
  expect(unhandled.splice(0)).toEqual([])
})

/** A dispatcher on a clock that stands still until it is told that all its timers are due. */
function bus(options: DispatcherOptions = {}) {
  const timers = new Set<() => void>()
  let nowMs = 0
  const after = (_delayMs: number, run: () => void) => {
    timers.add(run)
    return { cancel: () => void timers.delete(run) }
  }
  const fire = async () => {
    await nextTurn()
    nowMs += 1_000_000
    const due = [...timers]
    timers.clear()
    for (const run of due) run()
    await nextTurn()
  }
  return { dp: new Dispatcher({ logger, clock: { now: () => nowMs, after }, ...options }), fire, timers }
}

/** What a promise has come to by now. */
function watched(promise: Promise<unknown>) {
  const seen: { state: 'pending' | 'resolved' | 'rejected'; value?: unknown } = { state: 'pending' }
  promise.then(
    (value) => Object.assign(seen, { state: 'resolved', value }),
    (value: unknown) => Object.assign(seen, { state: 'rejected', value }),
  )
  return seen
}

const stopped = (text: string | RegExp) =>
  expect.objectContaining({
    constructor: Stopped,
    code: 'STOPPED',
    message: expect.stringMatching(text) as string,
  }) as Error

describe('stop, while 1 000 deliveries wait for 4 workers,', () => {
  const ids = Array.from({ length: 1_000 }, (_, n) => `${n}`)

  /** Half of them of ten keys, the others of none. */
  async function loaded(handle: (context: Context) => unknown) {
    const { dp, fire } = bus({ workers: 4 })
    dp.events.bind('work', (_event, { context }) => handle(context), { name: 'work' })
    dp.events.bind('effect', (_event, { context }) => handle(context), { name: 'effect' })
    await dp.start()
    for (const id of ids) {
      await dp.publish('work', { id, key: Number(id) % 2 === 0 ? null : `key ${Number(id) % 20}` })
    }
    return { dp, fire }
  }

  test('runs them all, and what they cause, never more than four at a time', async () => {
    const [worked, effects]: [string[], string[]] = [[], []]
    let [running, most] = [0, 0]
    const { dp } = await loaded(async (context) => {
      most = Math.max(most, (running += 1))
      await nextTurn()
      if (context.type === 'work') context.publish('effect', { id: `effect of ${context.id}` })
      ;(context.type === 'work' ? worked : effects).push(context.id)
      running -= 1
    })
    expect(running).toBe(4)
    await dp.stop()
    expect(worked.toSorted()).toEqual(ids.toSorted())
    expect(effects.toSorted()).toEqual(ids.map((id) => `effect of ${id}`).toSorted())
    expect(most).toBe(4)
    expect(running).toBe(0)
    expect(logger.error).not.toHaveBeenCalled()
    const keyed = worked.filter((id) => Number(id) % 20 === 7).map(Number)
    expect(keyed).toEqual(keyed.toSorted((a, b) => a - b))
  })

  test('is not held up by those that fail', async () => {
    let ran = 0
    const { dp } = await loaded(async (context) => {
      ran += 1
      await nextTurn()
      if (Number(context.id) % 3 === 0) throw new Error('boom')
    })
    await dp.stop()
    expect(ran).toBe(1_000)
    expect(logger.error).toHaveBeenCalledTimes(334)
  })

  test('reports each of them at the deadline, message by message, and runs none afterwards', async () => {
    const started: string[] = []
    const goOn = Promise.withResolvers<void>()
    const { dp, fire } = await loaded((context) => {
      started.push(context.id)
      return goOn.promise
    })
    const stopping = watched(dp.stop({ deadlineMs: 500 }))
    await nextTurn()
    expect(stopping.state).toBe('pending')
    await fire()
    expect(stopping.state).toBe('resolved')
    const reported = logger.error.mock.calls as [{ id: string; state: string }, string][]
    expect(reported.map(([{ id }]) => id).toSorted()).toEqual(ids.toSorted())
    expect(reported.filter(([{ state }]) => state === 'running').map(([{ id }]) => id)).toEqual(started)
    expect(reported.filter(([{ state }]) => state === 'waiting')).toHaveLength(996)
    const [of5] = reported.filter(([{ id }]) => id === '999')
    expect(of5).toEqual([
      { handler: 'events/work', state: 'waiting', type: 'work', id: '999', key: 'key 19', reason: expect.any(String) },
      "stop() reached its deadline of 500 ms: 'work' was still waiting for events/work.",
    ])
    goOn.resolve()
    await nextTurn()
    expect(started).toHaveLength(4)
    expect(logger.warn).toHaveBeenCalledTimes(4) // The four ended late.
  })

  test('can be followed by a new start, which runs none of those that were given up', async () => {
    const started: string[] = []
    const goOn = Promise.withResolvers<void>()
    const { dp, fire } = await loaded((context) => {
      started.push(context.id)
      return goOn.promise
    })
    const stopping = dp.stop()
    await fire()
    await stopping
    await dp.start()
    await dp.publish('effect', { id: 'new' })
    expect(started).toHaveLength(4) // The four that outlived the deadline hold their workers.
    goOn.resolve()
    await dp.stop({ deadlineMs: Number.POSITIVE_INFINITY })
    expect(started.slice(4)).toEqual(['new'])
  })
})

describe('at the deadline of stop()', () => {
  /** A handler that never ends, with one worker: the first message runs, the others wait. */
  async function hanging(options: DispatcherOptions = {}) {
    const made = bus({ workers: 1, ...options })
    const goOn = Promise.withResolvers<string>()
    made.dp.events.bind('event', () => goOn.promise, { name: 'event' })
    made.dp.queries.bind('query', () => goOn.promise, { name: 'query' })
    await made.dp.start()
    const stop = async () => {
      const stopping = made.dp.stop({ deadlineMs: 500 })
      await made.fire()
      await stopping
    }
    return { ...made, goOn, stop }
  }

  test('whoever waits for an event gets the outcome stopped, for what ran and for what waited', async () => {
    const { dp, goOn, stop } = await hanging()
    const running = watched(dp.publish('event', { waitForResponse: true }))
    const waiting = watched(dp.publish('event', { waitForResponse: true }))
    await stop()
    const outcome = (text: RegExp) => [{ handler: 'events/event', status: 'stopped', error: stopped(text) }]
    expect(running.value).toEqual(outcome(/deadline of 500 ms while 'event' was running for events\/event\.$/))
    expect(waiting.value).toEqual(outcome(/deadline of 500 ms while 'event' was waiting for events\/event\.$/))
    goOn.resolve('late')
  })

  test('whoever waits for an answer is rejected, where the request had to wait', async () => {
    const { dp, goOn, stop } = await hanging()
    await dp.publish('event')
    const answer = watched(dp.request('query'))
    await stop()
    expect(answer.value).toEqual(stopped(/while 'query' was waiting for queries\/query\.$/))
    goOn.resolve('late')
  })

  test('the caller of a request that started within its call, at a handler that ignores its signal, is told when that ends', async () => {
    const { dp, goOn, stop } = await hanging()
    const answer = watched(dp.request('query'))
    await stop()
    expect(answer.state).toBe('pending')
    goOn.resolve('late')
    await nextTurn()
    expect(answer.value).toEqual(stopped(/while 'query' was running for queries\/query\.$/))
    expect(logger.warn.mock.calls.map(([, text]) => text as string)).toEqual([
      "queries/query ended on 'query' after it had been given up.",
    ])
  })

  test('a request with a timeoutMs or a signal of its own is rejected at once, also where it runs', async () => {
    const { dp, goOn, stop } = await hanging({ workers: 2 })
    const { signal } = new AbortController()
    const answers = [dp.request('query', { timeoutMs: 10_000_000 }), dp.request('query', { signal })].map(watched)
    await stop()
    for (const { value } of answers) expect(value).toEqual(stopped(/was running/))
    goOn.resolve('late')
  })

  test('messages that wait for room have been refused long before: when stop() was called', async () => {
    const { dp, goOn, stop } = await hanging({ capacity: { high: 1, low: 0 } })
    await dp.publish('event')
    await dp.publish('event')
    const waiting = [
      dp.publish('event'),
      dp.publish('event', { waitForResponse: true, timeoutMs: 50 }),
      dp.request('query', { timeoutMs: 60 }),
      dp.handle('query'),
    ].map(watched)
    await nextTurn()
    expect(waiting.every(({ state }) => state === 'pending')).toBe(true)
    const stopping = stop()
    await nextTurn()
    for (const { value } of waiting) {
      expect(value).toBeInstanceOf(NotAccepting)
      expect(value).toMatchObject({
        code: 'NOT_ACCEPTING',
        message: 'The dispatcher stopped before there was room for the message: it was not accepted.',
      })
    }
    await stopping
    expect(logger.error).toHaveBeenCalledTimes(2) // One ran, one waited.
    goOn.resolve('late')
  })

  test('what a handler had recorded is dropped, though it ends well', async () => {
    const { dp, fire } = bus()
    const goOn = Promise.withResolvers<void>()
    const effects = vi.fn()
    dp.events.bind('effect', effects)
    dp.events.bind('work', async (_event, { context }) => {
      context.publish('effect')
      await goOn.promise
    })
    await dp.start()
    await dp.publish('work')
    const stopping = dp.stop()
    await fire()
    await stopping
    goOn.resolve()
    await dp.start()
    await dp.stop()
    expect(effects).not.toHaveBeenCalled()
  })

  test('a handler that was given up before is not reported a second time', async () => {
    const { dp, fire } = bus()
    const goOn = Promise.withResolvers<void>()
    const abort = new AbortController()
    dp.queries.bind('query', () => goOn.promise)
    await dp.start()
    const answer = watched(dp.request('query', { signal: abort.signal }))
    abort.abort()
    const stopping = watched(dp.stop())
    await nextTurn()
    expect(stopping.state).toBe('pending') // It still runs.
    await fire()
    expect(answer.value).toMatchObject({ code: 'ABORTED' })
    expect(stopping.state).toBe('resolved')
    const texts = logger.error.mock.calls.map(([, text]) => text as string)
    expect(texts.filter((text) => text.includes('stop()'))).toEqual([])
    goOn.resolve()
  })
})

test('a stop does not wait for what outlived the deadline of the stop before', async () => {
  const { dp, fire, timers } = bus()
  const goOn = Promise.withResolvers<void>()
  dp.events.bind('work', () => goOn.promise)
  await dp.start()
  await dp.publish('work')
  const first = dp.stop()
  await fire()
  await first
  await dp.start()
  const second = watched(dp.stop())
  await nextTurn()
  expect(second.state).toBe('resolved')
  expect(logger.error).toHaveBeenCalledTimes(1)
  timers.clear()
  goOn.resolve()
})

describe('context.stopping', () => {
  test('is false until stop() is called, and true for whatever runs or starts then', async () => {
    const { dp } = bus({ workers: 1 })
    const goOn = Promise.withResolvers<void>()
    const seen: [string, boolean][] = []
    dp.events.bind('work', async (_event, { context }) => {
      seen.push([`${context.id} starts`, context.stopping])
      await goOn.promise
      seen.push([`${context.id} ends`, context.stopping])
    })
    await dp.start()
    await dp.publish('work', { id: '1' })
    await dp.publish('work', { id: '2' })
    const stopping = dp.stop()
    await nextTurn()
    goOn.resolve()
    await stopping
    expect(seen).toEqual([
      ['1 starts', false],
      ['1 ends', true],
      ['2 starts', true],
      ['2 ends', true],
    ])
  })

  test('is true from the call of stop() on', async () => {
    const { dp } = bus()
    dp.commands.bind('shut down', (_command, { context }) => {
      void dp.stop()
      return { isStarted: dp.isStarted, stopping: context.stopping }
    })
    await dp.start()
    expect(await dp.request('shut down')).toEqual({ isStarted: false, stopping: true })
    await dp.stop()
  })

  test('lets a long handler end early, within the deadline', async () => {
    const { dp } = bus()
    dp.events.bind('poll', async (_event, { context }) => {
      while (!context.stopping) await nextTurn()
    })
    await dp.start()
    await dp.publish('poll')
    await nextTurn()
    await dp.stop()
    expect(logger.error).not.toHaveBeenCalled()
  })

  test('is false again after a new start', async () => {
    const { dp } = bus()
    const seen: boolean[] = []
    dp.events.bind('work', (_event, { context }) => void seen.push(context.stopping))
    await dp.start()
    await dp.stop()
    await dp.start()
    await dp.publish('work')
    await dp.stop()
    expect(seen).toEqual([false])
  })
})

describe('a handler that calls dp.stop()', () => {
  test('and awaits it gets StopDeadlock, and the dispatcher stops all the same, without its deadline', async () => {
    const { dp, timers } = bus()
    const closed = vi.fn()
    dp.commands.bind('shut down', () => dp.stop(), { name: 'shutDown' })
    dp.events.bind('other', () => {}, { inject: { file: singleton('file', () => 1, { close: closed }) } })
    await dp.start()
    const error: unknown = await dp.request('shut down').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StopDeadlock)
    expect(error).toMatchObject({
      code: 'STOP_DEADLOCK',
      message:
        'commands/shutDown called dp.stop(), and would wait for itself if it awaited that. ' +
        'The dispatcher is stopping: let the handler end, and do not await stop() in it.',
    })
    expect(dp.isStarted).toBe(false)
    await dp.stop()
    expect(closed).toHaveBeenCalledTimes(1)
    expect(timers.size).toBe(0)
  })

  test('and awaits it, told by an event, is dead with that error', async () => {
    const { dp } = bus()
    dp.events.bind('shut down', async () => await dp.stop(), { name: 'shutDown' })
    await dp.start()
    const error = expect.any(StopDeadlock) as Error
    expect(await dp.publish('shut down', { waitForResponse: true })).toEqual([
      { handler: 'events/shutDown', status: 'dead', error },
    ])
    await dp.stop()
    expect(logger.error).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ err: error }),
      expect.stringContaining("events/shutDown failed on 'shut down'"),
    )
  })

  test.each<[string, (dp: Dispatcher) => unknown]>([
    ['is synchronous', (dp) => void dp.stop()],
    [
      'goes on',
      async (dp) => {
        void dp.stop()
        await nextTurn()
      },
    ],
    [
      'calls it twice',
      (dp) => {
        void dp.stop()
        void dp.stop()
      },
    ],
  ])(
    'without awaiting it, and %s, stops the dispatcher after what waits, and leaves no rejection behind',
    async (_, run) => {
      const { dp } = bus({ workers: 1 })
      const ran: string[] = []
      dp.events.bind('shut down', () => run(dp))
      dp.events.bind('work', (_event, { context }) => void ran.push(context.id))
      await dp.start()
      const outcomes = dp.publish('shut down', { waitForResponse: true })
      expect(dp.isStarted).toBe(false)
      await expect(dp.publish('work', { id: 'late' })).rejects.toBeInstanceOf(NotAccepting)
      expect(await outcomes).toMatchObject([{ status: 'done' }])
      await dp.stop()
      expect(ran).toEqual([])
      expect(logger.error).not.toHaveBeenCalled()
    },
  )

  test('without awaiting it has what it recorded, and what waits behind it, run', async () => {
    const { dp } = bus({ workers: 1 })
    const ran: string[] = []
    const goOn = Promise.withResolvers<void>()
    dp.commands.bind('hold', () => goOn.promise)
    dp.commands.bind('shut down', (_command, { context }) => {
      void dp.stop()
      context.send('effect')
    })
    for (const name of ['effect', 'behind']) dp.commands.bind(name, () => void ran.push(name))
    await dp.start()
    for (const name of ['hold', 'shut down', 'behind']) await dp.send(name)
    goOn.resolve()
    await nextTurn()
    await dp.stop()
    expect(ran.toSorted()).toEqual(['behind', 'effect'])
  })

  test('of another dispatcher may await it', async () => {
    const [{ dp }, { dp: other }] = [bus(), bus()]
    other.events.bind('x', () => {})
    dp.commands.bind('shut the other down', async () => {
      await other.stop()
      return other.isStarted
    })
    await Promise.all([dp.start(), other.start()])
    expect(await dp.request('shut the other down')).toBe(false)
    expect(dp.isStarted).toBe(true)
    await dp.stop()
  })

  test('after an await, and awaits it, is ended by the deadline', async () => {
    const { dp, fire } = bus()
    const reasons: unknown[] = []
    dp.commands.bind('shut down', async (_command, { context }) => {
      await nextTurn()
      context.signal.addEventListener('abort', () => reasons.push(context.signal.reason))
      await dp.stop()
    })
    await dp.start()
    await dp.send('shut down')
    await nextTurn()
    await nextTurn()
    const stopping = watched(dp.stop())
    await nextTurn()
    expect(stopping.state).toBe('pending')
    await fire()
    expect(stopping.state).toBe('resolved')
    expect(reasons).toEqual([stopped(/was running/)])
  })
})

test('stop closes the singletons after the last delivery has ended', async () => {
  const { dp } = bus({ workers: 1 })
  const order: string[] = []
  const file = singleton('file', () => 'file', { close: () => void order.push('closed') })
  dp.events.bind(
    'work',
    async (_event, { context }) => {
      await nextTurn()
      order.push(context.id)
    },
    { inject: { file } },
  )
  await dp.start()
  for (const id of ['1', '2', '3']) await dp.publish('work', { id })
  await dp.stop()
  expect(order).toEqual(['1', '2', '3', 'closed'])
})
