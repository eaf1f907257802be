import { BurstyRateLimiter, RateLimiterMemory } from 'rate-limiter-flexible'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  Dispatcher,
  type RateLimitedOptions,
  type RateLimiter,
  RetryLater,
  rateLimited,
  Unavailable,
} from '../index.ts'

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

/** A started dispatcher whose queries 'q' and 'r' are handled within the limit. */
async function limitedBy(limiter: RateLimiter, options?: RateLimitedOptions) {
  const handler = vi.fn(() => 'answer')
  const dp = new Dispatcher({ logger })
  dp.use(rateLimited(limiter, options))
  dp.queries.bind('q', handler, { name: 'h' })
  dp.queries.bind('r', handler, { name: 'other' })
  await dp.start()
  return { dp, handler }
}

describe('rateLimited by rate-limiter-flexible', () => {
  test('lets so many run, and says of the others when there is room again', async () => {
    const { dp, handler } = await limitedBy(new RateLimiterMemory({ points: 2, duration: 10 }))
    for (let n = 0; n < 2; n += 1) expect(await dp.request('q')).toBe('answer')
    vi.advanceTimersByTime(4_000)
    const refused: unknown = await dp.request('q').catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(RetryLater)
    expect(refused).toMatchObject({
      delayMs: 6_000,
      message: "queries/h was kept from 'q': the rate limit of 'queries/h' is reached; there is room again in 6000 ms.",
      cause: { msBeforeNext: 6_000 },
    })
    expect(handler).toHaveBeenCalledTimes(2)
    expect(await dp.request('r')).toBe('answer') // Each handler has a limit of its own.
    vi.advanceTimersByTime(6_000)
    expect(await dp.request('q')).toBe('answer')
    await dp.stop()
  })

  test('what is told waits until there is room, burns no attempt, and its key keeps its order', async () => {
    const dp = new Dispatcher({ logger })
    dp.use(rateLimited(new RateLimiterMemory({ points: 2, duration: 10 })))
    const ran: string[] = []
    dp.events.bind('e', (_event, { context }) => void ran.push(`${context.id}, attempt ${context.attempt}`))
    await dp.start()
    for (const id of ['1', '2', '3', '4']) await dp.publish('e', { id, key: 'k' })
    await vi.advanceTimersByTimeAsync(9_999)
    expect(ran).toEqual(['1, attempt 1', '2, attempt 1'])
    await vi.advanceTimersByTimeAsync(10)
    expect(ran).toEqual(['1, attempt 1', '2, attempt 1', '3, attempt 1', '4, attempt 1'])
    await dp.stop()
  })

  test('counts by the key and the points that it is told', async () => {
    const { dp } = await limitedBy(new RateLimiterMemory({ points: 3, duration: 10 }), {
      key: ({ headers }, message) => `${headers['tenant']} ${String(message)}`,
      points: 2,
    })
    const request = (tenant: string) => dp.request('q', { headers: { tenant } })
    expect(await request('a')).toBe('answer')
    await expect(request('a')).rejects.toThrow("the rate limit of 'a q' is reached")
    expect(await request('b')).toBe('answer')
    await dp.stop()
  })

  test('understands a limiter that allows bursts', async () => {
    const limiter = new BurstyRateLimiter(
      new RateLimiterMemory({ points: 1, duration: 1 }),
      new RateLimiterMemory({ keyPrefix: 'burst', points: 1, duration: 5 }),
    )
    const { dp } = await limitedBy(limiter)
    for (let n = 0; n < 2; n += 1) expect(await dp.request('q')).toBe('answer')
    await expect(dp.request('q')).rejects.toMatchObject({ code: 'RETRY_LATER', delayMs: 1_000 })
    await dp.stop()
  })

  test('points that never come back are Unavailable, and no delay', async () => {
    const { dp } = await limitedBy(new RateLimiterMemory({ points: 1, duration: 0 }))
    await dp.request('q')
    await expect(dp.request('q')).rejects.toThrow('and its points do not come back by themselves')
    await expect(dp.request('q')).rejects.toBeInstanceOf(Unavailable)
    await dp.stop()
  })

  test('a limiter that fails is Unavailable, with its own error as the cause, and nothing runs', async () => {
    const cause = new Error('ECONNREFUSED')
    const { dp, handler } = await limitedBy({ consume: () => Promise.reject(cause) })
    await expect(dp.request('q')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: "queries/h was kept from 'q': the rate limiter failed: ECONNREFUSED",
      cause,
    })
    expect(handler).not.toHaveBeenCalled()
    await dp.stop()
  })

  test('what the handler throws passes, also what looks like a refusal; and an error of the key is its own', async () => {
    const dp = new Dispatcher({ logger })
    const key = vi.fn(() => 'k')
    const refusal = Object.assign(new Error('boom'), { msBeforeNext: 5 })
    dp.use(rateLimited(new RateLimiterMemory({ points: 9, duration: 1 }), { key }))
    dp.queries.bind('q', () => Promise.reject(refusal))
    await dp.start()
    await expect(dp.request('q')).rejects.toBe(refusal)
    key.mockImplementation(() => {
      throw boom
    })
    const boom = new Error('no tenant')
    await expect(dp.request('q')).rejects.toBe(boom)
    await dp.stop()
  })

  test('what is given up while the limiter takes its time does not run', async () => {
    let letPass = (): void => {}
    const consume = () => new Promise<void>((resolve) => (letPass = resolve))
    const { dp, handler } = await limitedBy({ consume })
    const controller = new AbortController()
    const answer = dp.request('q', { signal: controller.signal })
    controller.abort()
    await expect(answer).rejects.toMatchObject({ code: 'ABORTED' })
    letPass()
    await dp.stop()
    expect(handler).not.toHaveBeenCalled()
  })
})

test.each([
  [undefined, {}, 'rateLimited() was given undefined'],
  [{ consume: 1 }, {}, 'rateLimited() was given a plain object'],
  [{ consume: () => {} }, { points: 0 }, 'points is 0'],
  [{ consume: () => {} }, { key: 'tenant' }, 'The key of rateLimited() is "tenant"'],
  [{ consume: () => {} }, { kye: () => '' }, "rateLimited() has no option 'kye'"],
])('the limiter %o with %o is refused', (limiter, options, text) => {
  expect(() => rateLimited(limiter as never, options as never)).toThrow(text)
})
