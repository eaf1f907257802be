import { InvalidOption, MiddlewareFault, shown, Unavailable } from '../errors.ts'
import type { Middleware } from '../routing/middleware.ts'

/** What can run a function under some policy, as the policies of cockatiel do, single or wrapped into each other. */
export interface Policy {
  execute(run: () => Promise<unknown>, signal?: AbortSignal): PromiseLike<unknown>
}

/**
 * Middleware that runs each attempt within a policy of cockatiel (an optional peer): a circuit breaker, a bulkhead, or
 * both. What the policy rejects by itself, because its circuit is open or its bulkhead is full, is {@link Unavailable}:
 * the message is tried again, and burns no attempt. What the handler throws passes as it is.
 *
 * Retries and timeouts are the engine's (`recover`, `timeoutMs`). A policy that runs the handler a second time within
 * one attempt fails it; one that does not wait for its end is waited for, since the lane must not go on before.
 *
 * ```ts
 * const breaker = circuitBreaker(handleAll, { halfOpenAfter: 10_000, breaker: new ConsecutiveBreaker(5) })
 * dp.commands.use(guarded(wrap(bulkhead(10), breaker)))
 * ```
 *
 * @param policy one for all handlers that it is used for: they share its circuit, and its room.
 * @throws {InvalidOption} for what has no `execute`.
 * @throws {Unavailable} for an attempt, with the policy's own error as its `cause`.
 * @throws {MiddlewareFault} for an attempt, where the policy runs the handler twice; the handler's own error is its `cause`.
 */
export function guarded(policy: Policy): Middleware {
  if (typeof (policy as Partial<Policy> | undefined)?.execute !== 'function') {
    throw new InvalidOption(`guarded() was given ${shown(policy)}. Pass a policy: an object with execute(fn).`)
  }
  return async (_message, { context, next }) => {
    const handler = new Run(next)
    const run = (): Promise<unknown> => {
      if (handler.ended !== undefined) return Promise.reject(ranTwice(context.handler, handler.error))
      return handler.start()
    }
    try {
      return await policy.execute(run, context.signal)
    } catch (thrown) {
      if (thrown === handler.error || !isRejection(thrown)) throw thrown
      throw new Unavailable(`${context.handler} was kept from '${context.type}': ${thrown.message}`, { cause: thrown })
    } finally {
      await handler.ended
    }
  }
}

/** The run of a handler. */
class Run {
  readonly #next: () => unknown
  /** There once it has started. Never rejects. */
  ended: Promise<void> | undefined
  error: unknown

  constructor(next: () => unknown) {
    this.#next = next
  }

  start(): Promise<unknown> {
    const value = (async () => this.#next())()
    this.ended = this.#endOf(value)
    return value
  }

  async #endOf(value: Promise<unknown>): Promise<void> {
    try {
      await value
    } catch (error) {
      this.error = error
    }
  }
}

/** Whether it is what a policy throws by itself. Cockatiel marks such errors, so that they are known without their classes. */
function isRejection(thrown: unknown): thrown is Error {
  return thrown instanceof Error && ('isBrokenCircuitError' in thrown || 'isBulkheadRejectedError' in thrown)
}

function ranTwice(handler: string, cause: unknown): MiddlewareFault {
  const remedy = "Leave retries to the engine, by the handler's recover, and give guarded() a policy without them."
  return new MiddlewareFault(`The policy of guarded() ran ${handler} twice in one attempt. ${remedy}`, { cause })
}
