import { constants } from 'node:os'
import type { Redact } from './engine/dead-letter-queue.ts'
import { Engine, type EngineParts } from './engine/engine.ts'
import { InvalidOption, shown } from './errors.ts'
import { codecBounds, type CodecOptions } from './message/codec-bounds.ts'
import { checkMessageTypes, type MessageType } from './message/message-type.ts'
import {
  type CapacityMarks,
  checkCapacity,
  checkCount,
  checkDurationMs,
  checkMissed,
  checkNames,
  checkOnDead,
  checkWorkers,
  DEFAULTS,
  type MissedSchedules,
  type OnDead,
} from './options.ts'
import { type Clock, systemClock } from './ports/clock.ts'
import { consoleLogger, type Logger } from './ports/logger.ts'
import type { Store } from './ports/store.ts'
import { checkRecover, type Recover } from './routing/recover.ts'
import { EventRouter, RequestRouter } from './routing/router.ts'

/** What may be said for all handlers of one router. */
export interface RouterOptions {
  /** How many of their deliveries may run at a time. Default: no limit. */
  readonly workers?: number
  /** What becomes of a delivery whose attempt has failed, where its binding does not say. Default: the dispatcher's. */
  readonly recover?: Recover | readonly Recover[]
  /** What becomes of the later messages of a key when one has died. Default: the dispatcher's. */
  readonly onDead?: OnDead
}

/** What `new Dispatcher({ ... })` takes. */
export interface DispatcherOptions {
  /** The class of `dp.events`. Default {@link EventRouter}. */
  readonly eventsRouter?: new () => EventRouter
  /** The class of `dp.commands`. Default {@link RequestRouter}. */
  readonly commandsRouter?: new (kind: 'command') => RequestRouter<'command'>
  /** The class of `dp.queries`. Default {@link RequestRouter}. */
  readonly queriesRouter?: new (kind: 'query') => RequestRouter<'query'>
  /** The class of the engine. Default {@link Engine}. */
  readonly engine?: new (parts: EngineParts) => Engine
  /** Any object with pino's methods. Default: warnings and errors to stderr. */
  readonly logger?: Logger
  /** Where time and timers come from. Default: the machine's. */
  readonly clock?: Clock
  /** Gives a number from 0 up to 1, for the jitter of retries. Default `Math.random`. */
  readonly random?: () => number
  /** How many messages may cause each other in one chain before the next one ends as dead. Default 1 000. */
  readonly maxDepth?: number
  /** How long an `id` given to `publish` or `send` is remembered, in milliseconds. Default 300 000 (5 minutes). */
  readonly dedupeMs?: number
  /**
   * How many deliveries may run at a time, over all handlers. Default: no limit. Per router: `events: { workers: 8 }`; per
   * handler: the option of `bind`. All of them hold together, and `dp.limits` changes them while it runs.
   */
  readonly workers?: number
  readonly events?: RouterOptions
  readonly commands?: RouterOptions
  readonly queries?: RouterOptions
  /** How many deliveries may wait before messages from outside are held back. Default: no limit. */
  readonly capacity?: CapacityMarks
  /** What becomes of a message from outside when the capacity is reached: it waits (the default), or is refused. */
  readonly whenFull?: 'wait' | 'throw'
  /** How long a handler that was given up may go on before it is reported as stalled, in ms. Default 30 000. */
  readonly stallAfterMs?: number
  /**
   * Messages that this dispatcher only publishes, or reaches only through a base class. `start()` checks them with those
   * that are bound. Default: none.
   */
  readonly messages?: readonly MessageType[]
  /**
   * What becomes of a delivery whose attempt has failed, where neither its binding nor its router says: `retry()`,
   * `deadLetter()`, `discard()`, your own function, or several. Default: one attempt, then it is a dead letter.
   */
  readonly recover?: Recover | readonly Recover[]
  /** What becomes of the later messages of a key when one has died. Default `'continue'`. */
  readonly onDead?: OnDead
  /** How many dead letters, and messages parked behind them, are kept in memory. Default 10 000. */
  readonly deadLetterCapacity?: number
  /** What becomes of the due times of a schedule that passed while nobody looked. Default `'fire-once'`. */
  readonly missedSchedules?: MissedSchedules
  /** Takes out of a dead letter, when it is written, what must not be kept. Default: nothing. */
  readonly redact?: Redact | undefined
  /** Whether `dp.context` is there in what a handler calls, and `dp.request` counts as its own. Default false: it costs. */
  readonly asyncContext?: boolean
  /**
   * Where the deliveries of durable handlers are kept, so that they survive a crash: `sqlite('bus.db')`. Default: nowhere.
   * Without it, everything is in memory.
   */
  readonly store?: Store | undefined
  /** The name of this service: whose messages are in the store. Default: none. */
  readonly service?: string | undefined
  /** How large and how deep a message may be that is stored. Default: as `new Codec()` has it, 1 MiB and 100. */
  readonly codec?: CodecOptions | undefined
  /** Signals at which to stop, and then to let the process end. Default: none. */
  readonly shutdownSignals?: readonly NodeJS.Signals[]
}

