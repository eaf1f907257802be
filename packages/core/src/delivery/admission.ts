import { refuseDeadlocked } from '../engine/deadlock.ts'
import { caller, Delivery, type Waiter } from '../engine/delivery.ts'
import type { Engine } from '../engine/engine.ts'
import type { Handler } from '../engine/handler.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Dispatch, Outlet } from '../engine/outlet.ts'
import { InvalidOption } from '../errors.ts'
import { Envelope, headersOf } from '../message/envelope.ts'
import type { Kind } from '../message/kind.ts'
import { channels, type Observer } from '../observe.ts'
import {
  checkMessageOptions,
  noOptions,
  type PerhapsWaiting,
  type PublishOptions,
  recordedNames,
  type RecordedOptions,
  type RequestOptions,
} from '../options.ts'
import type { HandlerMap, Route } from '../routing/handler-map.ts'
import type { Outgoing } from '../routing/middleware.ts'
import type { Capacity } from './capacity.ts'
import { delayOf, type Delays, refuseDelay } from './delays.ts'
import { Join } from './join.ts'
import { maxDepthExceeded } from './max-depth.ts'
import { followed, giveUpWith, refuseAborted } from './patience.ts'
import type { SeenIds } from './seen-ids.ts'
import { Unhandled } from './unhandled.ts'
import { isFor, noHandler, type Verb, wrongKind } from './verb.ts'

const { accepted } = channels

/** What the admission works with. */
export interface AdmissionParts {
  readonly map: HandlerMap<Handler>
  readonly engine: Engine
  readonly observer: Observer
  readonly capacity: Capacity
  readonly seenIds: SeenIds
  /** Where messages wait that are not due yet. */
  readonly delays: Delays
  readonly maxDepth: number
  /** The outgoing middleware, composed. */
  readonly outgoing: ((message: Outgoing) => void) | undefined
}

/** What `publish` and `send` resolve with: the message is accepted. */
const resolved: Promise<void> = Promise.resolve()

/**
 * Where every message enters, from outside and from handlers: it is checked, gets its envelope, and becomes one delivery
 * for each of its handlers. Unless it has to wait because the bus is full, all of that happens within the call, so that
 * the order is the order of the calls.
 */
export class Admission implements Outlet {
  readonly #parts: AdmissionParts
  readonly #unhandled: Unhandled

  constructor(parts: AdmissionParts) {
    this.#parts = parts
    this.#unhandled = new Unhandled(parts.observer)
  }

  /** @throws {InvalidMessage | HandlerDoesNotExist} */
  kindOf(message: unknown): Kind {
    const route = this.#parts.map.routeOf(message)
    if (route.kind === undefined) throw noHandler(route)
    return route.kind
  }

