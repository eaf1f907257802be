import { asError, ImproperlyConfigured, MiddlewareFault, shown } from '../errors.ts'
import type { MessageHeaders } from '../message/augmentable.ts'
import type { Envelope } from '../message/envelope.ts'
import type { Context } from './context.ts'
import type { Awaitable } from './providers.ts'
import { isThenable, nativePromise } from './thenable.ts'

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

type Layer = (message: Envelope['message'], inside: Inside) => unknown

/** An attempt within middleware: what of it still runs. */
class Inside {
  readonly deps: Parameters<Attempt>[1]
  /** Whether the outermost middleware has ended: nothing can begin any more. */
  isOver = false
  /** The first failure of something that still ran then. */
  error: unknown
  #running = 0
  #latest: unknown
  #settled: (() => void) | undefined
  #failed: ((thrown: unknown) => void) | undefined
  #ended: (() => void) | undefined

  constructor(deps: Parameters<Attempt>[1]) {
    this.deps = deps
  }

  get isRunning(): boolean {
    return this.#running > 0
  }

  /** What `next` gives, known to run until it is settled. */
  hold(value: unknown): unknown {
    if (value === this.#latest || !isThenable(value)) return value // It was handed on, and is known.
    const promise = nativePromise(value)
    this.#running += 1
    this.#latest = promise
    this.#settled ??= () => this.#end()
    this.#failed ??= (thrown) => this.#end(thrown)
    promise.then(this.#settled, this.#failed)
    return promise
  }

  /** Whether this promise is all that runs: then its end is the end. */
  isAll(value: unknown): boolean {
    return this.#running === 1 && value === this.#latest
  }

  /** Resolves when nothing runs any more. */
  ended(): Promise<void> {
    return new Promise((resolve) => {
      this.#ended = resolve
    })
  }

  #end(thrown?: unknown): void {
    this.error ??= thrown
    this.#running -= 1
    if (this.#running === 0) this.#ended?.()
  }
}

/**
 * Puts middleware around an attempt, the first outermost. Without any, the attempt itself. An attempt ends when its handler
 * and all middleware have ended: one whose middleware did not wait for what is inside of it fails, but not before.
 */
export function around(attempt: Attempt, middleware: readonly Middleware[]): Attempt {
  if (middleware.length === 0) return attempt
  const layers = middleware.reduceRight<Layer>(
    (inner, outer) => (message, inside) => {
      let called = false
      const next = (): Awaitable<unknown> => {
        if (called) throw calledTwice(outer.name)
        if (inside.isOver) throw calledLate(outer.name)
        called = true
        return inside.hold(inner(message, inside))
      }
      return outer(message, { context: inside.deps.context, next })
    },
    (message, inside) => attempt(message, inside.deps),
  )
  return (message, deps) => {
    const inside = new Inside(deps)
    let value: unknown
    try {
      value = layers(message, inside)
    } catch (error) {
      inside.isOver = true
      if (!inside.isRunning) throw error
      return failWhenEnded(inside, { error })
    }
    if (inside.isAll(value)) return value
    if (isThenable(value)) return endOf(nativePromise(value), inside)
    inside.isOver = true
    return inside.isRunning ? failWhenEnded(inside) : value
  }
}

function endOf(value: Promise<unknown>, inside: Inside): Promise<unknown> {
  return value.then(
    (result) => {
      inside.isOver = true
      return inside.isRunning ? failWhenEnded(inside) : result
    },
    (error) => {
      inside.isOver = true
      return inside.isRunning ? failWhenEnded(inside, { error }) : Promise.reject(error)
    },
  )
}

/** The middleware has gone on without what is inside of it: the attempt has failed, and ends with that. */
async function failWhenEnded(inside: Inside, own?: { readonly error: unknown }): Promise<never> {
  await inside.ended()
  if (own !== undefined) throw asError(own.error)
  const text = `A middleware around ${inside.deps.context.handler} ended before its handler. Await or return what next() gives.`
  throw new MiddlewareFault(text, inside.error === undefined ? undefined : { cause: inside.error })
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

function calledTwice(name: string): MiddlewareFault {
  return new MiddlewareFault(
    `The middleware ${name || 'without a name'} called next() twice in one attempt. Call it at most once.`,
  )
}

function calledLate(name: string): MiddlewareFault {
  const remedy = 'Call it before the middleware returns, or before its promise is settled.'
  return new MiddlewareFault(`The middleware ${name || 'without a name'} called next() when it was over. ${remedy}`)
}
