import { caller, Delivery, type Waiter } from '../engine/delivery.ts'
import type { Engine } from '../engine/engine.ts'
import type { Handler } from '../engine/handler.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Dispatch, Outlet } from '../engine/outlet.ts'
import { ImproperlyConfigured, InvalidOption } from '../errors.ts'
import { Envelope } from '../message/envelope.ts'
import type { Kind } from '../message/kind.ts'
import { channels, type Observer } from '../observe.ts'
import {
  noOptions,
  type PerhapsWaiting,
  type PublishOptions,
  type RecordedOptions,
  type RequestOptions,
} from '../options.ts'
import type { HandlerMap, Route } from '../routing/handler-map.ts'
import type { Outgoing } from '../routing/middleware.ts'
import { Addressing } from './addressing.ts'
import type { Capacity } from './capacity.ts'
import { commit } from '../durability/committing.ts'
import { delayOf, type MemoryDelays, refuseDelay } from '../time/delays.ts'
import { Join } from '../engine/join.ts'
import { maxDepthExceeded } from '../engine/max-depth.ts'
import { giveUpWith } from './patience.ts'
import type { Persistence } from '../durability/persistence.ts'
import { Requests } from './requests.ts'
import type { SeenIds } from '../engine/seen-ids.ts'
import { StoredAdmission } from './stored-admission.ts'
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
  readonly delays: MemoryDelays
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
  readonly #addressing: Addressing
  readonly #requests: Requests
  readonly #unhandled: Unhandled
  /** The durable side, where there is a store. */
  #persistence: Persistence | undefined
  #stored: StoredAdmission | undefined

  constructor(parts: AdmissionParts) {
    this.#parts = parts
    this.#addressing = new Addressing(parts)
    this.#requests = new Requests(parts)
    this.#unhandled = new Unhandled(parts.observer)
  }

  /** What is for durable handlers is stored from now on. */
  storeIn(persistence: Persistence): void {
    const { observer, engine, capacity } = this.#parts
    this.#persistence = persistence
    this.#stored = new StoredAdmission(persistence, {
      observer,
      capacity,
      census: engine.census,
      deliver: ({ message, route, of }, waiter) => {
        this.#deliver(message, route, of, waiter)
        engine.pump()
      },
    })
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
    const of = this.#addressing.addressed(verb, message, options, route)
    const delay = options === noOptions ? undefined : delayOf(options)
    if (options.tx !== undefined) this.#checkTransaction(route)
    if (this.#isStored(route)) return this.#storeWhenOpen(verb, { message, route, of, delay }, options)
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
    const of = this.#addressing.addressed('publish', message, options, route)
    const dispatch = { message, route, of }
    if (options.tx !== undefined) {
      throw new InvalidOption(
        'What is published in a transaction is handled after it: nothing can wait for it. Leave out tx.',
      )
    }
    const stored = this.#isStored(route) ? this.#stored : undefined
    if (stored !== undefined) {
      if (this.#parts.capacity.isOpen) return stored.publishAndWait(dispatch)
      return this.#whenOpen('publish', options, () => stored.publishAndWait(dispatch))
    }
    if (!this.#parts.capacity.isOpen) return this.#whenOpen('publish', options, () => this.#acceptAndWait(dispatch))
    return this.#acceptAndWait(dispatch)
  }

  /** Has a command or query handled, and gives the answer. */
  request(message: object | string, options: RequestOptions, by?: Delivery): Promise<unknown> {
    try {
      by?.checkActive()
      if (options !== noOptions) refuseDelay(options)
      const route = this.#route('request', message)
      const of = this.#addressing.addressed('request', message, options, route, by)
      return this.#requests.request(new Delivery(route.handlers[0] as Handler, message, of, caller), options, by)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  commit(work: (tx: never) => unknown, by: Delivery): Promise<unknown> {
    const persistence = this.#persistence
    if (persistence !== undefined) return commit(by, work, persistence)
    const text = "There is no store to commit to. Give the dispatcher one: new Dispatcher({ store: sqlite('bus.db') })."
    return Promise.reject(new ImproperlyConfigured('NO_STORE', text))
  }

  record(verb: 'publish' | 'send', message: object | string, options: RecordedOptions, by?: Delivery): Dispatch {
    const route = this.#route(verb, message)
    return {
      message,
      route,
      of: this.#addressing.addressed(verb, message, options, route, by),
      delay: delayOf(options),
    }
  }

  release(dispatches: readonly Dispatch[]): void {
    for (const dispatch of dispatches) {
      if (this.#isStored(dispatch.route)) void this.#stored?.store(dispatch)
      else this.#acceptOrDelay(dispatch)
    }
    this.#parts.engine.pump()
  }

  /** Lets go what is for handlers of this process, and is not stored, or has been. */
  releaseLocal(dispatches: readonly Dispatch[]): void {
    for (const dispatch of dispatches) this.#acceptOrDelay(dispatch)
    this.#parts.engine.pump()
  }

  forget(id: string): void {
    this.#parts.seenIds.delete(id)
  }

  /** Where the message goes. @throws where it is no message, breaks its contract, or this verb is not for it. */
  #route(verb: Verb, message: object | string): Route<Handler> {
    const route = this.#parts.map.routeOf(message)
    if (route.kind !== undefined && !isFor(verb, route.kind)) throw wrongKind(verb, route.type, route.kind)
    if (verb !== 'publish' && route.handlers.length === 0 && !(verb === 'send' && this.#isStored(route))) {
      throw noHandler(route)
    }
    route.check?.(message as object) // A string has none.
    return route
  }

  /** Whether messages of this route are stored. */
  #isStored(route: Route<Handler>): boolean {
    return this.#persistence?.isFor(route) === true
  }

  #checkTransaction(route: Route<Handler>): void {
    if (this.#persistence === undefined) {
      const text =
        "'tx' was given, and there is no store that it could be a transaction of. Give the dispatcher a store."
      throw new ImproperlyConfigured('NO_STORE', text)
    }
    if (this.#isStored(route) || route.handlers.length === 0) return
    const text = `'${route.type}' has no durable handler: it would not be a part of the transaction. Leave out tx.`
    throw new InvalidOption(text)
  }

  #acceptOrDelay(dispatch: Dispatch): void {
    const { message, route, of, delay } = dispatch
    const later = delay && this.#parts.delays.take(dispatch, delay)
    if (later === undefined) this.#accept(message, route, of)
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

  #storeWhenOpen(verb: Verb, dispatch: Dispatch, options: PublishOptions): Promise<void> {
    const stored = this.#stored as StoredAdmission
    if (this.#parts.capacity.isOpen) return stored.tell(dispatch, options.tx)
    return this.#whenOpen(verb, options, () => stored.tell(dispatch, options.tx))
  }

  #tellWhenOpen(verb: Verb, dispatch: Dispatch, options: PublishOptions): Promise<void> {
    return this.#whenOpen(verb, options, () => this.release([dispatch]))
  }

  #whenOpen<T>(verb: Verb, options: PublishOptions, enter: () => T | Promise<T>): Promise<T> {
    const { capacity, engine } = this.#parts
    return capacity.enter(enter, (giveUp) => giveUpWith(verb, options, { deadlines: engine.deadlines, giveUp }))
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