  /**
   * Publishes or sends, from outside; or, as `'request'`, has a command or query handled without waiting for the answer.
   * @throws whatever refuses the message.
   */
  tell(verb: Verb, message: object | string, options: PublishOptions & PerhapsWaiting): Promise<void> {
    if (options.waitForResponse === true) {
      throw new InvalidOption(`${verb}() does not wait for the handler. Use request(), or leave out waitForResponse.`)
    }
    const route = this.#route(verb, message)
    const of = this.#addressed(verb, message, options, route)
    const delay = options === noOptions ? undefined : delayOf(options)
    const later = delay && this.#parts.delays.take({ message, route, of }, delay)
    if (later !== undefined) return later
    if (!this.#parts.capacity.isOpen) return this.#tellWhenOpen(verb, { message, route, of }, options)
    this.#accept(message, route, of)
    this.#parts.engine.pump()
    return resolved
  }

  /** Publishes, and waits for what becomes of the event at each handler. @throws whatever refuses the message. */
  publishAndWait(message: object | string, options: PublishOptions): Promise<Outcome[]> {
    refuseDelay(options)
    const route = this.#route('publish', message)
    const of = this.#addressed('publish', message, options, route)
    const dispatch = { message, route, of }
    if (!this.#parts.capacity.isOpen) return this.#whenOpen('publish', options, () => this.#acceptAndWait(dispatch))
    return this.#acceptAndWait(dispatch)
  }

  /** Has a command or query handled, and gives the answer. */
  request(message: object | string, options: RequestOptions, by?: Delivery): Promise<unknown> {
    try {
      by?.checkActive()
      if (options !== noOptions) refuseDelay(options)
      const route = this.#route('request', message)
      const of = this.#addressed('request', message, options, route, by)
      const delivery = new Delivery(route.handlers[0] as Handler, message, of, caller)
      if (by === undefined && !this.#parts.capacity.isOpen) return this.#requestWhenOpen(delivery, options)
      return this.#request(delivery, options, by)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  record(verb: 'publish' | 'send', message: object | string, options: RecordedOptions, by?: Delivery): Dispatch {
    const route = this.#route(verb, message)
    return { message, route, of: this.#addressed(verb, message, options, route, by), delay: delayOf(options) }
  }

  release(dispatches: readonly Dispatch[]): void {
    for (const dispatch of dispatches) {
      const { message, route, of, delay } = dispatch
      const later = delay && this.#parts.delays.take(dispatch, delay)
      if (later === undefined) this.#accept(message, route, of)
    }
    this.#parts.engine.pump()
  }

  forget(id: string): void {
    this.#parts.seenIds.delete(id)
  }

  /** Where the message goes. @throws where it is no message, breaks its contract, or this verb is not for it. */
  #route(verb: Verb, message: object | string): Route<Handler> {
    const route = this.#parts.map.routeOf(message)
    if (route.kind !== undefined && !isFor(verb, route.kind)) throw wrongKind(verb, route.type, route.kind)
    if (verb !== 'publish' && route.handlers.length === 0) throw noHandler(route)
    route.check?.(message as object) // A string has none.
    return route
  }

  /**
   * What the message is sent with: its envelope; or its key, where there is nothing else to put on one yet. Nothing has
   * happened yet when it throws.
   */
  #addressed(
    verb: Verb,
    message: object | string,
    options: PublishOptions,
    route: Route<Handler>,
    by?: Delivery,
  ): Envelope | string | undefined {
    const { outgoing, engine } = this.#parts
    if (options !== noOptions) {
      checkMessageOptions(options, by === undefined || verb === 'request' ? undefined : recordedNames)
      refuseAborted(verb, options.signal)
    }
    const { id, headers: given, correlationId } = options
    if (by === undefined && outgoing === undefined) {
      const isPlain = options === noOptions || (id === undefined && given === undefined && correlationId === undefined)
      if (isPlain) return options.key ?? undefined
    }
    const cause = by?.envelope
    let key = options.key === undefined && verb !== 'request' ? cause?.key : (options.key ?? undefined)
    let headers = headersOf(given, cause?.headers)
    if (outgoing !== undefined) {
      const leaving: Outgoing = { verb, message, type: route.type, key, headers }
      outgoing(leaving)
      ;({ key, headers } = leaving)
      checkMessageOptions({ key, headers }) // It may have changed them.
    }
    return new Envelope({
      message,
      type: route.type,
      clock: engine.clock,
      key,
      headers,
      id,
      correlationId: correlationId ?? cause?.correlationId,
      cause: by?.asCause,
    })
  }

  #accept(message: object | string, route: Route<Handler>, of: Envelope | string | undefined): void {
    if (!this.#isRepeated(of)) this.#deliver(message, route, of)
  }

  #acceptAndWait({ message, route, of }: Dispatch): Promise<Outcome[]> {
    const join = new Join(route.handlers)
    if (this.#isRepeated(of)) join.skip()
    else this.#deliver(message, route, of, join)
    this.#parts.engine.pump()
    return join.outcomes
  }

  #request(delivery: Delivery, options: RequestOptions, by?: Delivery): Promise<unknown> {
    if (accepted.hasSubscribers) this.#sayAccepted(delivery.envelope, [delivery.target])
    if (options.signal === undefined && options.timeoutMs === undefined) {
      return by === undefined ? this.#parts.engine.request(delivery) : this.#requestBy(by, delivery)
    }
    return this.#requestWithin(delivery, options)
  }

  /** A handler waits for this one, for as long as it takes: the only waiting that can close a circle. */
  #requestBy(by: Delivery, delivery: Delivery): Promise<unknown> {
    const { engine, maxDepth } = this.#parts
    const tooDeep = maxDepthExceeded(delivery, maxDepth)
    if (tooDeep !== undefined) return Promise.reject(tooDeep)
    const rest = by.more()
    rest.requests ??= new Set()
    const { requests } = rest
    requests.add(delivery)
    const answer = engine.request(delivery)
    if (delivery.state === 'waiting') refuseDeadlocked([delivery], engine)
    const forget = (): void => void requests.delete(delivery)
    return followed(answer, forget)
  }

  // The functions that these make would cost every call a record of what they use, were they made on the common path.

  #requestWithin(delivery: Delivery, patience: RequestOptions): Promise<unknown> {
    const { engine, maxDepth } = this.#parts
    const tooDeep = maxDepthExceeded(delivery, maxDepth)
    if (tooDeep !== undefined) return Promise.reject(tooDeep)
    const answer = engine.requestLater(delivery)
    const giveUp = (error: Error): void => engine.abandon(delivery, error)
    const forget = giveUpWith('request', patience, { deadlines: engine.deadlines, giveUp })
    return followed(answer, forget)
  }

