import type { Engine, EngineParts } from './engine/engine.ts'
import type { CapacityMarks } from './options.ts'
import type { Clock } from './ports/clock.ts'
import type { Logger } from './ports/logger.ts'
import type { EventRouter, RequestRouter } from './routing/router.ts'

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
  /** Signals at which to stop, and then to let the process end. Default: none. */
  readonly shutdownSignals?: readonly NodeJS.Signals[]
}

export const dispatcherOptionNames: readonly (keyof DispatcherOptions)[] = [
  'eventsRouter',
  'commandsRouter',
  'queriesRouter',
  'engine',
  'logger',
  'clock',
  'maxDepth',
  'dedupeMs',
  'workers',
  'events',
  'commands',
  'queries',
  'capacity',
  'whenFull',
  'stallAfterMs',
  'shutdownSignals',
]
