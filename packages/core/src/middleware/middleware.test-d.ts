import { bulkhead, circuitBreaker, ConsecutiveBreaker, fallback, handleAll, wrap } from 'cockatiel'
import {
  BurstyRateLimiter,
  type RateLimiterLike,
  type RateLimiterMemory,
  RateLimiterQueue,
} from 'rate-limiter-flexible'
import { describe, expectTypeOf, test } from 'vitest'
import {
  dedupe,
  Dispatcher,
  guarded,
  type Logger,
  logging,
  loggingOutgoing,
  type Middleware,
  type OutgoingMiddleware,
  rateLimited,
  timing,
  timingOutgoing,
} from '../index.ts'

declare const logger: Logger
declare const limiter: RateLimiterMemory
declare const anyLimiter: RateLimiterLike

const breaker = circuitBreaker(handleAll, { halfOpenAfter: 10, breaker: new ConsecutiveBreaker(5) })

describe('middleware of common need', () => {
  test('goes where its kind goes', () => {
    const dp = new Dispatcher()
    dp.use(logging(logger))
    dp.use(loggingOutgoing(logger))
    dp.queries.use(timing(() => {}))
    // @ts-expect-error a router has no outgoing middleware
    dp.queries.use(timingOutgoing(() => {}))
    expectTypeOf(dedupe()).toEqualTypeOf<Middleware>()
    expectTypeOf(timingOutgoing(() => {})).toEqualTypeOf<OutgoingMiddleware>()
  })

  test('is guarded by the policies of cockatiel, single and wrapped', () => {
    guarded(breaker)
    guarded(bulkhead(2))
    guarded(fallback(handleAll, 'instead'))
    guarded(wrap(bulkhead(2), breaker))
    // @ts-expect-error no policy
    guarded(handleAll)
    // @ts-expect-error no policy
    guarded({ execute: (run: string) => run })
  })

  test('is limited by the limiters of rate-limiter-flexible', () => {
    rateLimited(limiter)
    rateLimited(anyLimiter)
    rateLimited(new BurstyRateLimiter(limiter, limiter))
    // @ts-expect-error a queue has no consume
    rateLimited(new RateLimiterQueue(limiter))
    rateLimited(limiter, { key: ({ headers }) => headers['tenant'] ?? 'nobody' })
    // @ts-expect-error the key is a function
    rateLimited(limiter, { key: 'tenant' })
  })

  test('records what it has measured', () => {
    timing(({ handler, ranMs, waitedMs, outcome, error }) => {
      expectTypeOf(handler).toEqualTypeOf<string>()
      expectTypeOf([ranMs, waitedMs]).toEqualTypeOf<number[]>()
      expectTypeOf(outcome).toEqualTypeOf<'done' | 'failed'>()
      expectTypeOf(error).toEqualTypeOf<Error | undefined>()
    })
    timingOutgoing(({ verb }) => expectTypeOf(verb).toEqualTypeOf<'publish' | 'send' | 'request'>())
    // @ts-expect-error there is no such level
    logging(logger, { level: 'loud' })
    // @ts-expect-error not every method of pino's is there
    logging({ debug: () => {} })
  })
})