/** The options with every default in its place. */
export type SettledOptions = Required<DispatcherOptions>

/** @throws {InvalidOption} for an option that does not exist, or a value that it cannot have. */
export function settledOptions(options: DispatcherOptions): SettledOptions {
  const settled: { -readonly [N in keyof SettledOptions]: SettledOptions[N] } = { ...defaults }
  checkNames('new Dispatcher()', options, Object.keys(settled))
  for (const [name, value] of Object.entries(options))
    if (value !== undefined) Object.assign(settled, { [name]: value })
  for (const name of ['eventsRouter', 'commandsRouter', 'queriesRouter', 'engine'] as const) {
    if (typeof settled[name] !== 'function') throw wrong(name, settled[name], 'a class')
  }
  for (const method of ['debug', 'info', 'warn', 'error'] as const) {
    if (typeof settled.logger?.[method] !== 'function') throw wrong('logger', settled.logger, `one with ${method}()`)
  }
  for (const method of ['now', 'after'] as const) {
    if (typeof settled.clock?.[method] !== 'function') throw wrong('clock', settled.clock, `one with ${method}()`)
  }
  if (typeof settled.random !== 'function') throw wrong('random', settled.random, 'a function, such as Math.random')
  checkCount('maxDepth', settled.maxDepth)
  checkDurationMs('dedupeMs', settled.dedupeMs)
  checkDurationMs('stallAfterMs', settled.stallAfterMs)
  checkWorkers('', settled.workers)
  for (const router of ['events', 'commands', 'queries'] as const) {
    checkNames(router, settled[router], ['workers', 'recover', 'onDead'])
    const { workers = DEFAULTS.workers, recover, onDead = DEFAULTS.onDead } = settled[router]
    checkWorkers(`${router}.`, workers)
    checkRecover(`${router}.`, recover)
    checkOnDead(`${router}.`, onDead)
  }
  settled.messages = checkMessageTypes("The dispatcher's messages", settled.messages)
  checkRecover('', settled.recover)
  checkOnDead('', settled.onDead)
  checkCount('deadLetterCapacity', settled.deadLetterCapacity)
  checkMissed('missedSchedules', settled.missedSchedules)
  if (settled.redact !== undefined && typeof settled.redact !== 'function')
    throw wrong('redact', settled.redact, 'a function')
  if (typeof settled.asyncContext !== 'boolean') throw wrong('asyncContext', settled.asyncContext, 'true or false')
  if (settled.store !== undefined && typeof settled.store?.open !== 'function') {
    throw wrong('store', settled.store, "a store, such as sqlite('bus.db') of @iambus/core/sqlite")
  }
  if (settled.service !== undefined && (typeof settled.service !== 'string' || settled.service === '')) {
    throw wrong('service', settled.service, "a name, such as 'orders'")
  }
  if (settled.codec !== undefined) codecBounds(settled.codec)
  settled.capacity = checkCapacity(settled.capacity)
  if (!['wait', 'throw'].includes(settled.whenFull)) throw wrong('whenFull', settled.whenFull, "'wait' or 'throw'")
  if (!Array.isArray(settled.shutdownSignals)) {
    throw wrong('shutdownSignals', settled.shutdownSignals, "an array, such as ['SIGINT', 'SIGTERM']")
  }
  for (const signal of settled.shutdownSignals as readonly unknown[]) {
    const canBeCaught = Object.hasOwn(constants.signals, String(signal)) && signal !== 'SIGKILL' && signal !== 'SIGSTOP'
    if (!canBeCaught) throw wrong('shutdownSignals', signal, "names of signals that can be caught, such as 'SIGTERM'")
  }
  return settled
}

const defaults: SettledOptions = {
  ...DEFAULTS,
  eventsRouter: EventRouter,
  commandsRouter: RequestRouter<'command'>,
  queriesRouter: RequestRouter<'query'>,
  engine: Engine,
  logger: consoleLogger,
  clock: systemClock,
  random: Math.random,
  events: {},
  commands: {},
  queries: {},
  messages: [],
  recover: [],
  redact: undefined,
  asyncContext: false,
  store: undefined,
  service: undefined,
  codec: undefined,
  shutdownSignals: [],
}

function wrong(name: string, value: unknown, expected: string): InvalidOption {
  return new InvalidOption(`The option '${name}' is ${shown(value)}. Pass ${expected}.`)
}
