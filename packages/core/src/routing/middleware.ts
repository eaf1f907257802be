import { asError, ImproperlyConfigured, MiddlewareFault, shown } from '../errors.ts'
import type { MessageHeaders } from '../message/augmentable.ts'
import type { Envelope } from '../message/envelope.ts'
import type { Context } from './context.ts'
import type { Awaitable } from './providers.ts'

/** What a middleware is given besides the message: what a handler is given, and `next`. */
export interface MiddlewareDeps {
  readonly context: Context
  /** Runs what is inside, and gives what it returns: in the end, the handler's value. To be called at most once. */
  readonly next: () => Awaitable<unknown>
}

/**
 * A function around each attempt of a handler. What it returns is the value of the attempt; what it throws fails it.
 * One that does not call `next` answers in the handler's place.
 *
 * ```ts
 * dp.use(async (message, { context, next }) => {
 *   const start = performance.now()
 *   try { return await next() } finally { console.log(context.handler, performance.now() - start) }
 * })
 * ```
 */
export type Middleware = (message: unknown, deps: MiddlewareDeps) => Awaitable<unknown>

/** A message about to leave: what outgoing middleware sees, and may change. */
export interface Outgoing {
  readonly verb: 'publish' | 'send' | 'request'
  readonly message: object | string
  /** The name of the message's type. */
  readonly type: string
  key: string | undefined
  /** Replace it to add to it: `outgoing.headers = { ...outgoing.headers, tenant }`. */
  headers: MessageHeaders
}

/**
 * A function around each publication, before the message takes its place in any lane. It is synchronous, since the
 * order is the order of the calls; and it calls `next` exactly once. To refuse the message, it throws.
 */
export interface OutgoingMiddleware {
  readonly outgoing: (message: Outgoing, next: () => void) => void
}

/** The middleware of a dispatcher, in the order of `use`. */
export class MiddlewareInUse {
  readonly attempts: Middleware[] = []
  readonly publications: OutgoingMiddleware[] = []

  /** @throws {ImproperlyConfigured} for what is none. */
  add(middleware: Middleware | OutgoingMiddleware): void {
    if (typeof middleware === 'function') this.attempts.push(middleware)
    else if (typeof middleware?.outgoing === 'function') this.publications.push(middleware)
    else {
      const text = `${shown(middleware)} is no middleware. Pass a function, or an object with a function 'outgoing'.`
      throw new ImproperlyConfigured('INVALID_MIDDLEWARE', text)
    }
  }
}

/** One attempt: what the engine calls, and what middleware wraps. It is called with what a handler is given. */
export type Attempt = (message: Envelope['message'], deps: { readonly context: Context }) => unknown

/** An attempt within middleware, and the promise of its handler while that runs. */
interface Inside {
  readonly deps: Parameters<Attempt>[1]
  handler: PromiseLike<unknown> | undefined
}

type Layer = (message: Envelope['message'], inside: Inside) => unknown

/**
 * Puts middleware around an attempt, the first outermost. Without any, the attempt itself. An attempt ends when its handler
 * has ended: one whose middleware did not wait for that fails, but not before.
 */
export function around(attempt: Attempt, middleware: readonly Middleware[]): Attempt {
  if (middleware.length === 0) return attempt
  const layers = middleware.reduceRight<Layer>(
    (inner, outer) => (message, inside) => {
      let called = false
      const next = (): Awaitable<unknown> => {
        if (called) throw calledTwice(outer.name)
        called = true
        return inner(message, inside)
      }
      return outer(message, { context: inside.deps.context, next })
    },
    (message, inside) => {
      const value = attempt(message, inside.deps)
      if (isThenable(value)) {
        const ended = (): void => {
          inside.handler = undefined
        }
        inside.handler = value
        value.then(ended, ended)
      }
      return value
    },
  )
  return (message, deps) => {
    const inside: Inside = { deps, handler: undefined }
    const value = layers(message, inside)
    if (value === inside.handler && value !== undefined) return value
    if (!isThenable(value)) return inside.handler === undefined ? value : failWhenEnded(inside)
    return nativePromise(value).then(
      (result) => (inside.handler === undefined ? result : failWhenEnded(inside)),
      (error) => (inside.handler === undefined ? Promise.reject(error) : failWhenEnded(inside, error)),
    )
  }
}

/** The middleware has gone on without its handler: the attempt has failed, and ends with the handler. */
async function failWhenEnded({ handler, deps }: Inside, error?: unknown): Promise<never> {
  let cause: unknown
  try {
    await handler
  } catch (thrown) {
    cause = thrown
  }
  if (error !== undefined) throw asError(error)
  const text = `A middleware around ${deps.context.handler} ended before its handler. Await or return what next() gives.`
  throw new MiddlewareFault(text, cause === undefined ? undefined : { cause })
}

/** Puts outgoing middleware around a publication, the first outermost. `undefined` where there is none. */
export function aroundOutgoing(middleware: readonly OutgoingMiddleware[]): ((message: Outgoing) => void) | undefined {
  if (middleware.length === 0) return undefined
  return middleware.reduceRight<(message: Outgoing) => void>(
    (inner, { outgoing }) =>
      (message) => {
        let called = false
        const result: unknown = outgoing(message, () => {
          if (called) throw calledTwice(outgoing.name)
          called = true
          inner(message)
        })
        if (isThenable(result)) {
          result.then(undefined, () => {}) // Its failure, if it has one, is this fault.
          throw new MiddlewareFault(
            `The outgoing middleware ${outgoing.name || 'without a name'} is asynchronous. Make it synchronous: the order is that of the calls.`,
          )
        }
        if (!called) {
          throw new MiddlewareFault(
            `The outgoing middleware ${outgoing.name || 'without a name'} did not call next() for '${message.type}'. Call it, or throw.`,
          )
        }
      },
    () => {},
  )
}

/** Whether a value is a promise, of whatever make. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

export function nativePromise(value: PromiseLike<unknown>): Promise<unknown> {
  return value instanceof Promise ? value : Promise.resolve(value)
}

function calledTwice(name: string): MiddlewareFault {
  return new MiddlewareFault(
    `The middleware ${name || 'without a name'} called next() twice in one attempt. Call it at most once.`,
  )
}
