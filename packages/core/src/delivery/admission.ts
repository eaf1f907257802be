import { Delivery, type Dispatch, type Outlet, type Waiter } from '../engine/delivery.ts'
import type { Engine } from '../engine/engine.ts'
import type { Handler } from '../engine/handler.ts'
import type { Outcome } from '../engine/outcome.ts'
import { Aborted, HandlerDoesNotExist, MaxDepthExceeded, shown, WrongKind } from '../errors.ts'
import { type Cause, Envelope, noHeaders } from '../message/envelope.ts'
import type { Kind } from '../message/kind.ts'
import type { Observer } from '../observe.ts'
import { checkMessageOptions, type MessageOptions, type PublishOptions, type RequestOptions } from '../options.ts'
import type { Clock } from '../ports/clock.ts'
import { routerName } from '../routing/binding.ts'
import type { HandlerMap, Route } from '../routing/handler-map.ts'
import type { Outgoing } from '../routing/middleware.ts'
import type { SeenIds } from './seen-ids.ts'

type Verb = Outgoing['verb']

/** What the admission works with. */
export interface AdmissionParts {
  readonly map: HandlerMap<Handler>
  readonly engine: Engine
  readonly observer: Observer
  readonly clock: Clock
  readonly seenIds: SeenIds
  readonly maxDepth: number
  /** The outgoing middleware, composed. */
  readonly outgoing: ((message: Outgoing) => void) | undefined
}

const kindsOf: Record<Verb, readonly Kind[]> = { publish: ['event'], send: ['command'], request: ['command', 'query'] }

const remedyFor: Record<Kind, string> = {
  event: 'publish() it',
  command: 'send() it, or request() its answer',
  query: 'request() its answer',
}

/**
 * Where every message enters, from outside and from handlers: it is checked, gets its envelope, and becomes one delivery
 * for each of its handlers. All of that happens within the call, so that the order is the order of the calls.
 */
export class Admission implements Outlet {
  readonly #parts: AdmissionParts
  readonly #unhandled = new Set<string>()

  constructor(parts: AdmissionParts) {
    this.#parts = parts
  }

  /** @throws {InvalidMessage} */
  kindOf(message: unknown): Kind {
    const { type, kind } = this.#parts.map.routeOf(message)
    if (kind === undefined) throw noHandler(type, kind)
    return kind
  }

  /** Publishes or sends. @throws whatever refuses the message. */
  tell(verb: 'publish' | 'send', message: unknown, options: PublishOptions): void {
    this.release([this.#dispatch(verb, message, options)])
  }

  /** Has a command or query handled, without waiting for the answer. @throws whatever refuses the message. */
  tellAny(message: unknown, options: PublishOptions): void {
    this.release([this.#dispatch('request', message, options)])
  }

  /** Publishes, and waits for what becomes of the event at each handler. */
  publishAndWait(message: unknown, options: PublishOptions): Promise<Outcome[]> {
    const dispatch = this.#dispatch('publish', message, options)
    const names = dispatch.route.handlers.map(({ name }) => name)
    if (this.#isDuplicate(dispatch)) return Promise.resolve(names.map((handler) => ({ handler, status: 'skipped' })))
    return new Promise((resolve) => {
      const outcomes: Outcome[] = []
      let pending = names.length
      const settle = (index: number, outcome: Outcome): void => {
        outcomes[index] = outcome
        pending -= 1
        if (pending === 0) resolve(outcomes)
      }
      if (pending === 0) resolve(outcomes)
      this.#deliver(dispatch, (handler, index) => ({
        ownsFailure: false,
        done: (value) => settle(index, { handler: handler.name, status: 'done', value }),
        failed: (error, status) => settle(index, { handler: handler.name, status, error }),
      }))
      this.#parts.engine.pump()
    })
  }

  /** Has a command or query handled, and gives the answer. */
  request(message: unknown, options: RequestOptions, by?: Delivery): Promise<unknown> {
    const { signal } = options
    try {
      by?.checkActive()
      const dispatch = this.#dispatch('request', message, options, by)
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      const delivery = this.#deliver(dispatch, () => ({ ownsFailure: true, done: resolve, failed: reject }))
      if (signal !== undefined && delivery !== undefined) this.#heed(signal, delivery, promise)
      this.#parts.engine.pump()
      return promise
    } catch (error) {
      return Promise.reject(error)
    }
  }

  record(verb: 'publish' | 'send', message: unknown, options: MessageOptions, by: Delivery): Dispatch {
    return this.#dispatch(verb, message, options, by)
  }

  release(dispatches: readonly Dispatch[]): void {
    for (const dispatch of dispatches) if (!this.#isDuplicate(dispatch)) this.#deliver(dispatch)
    this.#parts.engine.pump()
  }

  /** Checks the message and makes its envelope. Nothing has happened yet when it throws. */
  #dispatch(verb: Verb, message: unknown, options: PublishOptions, by?: Delivery): Dispatch {
    const route = this.#parts.map.routeOf(message)
    checkMessageOptions(options)
    if (options.signal?.aborted) throw aborted(verb, options.signal)
    checkVerb(verb, route)
    const cause = by?.envelope
    const inheritedKey = verb === 'request' ? undefined : cause?.key
    const leaving: Outgoing = {
      verb,
      message: message as object | string,
      type: route.type,
      key: options.key === undefined ? inheritedKey : (options.key ?? undefined),
      headers: headersOf(options, cause),
    }
    if (this.#parts.outgoing !== undefined) {
      this.#parts.outgoing(leaving)
      checkMessageOptions({ key: leaving.key, headers: leaving.headers }) // It may have changed them.
    }
    const envelope = new Envelope({
      message: leaving.message,
      type: route.type,
      time: this.#parts.clock.now(),
      key: leaving.key,
      headers: leaving.headers,
      id: options.id,
      correlationId: options.correlationId ?? cause?.correlationId,
      cause: by?.cause,
    })
    return { envelope, route, givenId: options.id }
  }

  /** A delivery to each handler, in the engine's hands when this returns. Gives the last one. */
  #deliver(
    { envelope, route }: Dispatch,
    waiterOf?: (handler: Handler, index: number) => Waiter,
  ): Delivery | undefined {
    const { engine, observer, maxDepth } = this.#parts
    const { handlers } = route
    let delivery: Delivery | undefined
    if (handlers.length === 0) this.#sayUnhandled(envelope)
    const tooDeep = envelope.cause !== undefined && envelope.cause.depth >= maxDepth
    handlers.forEach((handler, index) => {
      const waiter = waiterOf?.(handler, index)
      if (tooDeep) {
        const error = maxDepthExceeded(envelope, maxDepth)
        observer.say(waiter?.ownsFailure ? 'failed' : 'dead', { envelope, handler: handler.name, error })
        waiter?.failed(error, 'dead')
        return
      }
      delivery = new Delivery(envelope, handler, this)
      delivery.waiter = waiter
      engine.submit(delivery)
    })
    return delivery
  }

  #isDuplicate({ envelope, givenId }: Dispatch): boolean {
    const { seenIds, clock, observer } = this.#parts
    if (givenId === undefined || seenIds.add(givenId, clock.now())) return false
    observer.say('duplicate', { id: givenId, type: envelope.type })
    return true
  }

