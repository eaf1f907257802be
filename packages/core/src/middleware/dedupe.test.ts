import * as fc from 'fast-check'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import {
  type Context,
  dedupe,
  type DedupeOptions,
  defineEvent,
  Dispatcher,
  immediate,
  type Middleware,
  retry,
} from '../index.ts'

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
const boom = new Error('boom')

/** Two dispatchers before one broker, say: what each is sent by an id, the other may have run already. */
async function twoBehindOne(middleware: Middleware, handler: (message: string, deps: { context: Context }) => unknown) {
  const dispatchers = [new Dispatcher({ logger }), new Dispatcher({ logger })] as const
  for (const dp of dispatchers) {
    dp.use(middleware)
    dp.commands.bind(['c', 'd'], handler, { name: 'h' })
    dp.commands.bind('other', handler, { name: 'other' })
    await dp.start()
  }
  const [one, two] = dispatchers
  return { one, two, stop: () => Promise.all(dispatchers.map((dp) => dp.stop())) }
}

/** A handler whose runs end when the test says so. */
function held() {
  const runs: { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }[] = []
  const handler = () => new Promise((resolve, reject) => runs.push({ resolve, reject }))
  return { runs, handler }
}

describe('dedupe', () => {
  test('runs an id once, and answers with the value of the first time', async () => {
    let runs = 0
    const { one, two, stop } = await twoBehindOne(dedupe(), () => (runs += 1))
    expect(await one.request('c', { id: 'x' })).toBe(1)
    expect(await two.request('c', { id: 'x' })).toBe(1)
    expect(await one.request('c', { id: 'x' })).toBe(1)
    expect(await one.request('c', { id: 'y' })).toBe(2)
    await stop()
  })

  test('remembers a value that is undefined as well', async () => {
    const handler = vi.fn(() => undefined)
    const { one, two, stop } = await twoBehindOne(dedupe(), handler)
    await one.request('c', { id: 'x' })
    await two.request('c', { id: 'x' })
    expect(handler).toHaveBeenCalledTimes(1)
    await stop()
  })

  test('tells handlers apart, and not the messages of one handler', async () => {
    let runs = 0
    const { one, stop } = await twoBehindOne(dedupe(), () => (runs += 1))
    expect(await one.request('c', { id: 'x' })).toBe(1)
    expect(await one.request('other', { id: 'x' })).toBe(2)
    expect(await one.request('d', { id: 'x' })).toBe(1)
    await stop()
  })

  test('what comes again causes nothing', async () => {
    class Caused extends defineEvent('caused') {}
    const dp = new Dispatcher()
    const caused = vi.fn()
    dp.commands.use(dedupe())
    dp.commands.bind('c', (_command, { context }) => context.publish(new Caused()))
    dp.events.bind(Caused, caused)
    await dp.start()
    for (let n = 0; n < 2; n += 1) await dp.request('c', { id: 'x' })
    await dp.stop()
    expect(caused).toHaveBeenCalledTimes(1)
  })

  test('a failure is not remembered', async () => {
    const handler = vi.fn<() => Promise<string>>().mockRejectedValueOnce(boom).mockResolvedValue('answer')
    const { one, two, stop } = await twoBehindOne(dedupe(), handler)
    await expect(one.request('c', { id: 'x' })).rejects.toBe(boom)
    expect(await two.request('c', { id: 'x' })).toBe('answer')
    expect(await one.request('c', { id: 'x' })).toBe('answer')
    expect(handler).toHaveBeenCalledTimes(2)
    await stop()
  })

  test('forgets after the window, and the oldest beyond so many', async () => {
    const clock = new ManualClock()
    let runs = 0
    const { one, stop } = await twoBehindOne(dedupe({ windowMs: 100, maxIds: 2, clock }), () => (runs += 1))
    const request = (id: string) => one.request('c', { id })
    expect(await request('x')).toBe(1)
    clock.advance(99)
    expect(await request('x')).toBe(1) // To come again is no success: the window is that of the first time.
    clock.advance(1)
    expect(await request('x')).toBe(2)
    expect([await request('y'), await request('z')]).toEqual([3, 4])
    expect([await request('y'), await request('z')]).toEqual([3, 4])
    expect(await request('x')).toBe(5)
    await stop()
  })

  test('what comes while the first runs waits for it, and has its value', async () => {
    const { runs, handler } = held()
    const { one, two, stop } = await twoBehindOne(dedupe(), handler)
    const answers = [one, two, one].map((dp) => dp.request('c', { id: 'x' }))
    await nextTurn()
    expect(runs).toHaveLength(1)
    runs[0]?.resolve('answer')
    expect(await Promise.all(answers)).toEqual(['answer', 'answer', 'answer'])
    await stop()
  })

  test('of those that waited for a first that failed, one runs, and the others wait for it', async () => {
    const { runs, handler } = held()
    const { one, two, stop } = await twoBehindOne(dedupe(), handler)
    const answers = [one, two, one].map((dp) => dp.request('c', { id: 'x' }).catch((error: unknown) => error))
    await nextTurn()
    runs[0]?.reject(boom)
    await nextTurn()
    expect(runs).toHaveLength(2)
    runs[1]?.resolve('answer')
    expect(await Promise.all(answers)).toEqual([boom, 'answer', 'answer'])
    await stop()
  })

  test('what is given up while it waits does not run', async () => {
    const { runs, handler } = held()
    const { one, two, stop } = await twoBehindOne(dedupe(), handler)
    const first = one.request('c', { id: 'x' }).catch((error: unknown) => error)
    const controller = new AbortController()
    const second = two.request('c', { id: 'x', signal: controller.signal })
    await nextTurn()
    controller.abort()
    await expect(second).rejects.toMatchObject({ code: 'ABORTED' })
    runs[0]?.reject(boom)
    await first
    await nextTurn()
    expect(runs).toHaveLength(1)
    await stop()
  })

  test('what succeeds after it was given up is not remembered', async () => {
    const { runs, handler } = held()
    const { one, two, stop } = await twoBehindOne(dedupe(), handler)
    const controller = new AbortController()
    const first = one.request('c', { id: 'x', signal: controller.signal })
    controller.abort()
    await expect(first).rejects.toMatchObject({ code: 'ABORTED' })
    runs[0]?.resolve('late')
    await nextTurn()
    const second = two.request('c', { id: 'x' })
    await nextTurn()
    runs[1]?.resolve('answer')
    expect(await second).toBe('answer')
    await stop()
  })

  test('a later attempt at another message of the same id does not run again, once that one has succeeded', async () => {
    const { runs, handler } = held()
    const recovering = new Dispatcher({ logger, recover: retry({ attempts: 2, backoff: immediate() }) })
    recovering.use(dedupe())
    recovering.commands.bind('c', handler, { name: 'h' })
    await recovering.start()
    await recovering.send('c', { id: 'i' }) // It fails, and is tried again behind the other.
    const other = recovering.request('c', { id: 'i' })
    runs[0]?.reject(boom)
    await nextTurn()
    await nextTurn()
    runs[1]?.resolve('second')
    await nextTurn()
    runs[2]?.resolve('third')
    expect(['second', 'third']).toContain(await other)
    await recovering.stop()
    expect(runs).toHaveLength(2)
  })

  test('a later attempt than the one that succeeded runs again: that one has failed outside', async () => {
    class Asked extends defineEvent('asked') {}
    class Stored extends defineEvent('stored') {}
    class Noted extends defineEvent('noted') {}
    const dp = new Dispatcher({ logger, recover: retry({ attempts: 2, backoff: immediate() }) })
    let refusals = 0
    const handler = vi.fn((_event: Asked, { context }: { context: Context }) => {
      context.publish(new Noted())
      return new Stored()
    })
    const [stored, noted] = [vi.fn(), vi.fn()]
    dp.events.use(dedupe())
    dp.use({
      outgoing: ({ message }, next) => {
        if (message instanceof Stored && (refusals += 1) <= 2) throw new Error('not yet')
        next()
      },
    })
    dp.events.bind(Asked, handler, { name: 'h', responseEvent: Stored })
    dp.events.bind(Stored, stored)
    dp.events.bind(Noted, noted)
    await dp.start()
    // Both attempts succeed, and then fail with the event that was to leave: it is dead.
    expect(await dp.publish(new Asked(), { id: 'x', waitForResponse: true })).toMatchObject([{ status: 'dead' }])
    expect([handler, stored, noted].map(({ mock }) => mock.calls.length)).toEqual([2, 0, 0])
    // Replayed, it starts with attempt 1 again.
    const { letters } = await dp.deadLetters.list()
    await dp.deadLetters.replay(letters[0]?.id ?? '')
    await dp.stop()
    expect([handler, stored, noted].map(({ mock }) => mock.calls.length)).toEqual([3, 1, 1])
  })

  test.each<[DedupeOptions, string]>([
    [{ windowMs: -1 }, 'windowMs is -1'],
    [{ maxIds: 0 }, 'maxIds is 0'],
    [{ maxIds: Number.POSITIVE_INFINITY }, 'maxIds is Infinity'],
    [{ window: 5 } as DedupeOptions, "dedupe() has no option 'window'"],
  ])('refuses %o', (options, text) => {
    expect(() => dedupe(options)).toThrow(text)
  })
})

