import { asError, InvalidOption, RetryLater, shown, Unavailable } from '../errors.ts'
import { checkCount, checkNames } from '../options.ts'
import type { Context } from '../routing/context.ts'
import type { Middleware } from '../routing/middleware.ts'

/**
 * What counts against a limit, as the limiters of rate-limiter-flexible do: it resolves where there are points left for
 * the key, and rejects with how many milliseconds it takes until there are, as `msBeforeNext`.
 */
export interface RateLimiter {
  consume(key: string, points?: number): PromiseLike<unknown>
}

/** The options of `rateLimited`. */
export interface RateLimitedOptions {
  /** What the limit is counted by. Default: the handler, `({ handler }) => handler`. */
  readonly key?: ((context: Context, message: unknown) => string) | undefined
  /** How many points an attempt takes. Default 1. */
  readonly points?: number | undefined
}

/**
 * Middleware that runs an attempt only while a limiter of rate-limiter-flexible (an optional peer) has points left. One
 * that is refused is tried again when there are ({@link RetryLater}), and burns no attempt; the caller of a request is
 * told at once. A key keeps its order meanwhile: its lane waits.
 *
 * Where the limiter itself fails, or says that its points never come back, the handler is not run either
 * ({@link Unavailable}).
 *
 * ```ts
 * const limiter = new RateLimiterMemory({ points: 100, duration: 1 }) // 100 attempts a second
 * dp.commands.use(rateLimited(limiter, { key: ({ headers }) => headers['tenant'] ?? 'nobody' }))
 * ```
 *
 * @throws {InvalidOption} for what has no `consume`, and for options that cannot be.
 * @throws {RetryLater | Unavailable} for an attempt, with what the limiter rejected with as the `cause`.
 */
export function rateLimited(limiter: RateLimiter, options: RateLimitedOptions = {}): Middleware {
  if (typeof (limiter as Partial<RateLimiter> | undefined)?.consume !== 'function') {
    throw new InvalidOption(`rateLimited() was given ${shown(limiter)}. Pass a limiter: an object with consume(key).`)
  }
  checkNames('rateLimited()', options, ['key', 'points'])
  const { key = ({ handler }) => handler, points = 1 } = options
  if (typeof key !== 'function') {
    throw new InvalidOption(`The key of rateLimited() is ${shown(key)}. Pass a function of (context, message).`)
  }
  checkCount('points', points)
  return async (message, { context, next }) => {
    const countedBy = key(context, message)
    try {
      await limiter.consume(countedBy, points)
    } catch (thrown) {
      throw refusal(context, countedBy, thrown)
    }
    context.signal.throwIfAborted() // The limiter may have taken its time.
    return next()
  }
}

function refusal({ handler, type }: Context, key: string, cause: unknown): Error {
  const what = `${handler} was kept from '${type}'`
  const delayMs = msBeforeNext(cause)
  if (delayMs === undefined) {
    return new Unavailable(`${what}: the rate limiter failed: ${asError(cause).message}`, { cause })
  }
  const text = `${what}: the rate limit of '${key}' is reached`
  if (delayMs < 0) return new Unavailable(`${text}, and its points do not come back by themselves.`, { cause })
  return new RetryLater(delayMs, `${text}; there is room again in ${delayMs} ms.`, { cause })
}

/** How long until the limiter has points again; negative where it never has; `undefined` where it has not refused, but failed. */
function msBeforeNext(thrown: unknown): number | undefined {
  const isRefusal = typeof thrown === 'object' && thrown !== null && 'msBeforeNext' in thrown
  return isRefusal && typeof thrown.msBeforeNext === 'number' ? thrown.msBeforeNext : undefined
}