  #sayUnhandled(envelope: Envelope): void {
    const first = !this.#unhandled.has(envelope.type)
    if (first && this.#unhandled.size < 1_000) this.#unhandled.add(envelope.type)
    this.#parts.observer.say('unhandled', { envelope, first })
  }

  /** Gives the delivery up when the caller's signal says so, as long as there is a delivery. */
  #heed(signal: AbortSignal, delivery: Delivery, end: Promise<unknown>): void {
    const abandon = (): void => this.#parts.engine.abandon(delivery, aborted('request', signal))
    signal.addEventListener('abort', abandon, { once: true })
    const forget = (): void => signal.removeEventListener('abort', abandon)
    end.then(forget, forget)
  }
}

function checkVerb(verb: Verb, { type, kind, handlers }: Route<Handler>): void {
  if (kind !== undefined && !kindsOf[verb].includes(kind)) {
    throw new WrongKind(`'${type}' is of kind '${kind}': ${remedyFor[kind]}, do not ${verb}() it.`)
  }
  if (verb !== 'publish' && handlers.length === 0) throw noHandler(type, kind)
}

function noHandler(type: string, kind: Kind | undefined): HandlerDoesNotExist {
  const where = kind === undefined ? 'dp.commands.bind or dp.queries.bind' : `dp.${routerName[kind]}.bind`
  const remedy = `Bind one before start(), with ${where}, and check that its module is mounted.`
  return new HandlerDoesNotExist(`No handler is bound to '${type}'. ${remedy}`)
}

function headersOf(options: MessageOptions, cause: Envelope | undefined): Envelope['headers'] {
  const inherited = cause?.headers ?? noHeaders
  return options.headers === undefined ? inherited : Object.freeze({ ...inherited, ...options.headers })
}

function aborted(verb: string, signal: AbortSignal): Aborted {
  const why = signal.reason instanceof Error ? signal.reason.message : shown(signal.reason)
  return new Aborted(`The signal given to ${verb}() was aborted: ${why}`, { cause: signal.reason })
}

function maxDepthExceeded(envelope: Envelope, maxDepth: number): MaxDepthExceeded {
  const chain: string[] = []
  for (let link: Cause | undefined = envelope.cause; link !== undefined; link = link.cause) {
    chain.unshift(`${link.type} -> ${link.handler}`)
  }
  const text = `'${envelope.type}' is the end of a chain of ${maxDepth} messages, each caused by the one before`
  const last = chain.slice(-3).join(' -> ')
  return new MaxDepthExceeded(`${text} (... ${last}). It probably feeds itself; if not, raise maxDepth.`, chain)
}
