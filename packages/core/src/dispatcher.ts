import { Bus } from './bus.ts'
import type { DeadLetters } from './delivery/dead-letters.ts'
import type { Every, Scheduled, ScheduleOptions } from './time/schedule.ts'
import type { DispatcherOptions } from './dispatcher-options.ts'
import type { Handled, Outcome } from './engine/outcome.ts'
import type { Limits } from './limits.ts'
import type { Fits, ResultOf } from './message/kind.ts'
import type { StringMessage } from './message/message-type.ts'
import type { Notices } from './notices.ts'
import {
  checkDurationMs,
  checkNames,
  checkText,
  DEADLINE_MS,
  type NotDelayed,
  type NotWaiting,
  noOptions,
  type PerhapsWaiting,
  type PublishOptions,
  type RequestOptions,
  type StopOptions,
  type Waiting,
} from './options.ts'
import type { When } from './ports/when.ts'
import type { Context } from './routing/context.ts'
import type { Middleware, OutgoingMiddleware } from './routing/middleware.ts'
import type { EventRouter, RequestRouter } from './routing/router.ts'

/** What is behind a dispatcher: for the test kit of this package, which is no door to it for others. */
export let busOf: (dispatcher: Dispatcher) => Bus

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
  readonly #bus: Bus

  static {
    busOf = (dispatcher) => dispatcher.#bus
  }

  /** @throws {InvalidOption} for an option that does not exist, or a value that it cannot have. */
  constructor(options: DispatcherOptions = {}) {
    this.#bus = new Bus(options, this)
  }

  /** Where events are bound: any number of handlers each. Made on first use. */
  get events(): EventRouter {
    return this.#bus.routers.events
  }

  /** Where commands are bound: one handler each. Made on first use. */
  get commands(): RequestRouter<'command'> {
    return this.#bus.routers.commands
  }

  /** Where queries are bound: one handler each. Made on first use. */
  get queries(): RequestRouter<'query'> {
    return this.#bus.routers.queries
  }

  /** How many deliveries may run and wait, to be read and changed while it runs. */
  get limits(): Limits {
    return this.#bus.machine.limits
  }

  /** The deliveries that failed for good: to be looked through, replayed, edited, discarded. */
  get deadLetters(): DeadLetters {
    return this.#bus.machine.deadLetters
  }

  /**
   * The context of the handler that this code runs for, however deep below it; `undefined` outside of handlers, and
   * without the option `asyncContext`.
   */
  get context(): Context | undefined {
    return this.#bus.contexts?.current
  }

  /** Whether messages are taken. */
  get isStarted(): boolean {
    return this.#bus.isOpen
  }

  /**
   * Puts a function around each attempt of every handler; or, as `{ outgoing }`, around each publication. The first is
   * the outermost.
   *
   * @throws {ImproperlyConfigured} once the dispatcher has started.
   */
  use(middleware: Middleware | OutgoingMiddleware): void {
    this.#bus.use(middleware)
  }

  /**
   * Mounts a module; or an instance, binding its methods that were decorated with `register`.
   *
   * @throws {ImproperlyConfigured} for what is neither, for a module mounted twice, and once the dispatcher has started.
   */
  mount(part: object): void {
    this.#bus.mount(part)
  }

  /**
   * Has a function told of each notice of this name that this dispatcher has to say. The table is in the guide. One that
   * throws undoes nothing: that is a notice too.
   *
   * @returns a function that ends it.
   * @throws {InvalidOption} for a name that there is not, or what is no function.
   */
  observe<N extends keyof Notices>(name: N, listener: (notice: Notices[N]) => unknown): () => void {
    return this.#bus.observer.listen(name, listener)
  }

  /**
   * Publishes an event, or sends a command, at each of these times, while the dispatcher is started. It can be called before
   * the start and after it; schedules outlive a stop.
   *
   * ```ts
   * dp.schedule('look for mail', { everyMs: 60_000 }, () => new LookForMail({}))
   * dp.schedule('nightly', cron('0 3 * * *', { timeZone: 'Europe/Berlin' }), (dueAt) => [new CloseBooks({ dueAt }), { key: 'books' }])
   * ```
   *
   * Each due time fires once. The message has the id `schedule:<name>:<due time in ISO 8601>`. Where `make` throws, or what it
   * gives is refused, that is a critical notice, and the schedule goes on.
   *
   * @param name tells it from others, also after a restart: each name once.
   * @param when `{ everyMs }`, `cron()` of `@iambus/core/cron`, or your own.
   * @throws {InvalidOption} for a name that is taken, or what is no schedule.
   */
  schedule(name: string, when: When | Every, make: (dueAt: Date) => Scheduled, options: ScheduleOptions = {}): void {
    this.#bus.schedule(name, when, { make, options })
  }

  /**
   * Ends a schedule. With a store, when it is due is forgotten too, if the dispatcher is started.
   *
   * @returns whether there was one.
   */
  unschedule(name: string): Promise<boolean> {
    return this.#bus.unschedule(name)
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
    return this.#bus.start()
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
      return this.#bus.stop(deadlineMs)
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
  publish(event: Fits<'event'> | StringMessage, options: PublishOptions & Waiting & NotDelayed): Promise<Outcome[]>
  publish(event: Fits<'event'> | StringMessage, options?: PublishOptions & NotWaiting): Promise<void>
  publish(
    event: Fits<'event'> | StringMessage,
    options: PublishOptions & PerhapsWaiting & NotDelayed,
  ): Promise<Outcome[] | void>
  publish(event: object | string, options: PublishOptions & PerhapsWaiting = noOptions): Promise<Outcome[] | void> {
    try {
      const admission = this.#bus.enter(options)
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
      return this.#bus.enter(options).tell('send', command, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Takes back a delayed message that is not due yet, by the `id` that was given to it; its id can be used again then.
   *
   * @returns whether there was one.
   * @throws {NotAccepting | InvalidOption} as a rejection.
   */
  cancel(id: string): Promise<boolean> {
    try {
      checkText('id', id)
      return this.#bus.cancel(id)
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
      const by = this.#bus.contexts?.active
      if (by !== undefined) return by.request(message, options)
      // The handler was bound to this very class, with this result.
      return this.#bus.enter(options).request(message, options) as Promise<ResultOf<M>>
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
  handle<M extends object | string>(message: M, options: PublishOptions & Waiting & NotDelayed): Promise<Handled<M>>
  handle(message: object | string, options?: PublishOptions & NotWaiting): Promise<void>
  handle(message: object | string, options: PublishOptions & PerhapsWaiting & NotDelayed): Promise<unknown>
  handle(message: object | string, options: PublishOptions & PerhapsWaiting = noOptions): Promise<unknown> {
    try {
      const admission = this.#bus.enter(options)
      const isEvent = admission.kindOf(message) === 'event'
      if (!options.waitForResponse) return admission.tell(isEvent ? 'publish' : 'request', message, options)
      return isEvent ? admission.publishAndWait(message, options) : admission.request(message, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

/** The default dispatcher, for programs that need one. */
export const dispatcher: Dispatcher = new Dispatcher()
