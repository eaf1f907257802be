import {
  bulkhead,
  circuitBreaker,
  ConsecutiveBreaker,
  ConstantBackoff,
  fallback,
  handleAll,
  retry as retryPolicy,
  timeout,
  TimeoutStrategy,
  wrap,
} from 'cockatiel'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Dispatcher, fixed, guarded, type Policy, retry, Unavailable } from '../index.ts'

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
const boom = new Error('boom')

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

/** A started dispatcher whose query 'q' is handled as is said, within the policy. */
async function guardedBy(policy: Policy, handler: () => unknown) {
  const dp = new Dispatcher({ logger })
  dp.use(guarded(policy))
  dp.queries.bind('q', handler, { name: 'h' })
  await dp.start()
  return dp
}

describe('guarded by a circuit breaker of cockatiel', () => {
  const breaker = () => circuitBreaker(handleAll, { halfOpenAfter: 1_000, breaker: new ConsecutiveBreaker(2) })

  test('the handler’s own errors pass as they are; the open circuit is Unavailable, and nothing runs', async () => {
    const handler = vi.fn(() => Promise.reject(boom))
    const dp = await guardedBy(breaker(), handler)
    for (let n = 0; n < 2; n += 1) await expect(dp.request('q')).rejects.toBe(boom)
    const refused: unknown = await dp.request('q').catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(Unavailable)
    expect(refused).toMatchObject({
      code: 'UNAVAILABLE',
      message: "queries/h was kept from 'q': Execution prevented because the circuit breaker is open",
      cause: { isBrokenCircuitError: true },
    })
    expect(handler).toHaveBeenCalledTimes(2)
    await dp.stop()
  })

  test('it runs again once the circuit is half open', async () => {
    const handler = vi.fn<() => Promise<string>>()
    handler.mockRejectedValueOnce(boom).mockRejectedValueOnce(boom).mockResolvedValue('answer')
    const dp = await guardedBy(breaker(), handler)
    for (let n = 0; n < 2; n += 1) await expect(dp.request('q')).rejects.toBe(boom)
    vi.advanceTimersByTime(1_000)
    expect(await dp.request('q')).toBe('answer')
    await dp.stop()
  })

  test('what it keeps from running burns no attempt, and runs once the circuit is half open', async () => {
    const handler = vi.fn<(message: string) => Promise<void>>()
    handler.mockRejectedValueOnce(boom).mockRejectedValueOnce(boom).mockResolvedValue()
    const dp = new Dispatcher({ logger, recover: retry({ attempts: 3, backoff: fixed(300) }) })
    dp.use(guarded(breaker()))
    dp.events.bind('e', handler, { name: 'h' })
    await dp.start()
    const outcomes = dp.publish('e', { waitForResponse: true })
    // Two attempts, and the open circuit; then every 300 ms, until it is half open after 1 000.
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await outcomes).toMatchObject([{ status: 'done' }])
    expect(handler).toHaveBeenCalledTimes(3)
    const free = logger.warn.mock.calls.filter(([{ err }]) => err instanceof Unavailable)
    expect(free.length).toBeGreaterThanOrEqual(3)
    await dp.stop()
  })

  test('an error that a handler throws because of a circuit of its own is its own', async () => {
    const inner = breaker()
    inner.isolate()
    const dp = await guardedBy(breaker(), () => inner.execute(() => 1))
    await expect(dp.request('q')).rejects.toMatchObject({ isBrokenCircuitError: true })
    await dp.stop()
  })
})

describe('guarded by a bulkhead of cockatiel', () => {
  test('a full one is Unavailable, also within another policy', async () => {
    const ends: ((value: string) => void)[] = []
    const breaker = circuitBreaker(handleAll, { halfOpenAfter: 1_000, breaker: new ConsecutiveBreaker(9) })
    const dp = await guardedBy(wrap(breaker, bulkhead(1)), () => new Promise((resolve) => ends.push(resolve)))
    const first = dp.request('q')
    await expect(dp.request('q')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      cause: { isBulkheadRejectedError: true },
    })
    ends[0]?.('answer')
    expect(await first).toBe('answer')
    await dp.stop()
  })

  test('what is given up while it stands in its queue does not run', async () => {
    const ends: ((value: string) => void)[] = []
    const handler = vi.fn(() => new Promise((resolve) => ends.push(resolve)))
    const dp = await guardedBy(bulkhead(1, 1), handler)
    const first = dp.request('q')
    const controller = new AbortController()
    const second = dp.request('q', { signal: controller.signal })
    controller.abort()
    await expect(second).rejects.toMatchObject({ code: 'ABORTED' })
    ends[0]?.('answer')
    await first
    await dp.stop()
    expect(handler).toHaveBeenCalledTimes(1)
  })
})

describe('guarded by a policy that is the engine’s business', () => {
  test('a retry fails the attempt, with what to do, and the handler has run once', async () => {
    const handler = vi.fn(() => Promise.reject(boom))
    const dp = await guardedBy(retryPolicy(handleAll, { maxAttempts: 2, backoff: new ConstantBackoff(10) }), handler)
    const answer = dp.request('q').catch((thrown: unknown) => thrown)
    await vi.advanceTimersByTimeAsync(20)
    expect(await answer).toMatchObject({
      code: 'MIDDLEWARE_FAULT',
      message:
        'The policy of guarded() ran queries/h twice in one attempt. ' +
        "Leave retries to the engine, by the handler's recover, and give guarded() a policy without them.",
      cause: boom,
    })
    expect(handler).toHaveBeenCalledTimes(1)
    await dp.stop()
  })

  test.each([
    ['fails it', (policy: Policy) => policy, 'Operation timed out after 100ms'],
    ['is answered for', (policy: Policy) => withFallback(policy), 'instead'],
  ])('a timeout that %s holds the lane until the handler has ended', async (_title, policyOf, expected) => {
    const ends: (() => void)[] = []
    const steps: string[] = []
    const dp = await guardedBy(policyOf(timeout(100, TimeoutStrategy.Aggressive)), async () => {
      steps.push('starts')
      await new Promise<void>((resolve) => ends.push(resolve))
      steps.push('ends')
    })
    const answers = [1, 2].map(() => dp.request('q', { key: 'k' }).catch((error: Error) => error.message))
    await vi.advanceTimersByTimeAsync(100)
    expect(steps).toEqual(['starts'])
    ends[0]?.()
    await vi.advanceTimersByTimeAsync(0)
    expect(steps).toEqual(['starts', 'ends', 'starts'])
    ends[1]?.()
    expect(await answers[0]).toBe(expected)
    await dp.stop()
  })

  /** Answers in the place of what fails. */
  const withFallback = (policy: Policy): Policy => ({
    execute: (run, signal) => fallback(handleAll, 'instead').execute(async () => policy.execute(run, signal), signal),
  })
})

test.each([undefined, {}, { execute: 5 }])('guarded by %o is refused', (policy) => {
  expect(() => guarded(policy as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
})
