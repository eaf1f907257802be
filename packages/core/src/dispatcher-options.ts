import type { Engine } from './engine/engine.ts'
import type { Observer } from './observe.ts'
import type { Clock } from './ports/clock.ts'
import type { Logger } from './ports/logger.ts'
import type { EventRouter, RequestRouter } from './routing/router.ts'

/** What `new Dispatcher({ ... })` takes. */
export interface DispatcherOptions {
  /** The class of `dp.events`. Default {@link EventRouter}. */
  readonly eventsRouter?: new () => EventRouter
  /** The class of `dp.commands`. Default {@link RequestRouter}. */
  readonly commandsRouter?: new (kind: 'command') => RequestRouter<'command'>
  /** The class of `dp.queries`. Default {@link RequestRouter}. */
  readonly queriesRouter?: new (kind: 'query') => RequestRouter<'query'>
  /** The class of the engine. Default {@link Engine}. */
  readonly engine?: new (observer: Observer) => Engine
  /** Any object with pino's methods. Default: warnings and errors to stderr. */
  readonly logger?: Logger
  /** Where time and timers come from. Default: the machine's. */
  readonly clock?: Clock
  /** How many messages may cause each other in one chain before the next one ends as dead. Default 1 000. */
  readonly maxDepth?: number
  /** How long an `id` given to `publish` or `send` is remembered, in milliseconds. Default 300 000 (5 minutes). */
  readonly dedupeMs?: number
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
  'shutdownSignals',
]
