import { describe, expect, test, vi } from 'vitest'
import { setTimeout as delay } from 'node:timers/promises'
import { Dispatcher, type Middleware, type Outgoing } from '../index.ts'

const silent = () => ({ debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() })

describe('middleware', () => {
  test('goes around each attempt, the dispatcher’s outside the router’s, the first outermost', async () => {
    const dp = new Dispatcher()
    const steps: string[] = []
    const step =
      (name: string) =>
      async (_message: unknown, { next }: { next: () => unknown }) => {
        steps.push(`> ${name}`)
        const value = await next()
        steps.push(`< ${name}`)
        return value
      }
    dp.queries.use(step('router'))
    dp.use(step('first'))
    dp.use(step('second'))
    dp.queries.bind('x', () => {
      steps.push('handler')
      return 'answer'
    })
    dp.commands.bind('y', () => steps.push('command'))
    await dp.start()
    expect(await dp.request('x')).toBe('answer')
    expect(steps).toEqual(['> first', '> second', '> router', 'handler', '< router', '< second', '< first'])
    steps.length = 0
    await dp.request('y')
    expect(steps).toEqual(['> first', '> second', 'command', '< second', '< first'])
    await dp.stop()
  })

  test('three of the dispatcher and two of a router: calls go outer to inner, errors travel back reversed', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const steps: string[] = []
    const step =
      (name: string) =>
      async (_message: unknown, { next }: { next: () => unknown }) => {
        steps.push(`> ${name}`)
        try {
          return `${String(await next())} ${name}`
        } catch (error) {
          steps.push(`${(error as Error).message} ${name}`)
          throw new Error(`${(error as Error).message} ${name}`, { cause: error })
        }
      }
    for (const name of ['d1', 'd2', 'd3']) dp.use(step(name))
    for (const name of ['r1', 'r2']) dp.queries.use(step(name))
    dp.queries.bind('good', () => 'answer')
    dp.queries.bind('bad', () => Promise.reject(new Error('boom')))
    await dp.start()
    const inward = ['> d1', '> d2', '> d3', '> r1', '> r2']
    expect(await dp.request('good')).toBe('answer r2 r1 d3 d2 d1')
    expect(steps.splice(0)).toEqual(inward)
    await expect(dp.request('bad')).rejects.toThrow(/^boom r2 r1 d3 d2 d1$/)
    const outward = ['boom r2', 'boom r2 r1', 'boom r2 r1 d3', 'boom r2 r1 d3 d2', 'boom r2 r1 d3 d2 d1']
    expect(steps).toEqual([...inward, ...outward])
    await dp.stop()
  })

  test('is given the message, and the context that the handler is given', async () => {
    const dp = new Dispatcher()
    const seen: unknown[] = []
    dp.use((message, { context, next }) => {
      seen.push(message, context)
      return next()
    })
    dp.queries.bind('x', (message, { context }) => [message, context])
    await dp.start()
    expect(await dp.request('x')).toEqual(seen)
    await dp.stop()
  })

  test('changes the value, answers in the handler’s place, or fails the attempt', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const handler = vi.fn(() => 1)
    dp.queries.use(async (message, { next }) => {
      if (message === 'cached') return 'from the cache'
      if (message === 'forbidden') throw new Error('not yours')
      return Number(await next()) + 1
    })
    dp.queries.bind(['plus', 'cached', 'forbidden'], handler)
    await dp.start()
    expect(await dp.request('plus')).toBe(2)
    expect(await dp.request('cached')).toBe('from the cache')
    await expect(dp.request('forbidden')).rejects.toThrow('not yours')
    expect(handler).toHaveBeenCalledTimes(1)
    await dp.stop()
  })

  test('may turn a failure into a value; then the attempt has succeeded', async () => {
    const dp = new Dispatcher()
    dp.use(async (_message, { next }) => {
      try {
        return await next()
      } catch {
        return 'fallback'
      }
    })
    dp.queries.bind('x', () => Promise.reject(new Error('boom')))
    await dp.start()
    expect(await dp.request('x')).toBe('fallback')
    await dp.stop()
  })

  test('that calls next twice fails the attempt, and the handler has run once', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const handler = vi.fn(() => 1)
    dp.use(async function twice(_message, { next }) {
      await next()
      return next()
    })
    dp.queries.bind('x', handler)
    await dp.start()
    await expect(dp.request('x')).rejects.toMatchObject({
      code: 'MIDDLEWARE_FAULT',
      message: 'The middleware twice called next() twice in one attempt. Call it at most once.',
    })
    expect(handler).toHaveBeenCalledTimes(1)
    await dp.stop()
  })

  test('what is none is refused', () => {
    const dp = new Dispatcher()
    // @ts-expect-error no middleware
    expect(() => dp.use({ outgoing: 5 })).toThrow(expect.objectContaining({ code: 'INVALID_MIDDLEWARE' }))
    // @ts-expect-error no middleware
    expect(() => dp.use(null)).toThrow('null is no middleware')
  })
})

