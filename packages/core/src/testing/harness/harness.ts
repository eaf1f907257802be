import { busOf, type Dispatcher } from '../../dispatcher.ts'
import { ImproperlyConfigured } from '../../errors.ts'
import type { ResultOf } from '../../message/kind.ts'
import type { MessageClass, MessageOf, MessageType } from '../../message/message-type.ts'
import { checkDurationMs, checkNames, type StopOptions } from '../../options.ts'
import type { Context } from '../../routing/context.ts'
import type { Awaitable } from '../../routing/providers.ts'
import { handlerName, replaceHandler } from './handlers.ts'
import type { HarnessClock } from './harness-clock.ts'
import type { KeptLog, LogEntry } from './kept-log.ts'
import { checkMessageType, isMessageOf } from './message-match.ts'
import { Patience } from './patience.ts'
import type { RecordedDeadLetter, RecordedDelivery } from './recorded.ts'
import { Recorder } from './recorder.ts'
import { settle } from './settling.ts'
import { Spy } from './spy.ts'
import { bindStub, type StubOptions } from './stub.ts'

/** For how long real work is waited for, in milliseconds. */
const TIMEOUT_MS = 1_000

/** How much time passes at once for a `stop()` that does not end, in milliseconds of the clock. */
const STEP_MS = 10_000

const harnesses = new WeakMap<Dispatcher, Harness>()

/** The harness that a dispatcher was made for. */
export function harnessOf(dp: Dispatcher): Harness | undefined {
  return harnesses.get(dp)
}

/** Which deliveries are meant. What is left out does not matter. */
export interface DeliveryFilter {
  /** The handler, as `events/update-search`; or without the router, where one handler alone is called so. */
  readonly handler?: string | undefined
  /** The class of the message (also where it is a subclass), or the name of its type. */
  readonly type?: MessageType | undefined
}

/** How `settled()` waits. */
export interface SettledOptions {
  /** For how long nothing may happen while something runs, in milliseconds of real time. Default 1 000. */
  readonly timeoutMs?: number | undefined
}

/** What a replacement, or a stub, is given besides the message. */
export interface StandInDeps {
  readonly context: Context
}

/**
 * A dispatcher under test: its clock stands still until something moves it, what happens is recorded, and its handlers can be
 * replaced. Made by {@link testDispatcher}.
 */
export class Harness {
  /** The dispatcher: to bind on, to mount modules on, to start, to publish with. */
  readonly dp: Dispatcher
  /** Its time. */
  readonly clock: HarnessClock
  readonly #log: KeptLog
  readonly #recorder: Recorder
  readonly #spies = new Map<string, Spy[]>()

  /** @throws {ImproperlyConfigured} for a dispatcher that has another clock, or has started. */
  constructor({ dp, clock, log }: { readonly dp: Dispatcher; readonly clock: HarnessClock; readonly log: KeptLog }) {
    const bus = busOf(dp)
    if (bus.machine.engine.clock !== clock.forBus || bus.routers.frozen) throw notOfHarness()
    this.dp = dp
    this.clock = clock
    this.#log = log
    this.#recorder = new Recorder(dp)
    dp.use((message, { context, next }) => {
      const spies = this.#spies.get(context.handler) ?? []
      // It was accepted as a message.
      const watched = spies.reduce((run, spy) => () => spy.run(message as object | string, context, run), next)
      return clock.asHandler(watched)
    })
    harnesses.set(dp, this)
  }

  /** Starts the dispatcher, as `dp.start()` does. */
  start(): Promise<void> {
    return this.dp.start()
  }

  /**
   * Waits until nothing is left to be done: nothing waits, runs, is to be tried again or is delayed, and a store has nothing left
   * to be read or written. Retries and delays take no time: the clock is moved on to them. What is parked or dead is at rest, and
   * so are schedules: `clock.advance()` reaches those. What a handler does outside of the bus is waited for in real time.
   *
   * @throws {NotSettled} as a rejection, where that does not come: it says which delivery waits for what.
   * @throws {InvalidOption} as a rejection, for a `timeoutMs` that is no duration.
   */
  async settled(options: SettledOptions = {}): Promise<void> {
    checkNames('settled()', options, ['timeoutMs'])
    const timeoutMs = checkDurationMs('timeoutMs', options.timeoutMs ?? TIMEOUT_MS)
    await settle({ bus: busOf(this.dp), clock: this.clock, recorder: this.#recorder }, timeoutMs)
  }

  /**
   * What was published, in order: events of this class, and of those that extend it. Those that nobody handles are among them, and
   * those that are not due yet.
   */
  published<T extends MessageType>(type: T): readonly MessageOf<T>[] {
    return this.#accepted('publish', type)
  }

  /** The commands of this class that were sent, in order: whose answer nobody waited for. */
  sent<T extends MessageType>(type: T): readonly MessageOf<T>[] {
    return this.#accepted('send', type)
  }

  /** The queries or commands of this class whose answer was requested, in order. */
  requested<T extends MessageType>(type: T): readonly MessageOf<T>[] {
    return this.#accepted('request', type)
  }

  /**
   * Each delivery with what became of it, in the order in which the messages were accepted.
   *
   * @throws {InvalidOption} for a handler that there is not.
   */
  deliveries({ handler, type }: DeliveryFilter = {}): readonly RecordedDelivery[] {
    const name = handler === undefined ? undefined : handlerName(busOf(this.dp), handler)
    return this.#recorder.deliveries.filter((one) => {
      const isOfType = type === undefined || one.type === type || isMessageOf(type, one.message)
      return isOfType && (name === undefined || one.handler === name)
    })
  }

