import type { Admission } from './delivery/admission.ts'
import type { DeadLetters } from './delivery/dead-letters.ts'
import { SeenIds } from './delivery/seen-ids.ts'
import { type DispatcherOptions, type SettledOptions, settledOptions } from './dispatcher-options.ts'
import { AsyncContexts } from './engine/async-contexts.ts'
import { type Close, Lifecycle, stopDeadlock } from './engine/lifecycle.ts'
import type { Handled, Outcome } from './engine/outcome.ts'
import { stopOnSignals } from './engine/shutdown.ts'
import type { Limits } from './limits.ts'
import { checkWiring, type Machine, machineOf, openBus } from './machine.ts'
import type { Fits, ResultOf } from './message/kind.ts'
import type { StringMessage } from './message/message-type.ts'
import type { Notices } from './notices.ts'
import { Observer } from './observe.ts'
import {
  checkDurationMs,
  checkNames,
  checkObject,
  DEADLINE_MS,
  type NotWaiting,
  noOptions,
  type PerhapsWaiting,
  type PublishOptions,
  type RequestOptions,
  type StopOptions,
  type Waiting,
} from './options.ts'
import type { Context } from './routing/context.ts'
import { type Middleware, MiddlewareInUse, type OutgoingMiddleware } from './routing/middleware.ts'
import { Mounted } from './routing/module.ts'
import type { EventRouter, RequestRouter, Router } from './routing/router.ts'
import { Routers } from './routing/routers.ts'

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
  readonly #options: SettledOptions
  readonly #observer: Observer
  readonly #seenIds: SeenIds
  readonly #middleware = new MiddlewareInUse()
  readonly #mounted = new Mounted()
  readonly #lifecycle = new Lifecycle(() => this.#start())
  readonly #routers: Routers
  /** Where the context of a running handler is found, with `asyncContext`. */
  readonly #contexts: AsyncContexts | undefined
  #machine: Machine | undefined
  /** There while messages are taken from outside. */
  #admission: Admission | undefined

  /** @throws {InvalidOption} for an option that does not exist, or a value that it cannot have. */
  constructor(options: DispatcherOptions = {}) {
    this.#options = settledOptions(options)
    this.#routers = new Routers(this.#options)
    this.#contexts = this.#options.asyncContext ? new AsyncContexts() : undefined
    this.#observer = new Observer(this.#options.logger)
    this.#seenIds = new SeenIds(this.#options.dedupeMs)
  }

  /** Where events are bound: any number of handlers each. Made on first use. */
  get events(): EventRouter {
    return this.#routers.events
  }

  /** Where commands are bound: one handler each. Made on first use. */
  get commands(): RequestRouter<'command'> {
    return this.#routers.commands
  }

  /** Where queries are bound: one handler each. Made on first use. */
  get queries(): RequestRouter<'query'> {
    return this.#routers.queries
  }

  /** How many deliveries may run and wait, to be read and changed while it runs. */
  get limits(): Limits {
    return this.#running().limits
  }

  /** The deliveries that failed for good: to be looked through, replayed, edited, discarded. */
  get deadLetters(): DeadLetters {
    return this.#running().deadLetters
  }

  /**
   * The context of the handler that this code runs for, however deep below it; `undefined` outside of handlers, and
   * without the option `asyncContext`.
   */
  get context(): Context | undefined {
    return this.#contexts?.current
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
    this.#routers.checkOpen('use')
    this.#middleware.add(middleware)
  }

  /**
   * Mounts a module; or an instance, binding its methods that were decorated with `register`.
   *
   * @throws {ImproperlyConfigured} for what is neither, for a module mounted twice, and once the dispatcher has started.
   */
  mount(part: object): void {
    this.#routers.checkOpen('mount')
    this.#mounted.mount(part, { scope: this, routers: this.#routers.all })
  }

  /**
   * Has a function told of each notice of this name that this dispatcher has to say. The table is in the guide. One that
   * throws undoes nothing: that is a notice too.
   *
   * @returns a function that ends it.
   * @throws {InvalidOption} for a name that there is not, or what is no function.
   */
  observe<N extends keyof Notices>(name: N, listener: (notice: Notices[N]) => unknown): () => void {
    return this.#observer.listen(name, listener)
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
      const deadlineMs = checkDurationMs('deadlineMs', options.deadlineMs ?? DEADLINE_MS, { infinite: true })
      const within = this.#machine?.engine.starting ?? this.#contexts?.active
      if (this.#machine !== undefined && this.#admission !== undefined) this.#machine.engine.stopping = true
      this.#admission = undefined
      const stopped = this.#lifecycle.stop(deadlineMs)
      return within === undefined ? stopped : stopDeadlock(within.handler)
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
  publish(event: object | string, options: PublishOptions & PerhapsWaiting = noOptions): Promise<Outcome[] | void> {
    try {
      const admission = this.#enter(options)
      return options.waitForResponse
        ? admission.publishAndWait(event, options)
        : admission.tell('publish', event, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Asks a command's handler to act. Resolves when it is accepted.
   *
   * @throws {NotAccepting | InvalidMessage | InvalidOption | WrongKind | HandlerDoesNotExist | Aborted} as a rejection.
   */
  send(command: Fits<'command'> | string, options: PublishOptions = noOptions): Promise<void> {
    try {
      return this.#enter(options).tell('send', command, options)
    } catch (error) {
      return Promise.reject(error)
    }
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
    options: RequestOptions = noOptions,
  ): Promise<ResultOf<M>> {
    try {
      const by = this.#contexts?.active
      if (by !== undefined) return by.request(message, options)
      // The handler was bound to this very class, with this result.
      return this.#enter(options).request(message, options) as Promise<ResultOf<M>>
    } catch (error) {
      return Promise.reject(error)
    }
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
  handle(message: object | string, options: PublishOptions & PerhapsWaiting = noOptions): Promise<unknown> {
    try {
      const admission = this.#enter(options)
      const isEvent = admission.kindOf(message) === 'event'
      if (!options.waitForResponse) return admission.tell(isEvent ? 'publish' : 'request', message, options)
      return isEvent ? admission.publishAndWait(message, options) : admission.request(message, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The way in, while there is one. What it throws becomes a rejection: a caller has one place to look for refusals. */
  #enter(options: object): Admission {
    if (options !== noOptions) checkObject('a message', options)
    if (this.#admission === undefined) throw this.#lifecycle.refusal()
    return this.#admission
  }

  async #start(): Promise<Close | undefined> {
    const routers = this.#routers.all
    this.#routers.frozen = true
    try {
      checkWiring(routers, { mounted: this.#mounted, messages: this.#options.messages, observer: this.#observer })
      if (routers.some(({ bindings }) => bindings.length > 0)) return await this.#open(routers)
    } catch (error) {
      this.#routers.frozen = false
      throw error
    }
    this.#observer.say('nothingBound', {})
    this.#routers.frozen = false
    return undefined
  }

  async #open(routers: readonly Router[]): Promise<Close> {
    const { admission, close } = await openBus(routers, this.#running(), {
      observer: this.#observer,
      seenIds: this.#seenIds,
      middleware: this.#middleware,
      options: this.#options,
      contexts: this.#contexts,
    })
    if (this.#lifecycle.isWanted) this.#admission = admission
    this.#running().engine.held.resumeFreed()
    const ignoreSignals = stopOnSignals(this.#options.shutdownSignals, () => this.stop())
    return (deadlineMs) => {
      this.#admission = undefined
      return close(deadlineMs).finally(ignoreSignals)
    }
  }

  /** What messages run on: made when first needed, and kept from then on. */
  #running(): Machine {
    this.#machine ??= machineOf(this.#options, { observer: this.#observer, routers: () => this.#routers.all })
    return this.#machine
  }
}

/** The default dispatcher, for programs that need one. */
export const dispatcher: Dispatcher = new Dispatcher()