describe('for random arrivals, ends and times', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('arrive' as const), id: fc.constantFrom('a', 'b', 'c') }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('succeed' as const, 'fail' as const), nth: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 60 }) }) },
  )
  const windowMs = 100
  const maxIds = 2

  test('an id runs alone, and again only if it failed, left the window or was pushed out; and all are answered', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const clock = new ManualClock()
        const middleware = dedupe({ windowMs, maxIds, clock })
        const { signal } = new AbortController()
        const runs: { readonly id: string; readonly value: string; end: (error?: Error) => void }[] = []
        const waiting = new Map<string, number>()
        /** Successes, the oldest first. */
        let successes: { id: string; value: string; atMs: number }[] = []
        let count = 0
        const answers: unknown[] = []

        const arrive = async (id: string): Promise<void> => {
          const next = (): Promise<string> => {
            const value = `${id}${(count += 1)}`
            return new Promise((resolve, reject) => {
              runs.push({ id, value, end: (error) => (error === undefined ? resolve(value) : reject(error)) })
            })
          }
          const context = { handler: 'h', id, attempt: 1, signal } as Context
          answers.push(await Promise.resolve(middleware('m', { context, next })).catch((error: unknown) => error))
        }
        /** What the next turn must add to the answers, and to the runs. */
        const expectNext = async (newAnswers: unknown[], newRuns: number, act: () => void): Promise<void> => {
          const [answersBefore, countBefore] = [answers.length, count]
          act()
          await nextTurn()
          expect(answers.slice(answersBefore)).toEqual(newAnswers)
          expect(count - countBefore).toBe(newRuns)
        }
        const arriveNow = (id: string): Promise<void> => {
          const known = successes.slice(-maxIds).find((one) => one.id === id && clock.now() < one.atMs + windowMs)
          const isRunning = runs.some((run) => run.id === id)
          if (isRunning) waiting.set(id, (waiting.get(id) ?? 0) + 1)
          const newAnswers = !isRunning && known !== undefined ? [known.value] : []
          return expectNext(newAnswers, isRunning || known !== undefined ? 0 : 1, () => void arrive(id))
        }
        const end = async (nth: number, error?: Error): Promise<void> => {
          const [run] = runs.splice(nth % Math.max(runs.length, 1), 1)
          if (run === undefined) return
          const waiters = waiting.get(run.id) ?? 0
          if (error === undefined) {
            successes = [...successes.filter(({ id }) => id !== run.id), { ...run, atMs: clock.now() }]
            waiting.delete(run.id)
            return expectNext(
              Array.from({ length: waiters + 1 }, () => run.value),
              0,
              run.end,
            )
          }
          waiting.set(run.id, Math.max(waiters - 1, 0))
          return expectNext([error], Math.min(waiters, 1), () => run.end(error))
        }

        for (const one of steps) {
          if (one.kind === 'arrive') await arriveNow(one.id)
          else if (one.kind === 'pass') clock.advance(one.ms)
          else await end(one.nth, one.kind === 'fail' ? boom : undefined)
        }
        while (runs.length > 0) await end(0)
        expect(answers).toHaveLength(steps.filter(({ kind }) => kind === 'arrive').length)
      }),
    )
  })
})
