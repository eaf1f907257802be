import { type DispatcherOptions, dispatcherOptionNames } from './dispatcher-options.ts'
import { Admission } from './delivery/admission.ts'
import { SeenIds } from './delivery/seen-ids.ts'
import { Engine } from './engine/engine.ts'
import { type Handler, readyHandlers } from './engine/handler.ts'
import { type Close, Lifecycle } from './engine/lifecycle.ts'
import type { Outcome } from './engine/outcome.ts'
import { drain, reportAtExit, stopOnSignals } from './engine/shutdown.ts'
import { ImproperlyConfigured, shown } from './errors.ts'
import type { Fits, ResultOf } from './message/kind.ts'
import type { StringMessage } from './message/message-type.ts'
import { Observer } from './observe.ts'
import {
  checkCount,
  checkDurationMs,
  checkNames,
  checkObject,
  DEFAULTS,
  type NotWaiting,
  type PerhapsWaiting,
  type PublishOptions,
  type RequestOptions,
  type StopOptions,
  type Waiting,
} from './options.ts'
import { type Clock, systemClock } from './ports/clock.ts'
import { consoleLogger } from './ports/logger.ts'
import type { Binding } from './routing/binding.ts'
import { HandlerMap } from './routing/handler-map.ts'
import { aroundOutgoing, type Middleware, type OutgoingMiddleware } from './routing/middleware.ts'
import { Mounted } from './routing/module.ts'
import { responseCycles } from './routing/response-cycles.ts'
import { EventRouter, RequestRouter, type Router } from './routing/router.ts'
import { openSingletons, wiringProblems } from './routing/wiring.ts'

/** What `handle(message, { waitForResponse: true })` resolves to: outcomes for an event, else the response. */
export type Handled<M> = M extends { readonly '~kind': 'event' } ? Outcome[] : ResultOf<M>