  /** What failed for good, in order, also what was replayed or discarded since. @param type of messages of this class alone. */
  deadLetters(): readonly RecordedDeadLetter[]
  deadLetters<T extends MessageType>(type: T): readonly RecordedDeadLetter<MessageOf<T>>[]
  deadLetters(type?: MessageType): readonly RecordedDeadLetter[] {
    const { deadLetters } = this.#recorder
    return type === undefined ? deadLetters : deadLetters.filter(({ message }) => isMessageOf(type, message))
  }

  /** What happened, as text: each message with its handlers, and below each handler what that caused. */
  tree(): string {
    return this.#recorder.tree()
  }

  /** What the dispatcher warned of, and its errors: they are not written anywhere else. */
  get log(): readonly LogEntry[] {
    return this.#log.entries
  }

  /** What was recorded, for what reads more of it: `scenario` does. */
  get recorder(): Recorder {
    return this.#recorder
  }

  /**
   * Has a function handle what a handler would, before the start: its class is not constructed, and nothing that is injected into
   * it is opened. The middleware of the program runs around it all the same.
   *
   * @param name the handler, as `events/update-search`; or without the router, where one handler alone is called so.
   * @param standIn is given the message, and `{ context }`; what it gives or throws is the handler's.
   * @throws {InvalidOption} for a name that there is not: it lists those that there are.
   * @throws {ImproperlyConfigured} once the dispatcher has started.
   */
  replace<M extends object | string = object | string>(
    name: string,
    standIn: (message: M, deps: StandInDeps) => unknown,
  ): Spy<M> {
    const bus = busOf(this.dp)
    const full = handlerName(bus, name)
    replaceHandler(bus, full, standIn)
    return this.#watch<M>(full)
  }

  /**
   * Watches a handler, which runs as ever: at any time.
   *
   * @throws {InvalidOption} for a name that there is not: it lists those that there are.
   */
  spy<M extends object | string = object | string>(name: string): Spy<M> {
    return this.#watch<M>(handlerName(busOf(this.dp), name))
  }

  /**
   * Binds a handler for a message of a module that is not there, before the start.
   *
   * ```ts
   * harness.stub(GetBook, ({ isbn }) => ({ isbn, title: 'Emma' }))
   * ```
   *
   * @param answer what the handler does, and answers.
   * @param options `kind`, for a string or a class without a marker: whether it is an event, a command or a query.
   * @throws {InvalidOption} where the kind is not known.
   */
  stub<M extends object>(
    type: MessageClass<M>,
    answer: (message: M, deps: StandInDeps) => Awaitable<ResultOf<M>>,
    options?: StubOptions,
  ): Spy<M>
  stub(type: string, answer: (message: string, deps: StandInDeps) => unknown, options: StubOptions): Spy<string>
  stub(
    type: MessageType,
    answer: (message: never, deps: StandInDeps) => unknown,
    options: StubOptions = {},
  ): Spy<never> {
    return this.#watch(bindStub(this.dp, { type, answer, options }))
  }

  /**
   * Stops the dispatcher, and records no more. What does not end by itself meets the deadline of the stop: its time passes.
   *
   * @throws what `dp.stop()` throws, as a rejection.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    const stopped = this.dp.stop(options)
    const patience = new Patience(Math.min(TIMEOUT_MS, options.deadlineMs ?? TIMEOUT_MS))
    const stop = { isOver: false }
    const end = (): void => void (stop.isOver = true)
    stopped.then(end, end)
    try {
      await Promise.race([stopped, patience.over])
      while (!stop.isOver) await this.clock.advance(STEP_MS)
      await stopped
    } finally {
      patience.end()
      this.#recorder.end()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #accepted<T extends MessageType>(verb: string, type: T): readonly MessageOf<T>[] {
    checkMessageType(`${verb === 'send' ? 'sent' : `${verb}ed`}()`, type)
    const messages = this.#recorder.messages.filter((one) => one.verb === verb && isMessageOf(type, one.message))
    return messages.map(({ message }) => message as MessageOf<T>) // It is of this type.
  }

  #watch<M extends object | string>(name: string): Spy<M> {
    const spy = new Spy<M>(name)
    const others = this.#spies.get(name) ?? []
    this.#spies.set(name, [...others, spy])
    return spy
  }
}

function notOfHarness(): ImproperlyConfigured {
  return new ImproperlyConfigured(
    'NOT_OF_HARNESS',
    'The dispatcher that make() gave has another clock than its harness, or has started. Make it with the options that make() ' +
      'is given, new Dispatcher({ ...options }), and start it afterwards.',
  )
}