describe('outgoing middleware', () => {
  test('goes around each publication, from outside and from handlers, and may change key and headers', async () => {
    const dp = new Dispatcher()
    const left: string[] = []
    const seen: unknown[] = []
    dp.use({
      outgoing: (message, next) => {
        left.push(`${message.verb} ${message.type}`)
        message.headers = { ...message.headers, tenant: 't' }
        message.key ??= 'default'
        next()
      },
    })
    dp.commands.bind('c', async (_command, { context }) => {
      context.publish('e', { key: 'given' })
      await context.request('q')
    })
    const note = (_message: unknown, { context }: { context: { key: string | undefined; headers: object } }) =>
      void seen.push([context.key, context.headers])
    dp.events.bind('e', note)
    dp.queries.bind('q', note)
    await dp.start()
    await dp.send('c')
    await dp.stop()
    expect(left).toEqual(['send c', 'publish e', 'request q'])
    expect(seen).toEqual([
      ['default', { tenant: 't' }],
      ['given', { tenant: 't' }],
    ])
  })

  test('nests, the first outermost', async () => {
    const dp = new Dispatcher()
    const steps: string[] = []
    for (const name of ['first', 'second']) {
      dp.use({
        outgoing: (_message, next) => {
          steps.push(`> ${name}`)
          next()
          steps.push(`< ${name}`)
        },
      })
    }
    dp.events.bind('e', () => void steps.push('handler'))
    await dp.start()
    await dp.publish('e')
    await dp.stop()
    expect(steps).toEqual(['> first', '> second', '< second', '< first', 'handler'])
  })

  test('a refusal travels back through it reversed, and those outside may change it', async () => {
    const dp = new Dispatcher()
    const steps: string[] = []
    for (const name of ['o1', 'o2', 'o3']) {
      dp.use({
        outgoing: (_message, next) => {
          steps.push(`> ${name}`)
          if (name === 'o3') throw new Error('not yours')
          try {
            next()
          } catch (error) {
            steps.push(`< ${name}`)
            throw new Error(`${(error as Error).message} ${name}`, { cause: error })
          }
        },
      })
    }
    dp.events.bind('e', () => void steps.push('handler'))
    await dp.start()
    await expect(dp.publish('e')).rejects.toThrow(/^not yours o2 o1$/)
    expect(steps).toEqual(['> o1', '> o2', '> o3', '< o2', '< o1'])
    await dp.stop()
  })

  const next = () => {}
  test.each<[string, (message: Outgoing, next: () => void) => void, string]>([
    ['throws', () => { throw new Error('not yours') }, 'not yours'], // prettier-ignore
    ['does not call next', () => {}, "did not call next() for 'e'"],
    ['calls next twice', (_message, call) => [call(), call()], 'called next() twice'],
    ['is asynchronous', async (_message, call) => call(), 'is asynchronous'],
  ])('that %s refuses the message to its caller, loudly', async (_title, outgoing, text) => {
    const dp = new Dispatcher()
    const handler = vi.fn(next)
    dp.use({ outgoing })
    dp.events.bind('e', handler)
    await dp.start()
    await expect(dp.publish('e')).rejects.toThrow(text)
    await dp.stop()
    expect(handler).not.toHaveBeenCalled()
  })
})

describe('middleware that goes on without its handler', () => {
  test.each<[string, Middleware]>([
    ['forgets to return', (_message, { next }) => void next()],
    ['forgets to await', async (_message, { next }) => void next()],
    ['lets it race', (_message, { next }) => Promise.race([next(), delay(1, 'first')])],
  ])('that %s fails the attempt, once the handler has ended: nothing of its key overtakes', async (_, middleware) => {
    const dp = new Dispatcher({ logger: silent() })
    let [running, most, ended] = [0, 0, 0]
    dp.use(middleware)
    dp.events.bind('x', async () => {
      most = Math.max(most, (running += 1))
      await delay(5)
      running -= 1
      ended += 1
    })
    await dp.start()
    const outcomes = await Promise.all([1, 2, 3].map(() => dp.publish('x', { key: 'k', waitForResponse: true })))
    expect({ most, ended }).toEqual({ most: 1, ended: 3 })
    const error = expect.objectContaining({
      code: 'MIDDLEWARE_FAULT',
      message: expect.stringContaining('Await or return what next() gives.') as string,
    }) as Error
    expect(outcomes.flat()).toEqual([1, 2, 3].map(() => ({ handler: 'events/x#1', status: 'dead', error })))
    await dp.stop()
  })

  test('has the error of the handler as the cause, and that is no unhandled rejection', async () => {
    const dp = new Dispatcher({ logger: silent() })
    dp.use((_message, { next }) => void next())
    const boom = new Error('boom')
    dp.queries.bind('x', () => Promise.reject(boom))
    await dp.start()
    await expect(dp.request('x')).rejects.toMatchObject({ code: 'MIDDLEWARE_FAULT', cause: boom })
    await dp.stop()
  })

  test('fails with its own error, if it throws one', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const own = new Error('took too long')
    let ended = false
    dp.use(async (_message, { next }) => {
      void next()
      throw own
    })
    dp.queries.bind('x', async () => {
      await delay(2)
      ended = true
    })
    await dp.start()
    await expect(dp.request('x')).rejects.toBe(own)
    expect(ended).toBe(true)
    await dp.stop()
  })
})