/**
 * The message bus of one process: handlers are bound to its routers, `start()` freezes them, and from then on it takes
 * messages and brings them to their handlers.
 *
 * ```ts
 * const dp = new Dispatcher()
 * dp.queries.bind(BookQuery, findBooks, { inject: { repo } })
 * await dp.start()
 * const books = await dp.request(new BookQuery({ title: 'Emma' }))
 * ```
 */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #clock: Clock
  readonly #observer: Observer
  readonly #seenIds: SeenIds
  readonly #middleware: Middleware[] = []
  readonly #outgoing: OutgoingMiddleware[] = []
  readonly #mounted = new Mounted()
  #events: EventRouter | undefined
  #commands: RequestRouter<'command'> | undefined
  #queries: RequestRouter<'query'> | undefined
  #engine: Engine | undefined
  #frozen = false
  /** There while messages are taken from outside. */
  #admission: Admission | undefined
  readonly #lifecycle = new Lifecycle(() => this.#start())

  /** @throws {InvalidOption} for an option that does not exist, or a value that it cannot have. */
  constructor(options: DispatcherOptions = {}) {
    checkNames('new Dispatcher()', options, dispatcherOptionNames)
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#observer = new Observer(options.logger ?? consoleLogger)
    const { maxDepth = DEFAULTS.maxDepth, dedupeMs = DEFAULTS.dedupeMs } = options
    checkCount('maxDepth', maxDepth)
    this.#seenIds = new SeenIds(checkDurationMs('dedupeMs', dedupeMs))
  }

  /** Where events are bound: any number of handlers each. Made on first use. */
  get events(): EventRouter {
    this.#events ??= this.#made(new (this.#options.eventsRouter ?? EventRouter)())
    return this.#events
  }

  /** Where commands are bound: one handler each. Made on first use. */
  get commands(): RequestRouter<'command'> {
    this.#commands ??= this.#made(new (this.#options.commandsRouter ?? RequestRouter<'command'>)('command'))
    return this.#commands
  }

  /** Where queries are bound: one handler each. Made on first use. */
  get queries(): RequestRouter<'query'> {
    this.#queries ??= this.#made(new (this.#options.queriesRouter ?? RequestRouter<'query'>)('query'))
    return this.#queries
  }

  /** Whether messages are taken. */
  get isStarted(): boolean {
    return this.#admission !== undefined
  }

  /**
   * Puts a function around each attempt of every handler; or, as `{ outgoing }`, around each publication. The first is
   * the outermost.
   *
   * @throws {ImproperlyConfigured} once the dispatcher has started.
   */
  use(middleware: Middleware | OutgoingMiddleware): void {
    this.#checkOpen('use')
    if (typeof middleware === 'function') this.#middleware.push(middleware)
    else if (typeof middleware?.outgoing === 'function') this.#outgoing.push(middleware)
    else {
      const text = `${shown(middleware)} is no middleware. Pass a function, or an object with a function 'outgoing'.`
      throw new ImproperlyConfigured('INVALID_MIDDLEWARE', text)
    }
  }

  /**
   * Mounts a module; or an instance, binding its methods that were decorated with `register`.
   *
   * @throws {ImproperlyConfigured} for what is neither, for a module mounted twice, and once the dispatcher has started.
   */
  mount(part: object): void {
    this.#checkOpen('mount')
    this.#mounted.mount(part, { scope: this, routers: this.#routers() })
  }

  /**
   * Checks the wiring, opens the singletons, constructs the handler classes, and takes messages from then on. From its
   * call on, nothing can be bound. Started already, it does nothing; stopping, it starts again afterwards. Where no
   * handler is bound it warns, and stays unstarted.
   *
   * @throws {ImproperlyConfigured} with every fault in `problems`.
   * @throws {ProviderFailed} for a singleton that could not be opened; those opened before are closed.
   */
  start(): Promise<void> {
    return this.#lifecycle.start()
  }

  /**
   * Takes no more messages from outside, runs what was accepted and what that causes to the end, and closes the
   * singletons in reverse. At the deadline it aborts the signals of what still runs, and reports each delivery. It
   * can be called at any time and any number of times; `start()` starts again, with the same handlers.
   *
   * @throws {InvalidOption} for a deadline that is no duration.
   */
  stop(options: StopOptions = {}): Promise<void> {
    try {
      checkNames('stop()', options, ['deadlineMs'])
      const deadlineMs = checkDurationMs('deadlineMs', options.deadlineMs ?? DEFAULTS.deadlineMs, { infinite: true })
      this.#admission = undefined
      return this.#lifecycle.stop(deadlineMs)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /**
   * Tells an event to all its handlers. Resolves when it is accepted; with `waitForResponse`, when every handler has
   * ended, to one outcome each, in the order of their binding: settled, never thrown.
   *
   * @throws {NotAccepting | InvalidMessage | InvalidOption | WrongKind | Aborted} as a rejection.
   */
  publish(event: Fits<'event'> | StringMessage, options: PublishOptions & Waiting): Promise<Outcome[]>
  publish(event: Fits<'event'> | StringMessage, options?: PublishOptions & NotWaiting): Promise<void>
  publish(event: Fits<'event'> | StringMessage, options: PublishOptions & PerhapsWaiting): Promise<Outcome[] | void>
  publish(event: unknown, options: PublishOptions & PerhapsWaiting = {}): Promise<Outcome[] | void> {
    return this.#enter<Outcome[] | void>(options, (admission) =>
      options.waitForResponse ? admission.publishAndWait(event, options) : admission.tell('publish', event, options),
    )
  }

  /**
   * Asks a command's handler to act. Resolves when it is accepted.
   *
   * @throws {NotAccepting | InvalidMessage | InvalidOption | WrongKind | HandlerDoesNotExist | Aborted} as a rejection.
   */
  send(command: Fits<'command'> | string, options: PublishOptions = {}): Promise<void> {
    return this.#enter(options, (admission) => admission.tell('send', command, options))
  }

  /**
   * Asks a query's or a command's handler, and resolves to its answer. A failure is the caller's: the promise rejects
   * with the handler's own error.
   *
   * @throws {NotAccepting | InvalidMessage | InvalidOption | WrongKind | HandlerDoesNotExist | Aborted | Stopped} as a
   *   rejection.
   */
  request<M extends Fits<'command' | 'query'> | string>(
    message: M,
    options: RequestOptions = {},
  ): Promise<ResultOf<M>> {
    // The handler was bound to this very class, with this result.
    return this.#enter(options, (admission) => admission.request(message, options)) as Promise<ResultOf<M>>
  }

  /**
   * The general verb: publishes an event, sends a command or query; with `waitForResponse`, waits for the outcomes of
   * an event, or for the answer.
   *
   * @throws like `publish`, `send` and `request`.
   */
  handle<M extends object | string>(message: M, options: PublishOptions & Waiting): Promise<Handled<M>>
  handle(message: object | string, options?: PublishOptions & NotWaiting): Promise<void>
  handle(message: object | string, options: PublishOptions & PerhapsWaiting): Promise<unknown>
  handle(message: object | string, options: PublishOptions & PerhapsWaiting = {}): Promise<unknown> {
    return this.#enter(options, (admission) => {
      const isEvent = admission.kindOf(message) === 'event'
      if (options.waitForResponse) {
        return isEvent ? admission.publishAndWait(message, options) : admission.request(message, options)
      }
      return isEvent ? admission.tell('publish', message, options) : admission.tellAny(message, options)
    })
  }

  /** Refusals are rejections, never thrown: a caller has one place to look for them. */
  #enter<T>(options: object, step: (admission: Admission) => Promise<T> | T): Promise<T> {
    try {
      checkObject('a message', options)
      if (this.#admission === undefined) throw this.#lifecycle.refusal()
      return Promise.resolve(step(this.#admission))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #start(): Promise<Close | undefined> {
    const routers = this.#routers()
    const bindings = routers.flatMap((router) => router.bindings)
    this.#freeze(true)
    try {
      const problems = wiringProblems(routers)
      if (problems.length > 0) throw ImproperlyConfigured.of(problems)
      for (const cycle of responseCycles(bindings)) this.#observer.say('responseCycle', { cycle })
      if (bindings.length > 0) return await this.#open(routers, bindings)
    } catch (error) {
      this.#freeze(false)
      throw error
    }
    this.#observer.say('nothingBound', {})
    this.#freeze(false)
    return undefined
  }

  async #open(routers: readonly Router[], bindings: readonly Binding[]): Promise<Close> {
    const observer = this.#observer
    const clock = this.#clock
    const engine = (this.#engine ??= new (this.#options.engine ?? Engine)(observer))
    const singletons = await openSingletons(bindings, observer)
    try {
      const handlers = readyHandlers(routers, { singletons, middleware: this.#middleware, engine, observer })
      const map = new HandlerMap(routers, (binding) => handlers.get(binding) as Handler)
      const outgoing = aroundOutgoing(this.#outgoing)
      const { maxDepth = DEFAULTS.maxDepth, shutdownSignals = [] } = this.#options
      const seenIds = this.#seenIds
      engine.stopping = false
      this.#admission = new Admission({ map, engine, observer, clock, seenIds, maxDepth, outgoing })
      const ignoreSignals = stopOnSignals(shutdownSignals, () => this.stop())
      const ignoreExit = reportAtExit(engine, observer)
      return async (deadlineMs) => {
        this.#admission = undefined
        await drain(engine, deadlineMs, { clock, observer })
        ignoreSignals()
        ignoreExit()
        await singletons.close()
      }
    } catch (error) {
      await singletons.close()
      throw error
    }
  }

  #routers(): Router[] {
    return [this.#events, this.#commands, this.#queries].filter((router) => router !== undefined)
  }

  #made<R extends Router>(router: R): R {
    router.freeze(this.#frozen)
    return router
  }

  #freeze(frozen: boolean): void {
    this.#frozen = frozen
    for (const router of this.#routers()) router.freeze(frozen)
  }

  #checkOpen(verb: string): void {
    if (!this.#frozen) return
    const text = `dp.${verb}() was called after start(): the handler map is frozen. Call it before start().`
    throw new ImproperlyConfigured('ALREADY_STARTED', text)
  }
}

/** The default dispatcher, for programs that need one. */
export const dispatcher: Dispatcher = new Dispatcher()
