import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Aborted, type Clock, Dispatcher, type DispatcherOptions, Stopped, TimedOut } from './index.ts'

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

/** A clock that stands still until it is told to go on. Its timers fire in the order in which they fall due. */
class ManualClock implements Clock {
  nowMs = Date.UTC(2026, 0, 1)
  readonly timers = new Set<{ readonly atMs: number; readonly run: () => void }>()
  readonly delays: number[] = []
  /** The timers that keep the process alive. */
  readonly refs = new Set<object>()

  now(): number {
    return this.nowMs
  }

  after(delayMs: number, run: () => void) {
    const timer = { atMs: this.nowMs + delayMs, run }
    this.delays.push(delayMs)
    this.timers.add(timer)
    this.refs.add(timer)
    const unref = () => void this.refs.delete(timer)
    const cancel = () => {
      unref()
      this.timers.delete(timer)
    }
    return { cancel, unref, ref: () => void this.refs.add(timer) }
  }

  /** Lets time pass, and then whatever follows from it. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms
    for (let next = this.#next(); next !== undefined && next.atMs <= untilMs; next = this.#next()) {
      this.nowMs = Math.max(this.nowMs, next.atMs)
      this.timers.delete(next)
      this.refs.delete(next)
      next.run()
    }
    this.nowMs = untilMs
    await nextTurn()
  }

  #next() {
    return [...this.timers].sort((one, other) => one.atMs - other.atMs)[0]
  }
}

let clock: ManualClock
let dp: Dispatcher

beforeEach(() => {
  vi.resetAllMocks()
  clock = new ManualClock()
  dp = bus()
})

afterEach(() => vi.restoreAllMocks())

function bus(options: DispatcherOptions = {}): Dispatcher {
  return new Dispatcher({ logger, clock, ...options })
}

/** A handler whose runs end when the test says so, and that keeps the signal of each. */
function held() {
  const started: string[] = []
  const signals = new Map<string, AbortSignal>()
  const ends = new Map<string, (error?: Error) => void>()
  const handler = (_message: unknown, { context }: { context: { id: string; signal: AbortSignal } }) => {
    started.push(context.id)
    signals.set(context.id, context.signal)
    return new Promise<string>((resolve, reject) => {
      ends.set(context.id, (error) => (error === undefined ? resolve(`answer to ${context.id}`) : reject(error)))
    })
  }
  const end = async (id: string, error?: Error) => {
    ends.get(id)?.(error)
    await nextTurn()
  }
  return { handler, started, signals, end }
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

/** The texts of the notices at a level. */
const told = (level: keyof typeof logger) => logger[level].mock.calls.map(([, text]) => text as string)

describe('the timeoutMs of a binding', () => {
  const text = "events/work took longer than its timeoutMs of 100 for 'work'."

  test('makes the event dead when it is over, and not before, with a notice', async () => {
    const work = held()
    dp.events.bind('work', work.handler, { name: 'work', timeoutMs: 100 })
    await dp.start()
    const outcomes = watched(dp.publish('work', { id: '1', waitForResponse: true }))
    await clock.pass(99)
    expect(outcomes.state).toBe('pending')
    expect(work.signals.get('1')?.aborted).toBe(false)
    await clock.pass(1)
    const error = expect.objectContaining({ constructor: TimedOut, code: 'TIMED_OUT', message: text }) as Error
    expect(outcomes.value).toEqual([{ handler: 'events/work', status: 'dead', error }])
    expect(told('error')).toEqual([`events/work failed on 'work', which is a dead letter now: ${text}`])
    await work.end('1')
  })

  test('rejects the caller of a request at once, though the handler goes on, and says so at level debug', async () => {
    const work = held()
    dp.queries.bind('work', work.handler, { name: 'work', timeoutMs: 100 })
    await dp.start()
    const answer = watched(dp.request('work', { id: '1' }))
    await clock.pass(100)
    expect(answer.value).toBeInstanceOf(TimedOut)
    expect(answer.value).toMatchObject({
      code: 'TIMED_OUT',
      message: "queries/work took longer than its timeoutMs of 100 for 'work'.",
    })
    expect(told('error')).toEqual([])
    expect(told('debug')).toEqual([expect.stringContaining('for its caller: queries/work took longer')])
    await work.end('1')
  })

  test('aborts context.signal with the very error that the caller gets', async () => {
    const work = held()
    dp.queries.bind('work', work.handler, { timeoutMs: 100 })
    await dp.start()
    const answer = watched(dp.request('work', { id: '1' }))
    await clock.pass(100)
    expect(work.signals.get('1')?.reason).toBe(answer.value)
    await work.end('1')
  })

  test('aborts context.signal also where it is first read afterwards', async () => {
    const goOn = Promise.withResolvers<void>()
    const reasons: unknown[] = []
    dp.events.bind(
      'work',
      async (_event, { context }) => {
        await goOn.promise
        reasons.push(context.signal.reason)
      },
      { timeoutMs: 100 },
    )
    await dp.start()
    await dp.publish('work')
    await clock.pass(100)
    goOn.resolve()
    await nextTurn()
    expect(reasons).toEqual([expect.any(TimedOut)])
  })

  test('is for the callers of context.request, too', async () => {
    const work = held()
    const caught: unknown[] = []
    dp.queries.bind('work', work.handler, { timeoutMs: 100 })
    dp.commands.bind('ask', async (_command, { context }) => {
      await context.request('work', { id: '1' }).catch((error: unknown) => caught.push(error))
      return 'went on'
    })
    await dp.start()
    const answer = watched(dp.request('ask'))
    await clock.pass(100)
    expect(caught).toEqual([expect.any(TimedOut)])
    expect(answer.value).toBe('went on')
    await work.end('1')
  })

  test('drops what was recorded, and refuses what would be recorded afterwards', async () => {
    const goOn = Promise.withResolvers<void>()
    const effects: string[] = []
    const caught: unknown[] = []
    dp.events.bind('effect', (_event, { context }) => void effects.push(context.id))
    dp.commands.bind(
      'work',
      async (_command, { context }) => {
        context.publish('effect', { id: 'before' })
        await goOn.promise
        try {
          context.publish('effect', { id: 'afterwards' })
        } catch (error) {
          caught.push(error)
        }
        await context.request('ask').catch((error: unknown) => caught.push(error))
      },
      { timeoutMs: 100 },
    )
    dp.queries.bind('ask', () => effects.push('asked'))
    await dp.start()
    await dp.send('work')
    await clock.pass(100)
    goOn.resolve()
    await nextTurn()
    await dp.stop()
    expect(effects).toEqual([])
    expect(caught).toEqual([expect.any(TimedOut), expect.any(TimedOut)])
  })

  test.each<[string, Error | undefined, RegExp]>([
    ['result', undefined, /^events\/work ended on 'work' after it had been given up\.$/],
    ['failure', new Error('boom'), /^events\/work failed on 'work' after it had been given up: boom$/],
  ])('makes a late %s a notice, and nothing else', async (_, error, notice) => {
    const work = held()
    dp.events.bind('work', work.handler, { name: 'work', timeoutMs: 100 })
    await dp.start()
    const outcomes = watched(dp.publish('work', { id: '1', waitForResponse: true }))
    await clock.pass(100)
    const before = outcomes.value
    await work.end('1', error)
    expect(told('warn')).toEqual([expect.stringMatching(notice)])
    expect(told('error')).toHaveLength(1)
    expect(outcomes.value).toBe(before)
  })

  test('says nothing about a handler that ends with the reason of its signal', async () => {
    dp.events.bind(
      'work',
      (_event, { context: { signal } }) => {
        const { promise, reject } = Promise.withResolvers<void>()
        signal.addEventListener('abort', () => reject(signal.reason as Error))
        return promise
      },
      { timeoutMs: 100 },
    )
    await dp.start()
    await dp.publish('work')
    await clock.pass(100)
    await dp.stop()
    expect(told('warn')).toEqual([])
    expect(told('error')).toHaveLength(1)
  })

  test('holds the lane until the handler ends; those behind it have all their time from their own start on', async () => {
    const work = held()
    dp.events.bind('work', work.handler, { timeoutMs: 100 })
    await dp.start()
    await dp.publish('work', { id: '1', key: 'k' })
    const second = watched(dp.publish('work', { id: '2', key: 'k', waitForResponse: true }))
    await clock.pass(1_000)
    expect(work.started).toEqual(['1'])
    await work.end('1')
    expect(work.started).toEqual(['1', '2'])
    await clock.pass(99)
    expect(second.state).toBe('pending')
    await work.end('2')
    expect(second.value).toMatchObject([{ status: 'done', value: 'answer to 2' }])
  })

  test('holds the worker until the handler ends', async () => {
    const work = held()
    dp.events.bind('work', work.handler, { timeoutMs: 100, workers: 1 })
    await dp.start()
    await dp.publish('work', { id: '1' })
    await dp.publish('work', { id: '2' })
    await clock.pass(1_000)
    expect(work.started).toEqual(['1'])
    await work.end('1')
    expect(work.started).toEqual(['1', '2'])
    await work.end('2')
  })

  test('leaves the other handlers of the event alone', async () => {
    const [hasty, patient] = [held(), held()]
    dp.events.bind('work', hasty.handler, { name: 'hasty', timeoutMs: 100 })
    dp.events.bind('work', patient.handler, { name: 'patient' })
    await dp.start()
    const outcomes = watched(dp.publish('work', { id: '1', waitForResponse: true }))
    await clock.pass(1_000)
    expect(patient.signals.get('1')?.aborted).toBe(false)
    await patient.end('1')
    expect(outcomes.value).toMatchObject([{ status: 'dead' }, { status: 'done' }])
    await hasty.end('1')
  })

  test('is forgotten when the handler ends or fails in time', async () => {
    const work = held()
    dp.events.bind('work', work.handler, { timeoutMs: 100 })
    await dp.start()
    await dp.publish('work', { id: '1' })
    await dp.publish('work', { id: '2' })
    await work.end('1')
    await work.end('2', new Error('boom'))
    await clock.pass(100_000)
    expect(told('error')).toEqual([expect.stringContaining('boom')])
    for (const id of ['1', '2']) expect(work.signals.get(id)?.aborted).toBe(false)
  })

  test('has no effect on a handler that ends within the call', async () => {
    dp.queries.bind('work', () => 1, { timeoutMs: 0 })
    await dp.start()
    expect(await dp.request('work')).toBe(1)
    await clock.pass(100_000)
    expect(logger.error).not.toHaveBeenCalled()
    expect(logger.debug).not.toHaveBeenCalled()
  })
})

describe('a handler that goes on after it was given up', () => {
  test('is reported as stalled, once, after 30 seconds', async () => {
    const work = held()
    dp.events.bind('work', work.handler, { name: 'work', timeoutMs: 100 })
    await dp.start()
    await dp.publish('work', { id: '1' })
    await clock.pass(100)
    await clock.pass(29_999)
    expect(told('error')).toHaveLength(1)
    await clock.pass(1)
    expect(told('error').slice(1)).toEqual([
      "events/work still runs for 'work', 30000 ms after it was given up: it holds its lane and worker.",
    ])
    await clock.pass(1_000_000)
    expect(told('error')).toHaveLength(2)
    await work.end('1')
  })

  test('is reported after stallAfterMs, whoever gave it up', async () => {
    dp = bus({ stallAfterMs: 500 })
    const work = held()
    dp.queries.bind('work', work.handler, { name: 'work' })
    await dp.start()
    const abort = new AbortController()
    const answers = Promise.allSettled([
      dp.request('work', { id: '1', signal: abort.signal }),
      dp.request('work', { id: '2', timeoutMs: 10 }),
    ])
    abort.abort()
    await clock.pass(10)
    await answers
    await clock.pass(489)
    expect(told('error')).toEqual([])
    await clock.pass(1)
    expect(told('error')).toEqual([expect.stringContaining('500 ms after')])
    await clock.pass(10)
    expect(told('error')).toHaveLength(2)
    await work.end('1')
    await work.end('2')
  })

  test('is not reported if it ends before that', async () => {
    const work = held()
    dp.events.bind('work', work.handler, { timeoutMs: 100 })
    await dp.start()
    await dp.publish('work', { id: '1' })
    await clock.pass(100 + 29_999)
    await work.end('1')
    await clock.pass(100_000)
    expect(told('error').filter((text) => text.includes('still runs'))).toEqual([])
  })
})

describe('the timeoutMs of a request', () => {
  const text = 'The request took longer than its timeoutMs of 50.'

  test('rejects its caller while the handler runs, which is told by its signal', async () => {
    const work = held()
    dp.queries.bind('work', work.handler, { name: 'work' })
    await dp.start()
    const answer = watched(dp.request('work', { id: '1', timeoutMs: 50 }))
    await clock.pass(49)
    expect(answer.state).toBe('pending')
    await clock.pass(1)
    expect(answer.value).toBeInstanceOf(TimedOut)
    expect(answer.value).toMatchObject({ code: 'TIMED_OUT', message: text })
    expect(work.signals.get('1')?.reason).toBe(answer.value)
    await work.end('1')
    expect(told('warn')).toEqual(["queries/work ended on 'work' after it had been given up."])
  })

  test('rejects its caller while it waits in its lane: it is not run, and those behind it go on', async () => {
    const work = held()
    dp.queries.bind('work', work.handler)
    await dp.start()
    const answers = [
      watched(dp.request('work', { id: '1', key: 'k' })),
      watched(dp.request('work', { id: '2', key: 'k', timeoutMs: 50 })),
      watched(dp.request('work', { id: '3', key: 'k' })),
    ]
    await clock.pass(50)
    expect(answers.map(({ state }) => state)).toEqual(['pending', 'rejected', 'pending'])
    await work.end('1')
    expect(work.started).toEqual(['1', '3'])
    await work.end('3')
    expect(answers.map(({ state }) => state)).toEqual(['resolved', 'rejected', 'resolved'])
  })

  test('rejects its caller while it waits for a worker: it is not run', async () => {
    dp = bus({ workers: 1 })
    const work = held()
    dp.queries.bind('work', work.handler)
    await dp.start()
    const first = watched(dp.request('work', { id: '1' }))
    const second = watched(dp.request('work', { id: '2', timeoutMs: 50 }))
    await clock.pass(50)
    expect(second.value).toMatchObject({ code: 'TIMED_OUT', message: text })
    await work.end('1')
    expect(first.state).toBe('resolved')
    await dp.stop()
    expect(work.started).toEqual(['1'])
  })

  test('is one for all its waiting: for room, for its turn and for the answer', async () => {
    dp = bus({ workers: 1, capacity: { high: 1, low: 0 } })
    const work = held()
    dp.queries.bind('work', work.handler)
    await dp.start()
    void dp.request('work', { id: '1' })
    void dp.request('work', { id: '2' })
    const answer = watched(dp.request('work', { id: '3', timeoutMs: 50 }))
    await clock.pass(20)
    await work.end('1')
    await clock.pass(20)
    await work.end('2')
    expect(work.started).toEqual(['1', '2', '3'])
    await clock.pass(9)
    expect(answer.state).toBe('pending')
    await clock.pass(1)
    expect(answer.value).toMatchObject({ code: 'TIMED_OUT', message: text })
    await work.end('3')
  })

  test('rejects its caller while it waits for room: it is never accepted', async () => {
    dp = bus({ workers: 1, capacity: { high: 1, low: 0 } })
    const work = held()
    dp.queries.bind('work', work.handler)
    await dp.start()
    void dp.request('work', { id: '1' })
    void dp.request('work', { id: '2' })
    const answer = watched(dp.request('work', { id: '3', timeoutMs: 50 }))
    await clock.pass(50)
    expect(answer.value).toMatchObject({ code: 'TIMED_OUT', message: text })
    for (const id of ['1', '2', '3']) await work.end(id)
    await dp.stop()
    expect(work.started).toEqual(['1', '2'])
  })

  test('of context.request gives its handler its turn again', async () => {
    const work = held()
    dp.queries.bind('work', work.handler)
    dp.commands.bind('ask', (_command, { context }) =>
      context.request('work', { id: '1', timeoutMs: 50 }).catch((error: Error) => `caught: ${error.message}`),
    )
    await dp.start()
    const answer = watched(dp.request('ask'))
    await clock.pass(50)
    expect(answer.value).toBe(`caught: ${text}`)
    await work.end('1')
  })

  test('has no effect after the answer', async () => {
    const work = held()
    dp.queries.bind('work', work.handler)
    await dp.start()
    const answer = dp.request('work', { id: '1', timeoutMs: 50 })
    await work.end('1')
    await clock.pass(100_000)
    expect(await answer).toBe('answer to 1')
    expect(work.signals.get('1')?.aborted).toBe(false)
  })

  test.each([
    ['the handler’s own, which is shorter', 10, 50, /^queries\/work took longer than its timeoutMs of 10/],
    ['its own, which is shorter', 50, 10, /^The request took longer than its timeoutMs of 10/],
  ])('beside that of the handler rejects with %s', async (_, ofHandler, ofRequest, message) => {
    const work = held()
    dp.queries.bind('work', work.handler, { name: 'work', timeoutMs: ofHandler })
    await dp.start()
    const answer = watched(dp.request('work', { id: '1', timeoutMs: ofRequest }))
    await clock.pass(10)
    expect(answer.value).toMatchObject({ code: 'TIMED_OUT', message: expect.stringMatching(message) as string })
    expect(work.signals.get('1')?.reason).toBe(answer.value)
    await clock.pass(1_000)
    await work.end('1')
    expect(told('debug').length + told('warn').length).toBe(ofHandler < ofRequest ? 2 : 1)
  })
})

describe('the reason of context.signal', () => {
  test.each<[string, new (...args: never) => Error, object, (ways: { abort: () => void }) => unknown]>([
    ['TimedOut, by the timeoutMs of the handler', TimedOut, {}, () => clock.pass(100)],
    ['TimedOut, by the timeoutMs of the caller', TimedOut, { timeoutMs: 20 }, () => clock.pass(20)],
    ['Aborted, by the signal of the caller', Aborted, {}, ({ abort }) => abort()],
    ['Stopped, by the deadline of stop()', Stopped, {}, () => dp.stop({ deadlineMs: 30 })],
  ])('is %s', async (_, type, options, happen) => {
    const work = held()
    dp.queries.bind('work', work.handler, { name: 'work', timeoutMs: 100 })
    await dp.start()
    const controller = new AbortController()
    const answer = watched(dp.request('work', { id: '1', signal: controller.signal, ...options }))
    const happened = happen({ abort: () => controller.abort(new Error('left')) })
    await nextTurn()
    if (type === Stopped) await clock.pass(30)
    await happened
    await nextTurn()
    const reason: unknown = work.signals.get('1')?.reason
    expect(reason).toBeInstanceOf(type)
    expect(answer.value).toBe(reason)
    await work.end('1')
  })

  test('can be handed on: what a handler requested with its own signal ends with it', async () => {
    const work = held()
    dp.queries.bind('work', work.handler)
    dp.commands.bind('ask', (_command, { context }) => context.request('work', { id: '1', signal: context.signal }), {
      timeoutMs: 100,
    })
    await dp.start()
    const answer = watched(dp.request('ask'))
    await clock.pass(100)
    expect(answer.value).toBeInstanceOf(TimedOut)
    const inner: unknown = work.signals.get('1')?.reason
    expect(inner).toBeInstanceOf(Aborted)
    expect((inner as Aborted).cause).toBe(answer.value)
    await work.end('1')
  })
})

describe('the timeoutMs and the signal of publish and send', () => {
  /** Full: one runs, one waits. */
  async function full() {
    dp = bus({ workers: 1, capacity: { high: 1, low: 0 } })
    const work = held()
    dp.events.bind('event', work.handler)
    dp.commands.bind('command', work.handler)
    await dp.start()
    await dp.send('command', { id: '1' })
    await dp.send('command', { id: '2' })
    return work
  }

  const tell: [string, (options: object) => Promise<unknown>][] = [
    ['publish', (options) => dp.publish('event', options)],
    ['send', (options) => dp.send('command', options)],
    ['publish that waits', (options) => dp.publish('event', { ...options, waitForResponse: true })],
    ['handle', (options) => dp.handle('event', options)],
  ]

  test.each(tell)('end the waiting of %s for room: it is never accepted', async (verb, send) => {
    const work = await full()
    const controller = new AbortController()
    const late = watched(send({ id: 'late', timeoutMs: 50 }))
    const aborted = watched(send({ id: 'aborted', signal: controller.signal }))
    controller.abort(new Error('left'))
    await clock.pass(49)
    expect(late.state).toBe('pending')
    expect(aborted.value).toBeInstanceOf(Aborted)
    expect((aborted.value as Error).message).toContain('left')
    await clock.pass(1)
    expect(late.value).toBeInstanceOf(TimedOut)
    expect((late.value as Error).message).toBe(
      `The ${verb === 'send' ? 'send' : 'publish'} took longer than its timeoutMs of 50.`,
    )
    for (const id of ['1', '2']) await work.end(id)
    await dp.stop()
    expect(work.started).toEqual(['1', '2'])
  })

  test.each(tell)('have no effect once %s is accepted, be it at once or late', async (_, send) => {
    const work = await full()
    const controller = new AbortController()
    const { signal } = controller
    const late = watched(send({ id: 'late', timeoutMs: 50, signal }))
    await work.end('1')
    await work.end('2')
    const atOnce = watched(send({ id: 'at once', timeoutMs: 50, signal }))
    controller.abort()
    await clock.pass(100_000)
    for (const id of ['late', 'at once']) {
      expect(work.signals.get(id)?.aborted).toBe(false)
      await work.end(id)
    }
    expect([late.state, atOnce.state]).toEqual(['resolved', 'resolved'])
    expect(logger.error).not.toHaveBeenCalled()
    await dp.stop()
  })
})

describe('time costs nothing where nobody asks for it:', () => {
  /** Every verb, at handlers of every kind, synchronous and not, done and failed, in lanes and with limits. */
  async function everything() {
    dp.events.bind(
      'event',
      async (_event, { context }) => {
        await nextTurn()
        context.publish('effect')
        await context.request('ask')
      },
      { workers: 2 },
    )
    dp.events.bind('effect', () => {
      throw new Error('boom')
    })
    dp.commands.bind('command', () => Promise.reject(new Error('boom')))
    dp.queries.bind('ask', () => nextTurn(1))
    await dp.start()
    const asked = [dp.request('ask'), dp.request('ask', { key: 'k' }), dp.request('command')]
    for (let n = 0; n < 5; n += 1) await dp.publish('event', { key: 'k' })
    await dp.send('command')
    await Promise.allSettled([...asked, dp.publish('event', { waitForResponse: true })])
  }

  test('no timer is set', async () => {
    await everything()
    expect(clock.delays).toEqual([])
    await dp.stop({ deadlineMs: Number.POSITIVE_INFINITY })
    expect(clock.delays).toEqual([])
  })

  test('no AbortController is made', async () => {
    const made = vi.spyOn(globalThis, 'AbortController')
    await everything()
    await dp.stop()
    expect(made).not.toHaveBeenCalled()
  })

  test('one AbortController is made when a handler reads its signal, however often it does', async () => {
    const made = vi.spyOn(globalThis, 'AbortController')
    dp.queries.bind('ask', (_query, { context }) => context.signal === context.signal)
    await dp.start()
    expect(await dp.request('ask')).toBe(true)
    expect(made).toHaveBeenCalledTimes(1)
    await dp.stop()
  })

  test('no AbortController is made for a handler that is given up and never asks', async () => {
    const made = vi.spyOn(globalThis, 'AbortController')
    const goOn = Promise.withResolvers<void>()
    dp.queries.bind('ask', () => goOn.promise, { timeoutMs: 10 })
    await dp.start()
    const answer = watched(dp.request('ask'))
    await clock.pass(10)
    expect(answer.state).toBe('rejected')
    expect(made).not.toHaveBeenCalled()
    goOn.resolve()
    await dp.stop()
  })

  test('no timer keeps the process alive once everything that has one has ended', async () => {
    const work = held()
    dp.queries.bind('work', work.handler, { timeoutMs: 100 })
    await dp.start()
    const { signal } = new AbortController()
    const answers = [dp.request('work', { id: '1' }), dp.request('work', { id: '2', timeoutMs: 50, signal })]
    expect(clock.refs.size).toBeGreaterThan(0)
    for (const id of ['1', '2']) await work.end(id)
    await Promise.all(answers)
    expect(clock.refs.size).toBe(0)
    await dp.stop()
    expect(clock.refs.size).toBe(0)
  })

  test('a stop of what is idle sets one timer at most, and takes it back', async () => {
    dp.events.bind('event', () => {})
    await dp.start()
    await dp.stop({ deadlineMs: 777 })
    expect(clock.delays.filter((delayMs) => delayMs !== 777)).toEqual([])
    expect(clock.delays.length).toBeLessThanOrEqual(1)
    expect(clock.timers.size).toBe(0)
  })
})

describe('a clock that is given', () => {
  /** Whatever the machine could tell the time by. */
  const machine = () => [
    vi.spyOn(Date, 'now'),
    vi.spyOn(performance, 'now'),
    vi.spyOn(process, 'hrtime'),
    vi.spyOn(globalThis, 'setTimeout'),
    vi.spyOn(globalThis, 'setInterval'),
  ]

  /** Everything in which time plays a part. */
  async function timed() {
    const times: number[] = []
    dp = bus({ workers: 1, capacity: { high: 2, low: 0 } })
    dp.queries.bind('hang', () => new Promise(() => {}), { timeoutMs: 5, workers: 1 })
    dp.events.bind('note', (_event, { context }) => void times.push(context.time.getTime()))
    await dp.start()
    await dp.publish('note')
    await dp.publish('note', { id: 'once' })
    await dp.publish('note', { id: 'once' })
    const answers = [dp.request('hang'), dp.request('hang', { timeoutMs: 3 }), dp.request('hang', { timeoutMs: 3 })]
    const late = dp.publish('note', { timeoutMs: 4 })
    const settled = Promise.allSettled([...answers, late])
    await clock.pass(10)
    await settled
    const stopping = dp.stop({ deadlineMs: 10 })
    await nextTurn()
    await clock.pass(10)
    await stopping
    return times
  }

  test('is the only one that is used, for the time and for every timer', async () => {
    const spies = machine()
    const startMs = clock.nowMs
    const times = await timed()
    for (const spy of spies) expect(spy).not.toHaveBeenCalled()
    expect(times).toEqual([startMs, startMs])
    expect(new Set(clock.delays)).toEqual(new Set([3, 4, 5, 10, 30_000]))
  })

  test('tells how long an id is remembered', async () => {
    dp = bus({ dedupeMs: 1_000 })
    let runs = 0
    dp.events.bind('note', () => void (runs += 1))
    await dp.start()
    await dp.publish('note', { id: 'once' })
    await clock.pass(999)
    await dp.publish('note', { id: 'once' })
    expect(runs).toBe(1)
    await clock.pass(1)
    await dp.publish('note', { id: 'once' })
    expect(runs).toBe(2)
    await dp.stop()
  })

  test('tells a message that waits when it was accepted, not when it ran', async () => {
    dp = bus({ workers: 1 })
    const work = held()
    const times: number[] = []
    dp.commands.bind('work', work.handler)
    dp.events.bind('note', (_event, { context }) => void times.push(context.time.getTime()))
    await dp.start()
    await dp.send('work', { id: '1' })
    await dp.publish('note')
    const acceptedMs = clock.nowMs
    await clock.pass(5_000)
    await work.end('1')
    await dp.stop()
    expect(times).toEqual([acceptedMs])
  })
})

test('without a clock, the machine’s own is used', async () => {
  const setTimer = vi.spyOn(globalThis, 'setTimeout')
  dp = new Dispatcher({ logger })
  dp.queries.bind(
    'hang',
    (_query, { context: { signal } }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    { timeoutMs: 1, name: 'hang' },
  )
  await dp.start()
  await expect(dp.request('hang')).rejects.toThrow('queries/hang took longer than its timeoutMs of 1')
  expect(setTimer).toHaveBeenCalled()
  await dp.stop({ deadlineMs: 0 })
})