describe('what middleware cannot do to a key', () => {
  /** Three messages of one key, each handled in 5 ms. */
  async function three(middleware: readonly Middleware[]) {
    const dp = new Dispatcher({ logger: silent() })
    let [running, most, runs] = [0, 0, 0]
    for (const one of middleware) dp.use(one)
    dp.events.bind('x', async () => {
      runs += 1
      most = Math.max(most, (running += 1))
      await delay(5)
      running -= 1
    })
    await dp.start()
    const outcomes = await Promise.all([1, 2, 3].map(() => dp.publish('x', { key: 'k', waitForResponse: true })))
    await dp.stop()
    return { running, most, runs, outcomes: outcomes.flat() }
  }

  test('a throw after next() is held until the handler has ended', async () => {
    const own = new Error('own')
    const result = await three([
      (_message, { next }) => {
        void next()
        throw own
      },
    ])
    expect(result).toMatchObject({
      running: 0,
      most: 1,
      runs: 3,
      outcomes: [{ error: own }, { error: own }, { error: own }],
    })
  })

  test('a second next() is refused, and the first is held', async () => {
    const twice: Middleware = (_message, { next }) => {
      void next()
      return next()
    }
    expect(await three([twice])).toMatchObject({
      running: 0,
      most: 1,
      runs: 3,
      outcomes: [{ error: { code: 'MIDDLEWARE_FAULT' } }, {}, {}],
    })
  })

  test('a next() that comes when the middleware is over runs nothing', async () => {
    const late: unknown[] = []
    const result = await three([
      (_message, { next }) => {
        setImmediate(() => {
          try {
            void next()
          } catch (error) {
            late.push(error)
          }
        })
        return 'answer'
      },
    ])
    await delay(1)
    expect(result).toMatchObject({ runs: 0, outcomes: [{ status: 'done', value: 'answer' }, {}, {}] })
    expect(late).toMatchObject(
      [1, 2, 3].map(() => ({
        code: 'MIDDLEWARE_FAULT',
        message: expect.stringContaining('when it was over') as string,
      })),
    )
  })

  test('what an inner middleware does after the handler is held too, and its failure is no unhandled rejection', async () => {
    const steps: string[] = []
    const boom = new Error('boom')
    const inner: Middleware = async (_message, { next }) => {
      await next()
      await delay(2)
      steps.push('inner ended')
      throw boom
    }
    const { outcomes, most } = await three([(_message, { next }) => void next(), inner])
    expect(most).toBe(1)
    expect(outcomes).toMatchObject([1, 2, 3].map(() => ({ error: { code: 'MIDDLEWARE_FAULT', cause: boom } })))
    expect(steps).toHaveLength(3)
  })
})

test('a thenable that works whenever it is asked is asked once, also within middleware', async () => {
  for (const middleware of [
    [],
    [(_message: unknown, { next }: { next: () => unknown }) => next()],
    [async (_message: unknown, { next }: { next: () => unknown }) => await next()],
  ]) {
    const dp = new Dispatcher()
    for (const one of middleware) dp.use(one)
    let asked = 0
    const query = () => ({
      // oxlint-disable-next-line unicorn/no-thenable -- as the query builders have it
      then: (resolve: (value: string) => void) => {
        asked += 1
        resolve('rows')
      },
    })
    dp.queries.bind('x', query)
    await dp.start()
    expect(await dp.request('x')).toBe('rows')
    expect(asked).toBe(1)
    await dp.stop()
  }
})

test('a handler is called without a `this`, also within middleware', async () => {
  for (const middleware of [[], [(_message: unknown, { next }: { next: () => unknown }) => next()]]) {
    const dp = new Dispatcher()
    for (const one of middleware) dp.use(one)
    const seen: unknown[] = []
    dp.events.bind('x', function handle(this: unknown) {
      seen.push(this)
    })
    await dp.start()
    await dp.publish('x')
    expect(seen).toEqual([undefined])
    await dp.stop()
  }
})
