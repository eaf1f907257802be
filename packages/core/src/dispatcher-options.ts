import { constants } from 'node:os'
import { Engine, type EngineParts } from './engine/engine.ts'
import { InvalidOption, shown } from './errors.ts'
import { checkMessageTypes, type MessageType } from './message/message-type.ts'
import {
  type CapacityMarks,
  checkCapacity,
  checkCount,
  checkDurationMs,
  checkNames,
  checkWorkers,
  DEFAULTS,
} from './options.ts'
import { type Clock, systemClock } from './ports/clock.ts'
import { consoleLogger, type Logger } from './ports/logger.ts'
import { EventRouter, RequestRouter } from './routing/router.ts'

/** What may be said for all handlers of one router. */
export interface RouterOptions {
  /** How many of their deliveries may run at a time. Default: no limit. */
  readonly workers?: number
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
  checkCount('maxDepth', settled.maxDepth)
  checkDurationMs('dedupeMs', settled.dedupeMs)
  checkDurationMs('stallAfterMs', settled.stallAfterMs)
  checkWorkers('', settled.workers)
  for (const router of ['events', 'commands', 'queries'] as const) {
    checkNames(router, settled[router], ['workers'])
    const { workers = DEFAULTS.workers } = settled[router]
    checkWorkers(`${router}.`, workers)
  }
  settled.messages = checkMessageTypes("The dispatcher's messages", settled.messages)
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
  events: {},
  commands: {},
  queries: {},
  messages: [],
  shutdownSignals: [],
}

function wrong(name: string, value: unknown, expected: string): InvalidOption {
  return new InvalidOption(`The option '${name}' is ${shown(value)}. Pass ${expected}.`)
}