  #tellWhenOpen(verb: Verb, dispatch: Dispatch, options: PublishOptions): Promise<void> {
    return this.#whenOpen(verb, options, () => this.release([dispatch]))
  }

  #whenOpen<T>(verb: Verb, options: PublishOptions, enter: () => T | Promise<T>): Promise<T> {
    const { capacity, engine } = this.#parts
    return capacity.enter(enter, (giveUp) => giveUpWith(verb, options, { deadlines: engine.deadlines, giveUp }))
  }

  /** Its caller has one patience: for the room, and then for the answer. */
  #requestWhenOpen(delivery: Delivery, options: RequestOptions): Promise<unknown> {
    const { capacity, engine } = this.#parts
    let giveUp: (error: Error) => void = () => {}
    const answer = capacity.enter(
      () => {
        giveUp = (error) => engine.abandon(delivery, error)
        if (accepted.hasSubscribers) this.#sayAccepted(delivery.envelope, [delivery.target])
        return engine.requestLater(delivery)
      },
      (leave) => {
        giveUp = leave
        return () => {}
      },
    )
    const { deadlines } = engine
    const forget = giveUpWith('request', options, { deadlines, giveUp: (error) => giveUp(error) })
    return followed(answer, forget)
  }

  /** A delivery to each handler; each has its place when this returns. */
  #deliver(
    message: object | string,
    { type, handlers, hasNamesake }: Route<Handler>,
    of: Envelope | string | undefined,
    waiter?: Waiter,
  ): void {
    const { engine } = this.#parts
    // One envelope for all of them; a single delivery makes it when it is asked for.
    const shared =
      handlers.length === 1 || typeof of === 'object'
        ? of
        : new Envelope({ message, type, clock: engine.clock, key: of })
    if (handlers.length === 0) this.#unhandled.say(shared as Envelope, hasNamesake)
    for (let index = 0; index < handlers.length; index += 1) {
      const handler = handlers[index] as Handler
      const delivery = new Delivery(handler, message, shared, waiter)
      if (index === 0 && accepted.hasSubscribers) this.#sayAccepted(delivery.envelope, handlers)
      if (typeof of === 'object' && of.cause !== undefined) this.#checkDepth(delivery)
      engine.submit(delivery)
    }
  }

  /** One whose chain of causes is too long fails when its turn comes. */
  #checkDepth(delivery: Delivery): void {
    const error = maxDepthExceeded(delivery, this.#parts.maxDepth)
    if (error !== undefined) delivery.more().fault = error
  }

  #sayAccepted(envelope: Envelope, handlers: readonly Handler[]): void {
    this.#parts.observer.say('accepted', { envelope, handlers: handlers.map(({ name }) => name) })
  }

  #isRepeated(of: Envelope | string | undefined): boolean {
    if (typeof of !== 'object' || of.givenId === undefined) return false
    const { seenIds, engine, observer } = this.#parts
    if (seenIds.add(of.givenId, engine.clock.now())) return false
    observer.say('duplicate', { id: of.givenId, type: of.type })
    return true
  }
}
