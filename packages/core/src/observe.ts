import { channel } from 'node:diagnostics_channel'
import { asError } from './errors.ts'
import type { Envelope } from './message/envelope.ts'
import type { Logger, LogLevel } from './ports/logger.ts'

/** One envelope at one handler, as notices name it. */
export interface DeliveryNotice {
  readonly envelope: Envelope
  /** The handler as `events/update-search`. */
  readonly handler: string
}

/**
 * Everything the bus has to say, by name. Each is published on the `node:diagnostics_channel` named `iambus:<name>`, and
 * written to the dispatcher's `logger` at the level that the table below gives it.
 */
export interface Notices {
  /** An event was published that no handler is bound to. `first` of its type since `start()`. */
  readonly unhandled: { readonly envelope: Envelope; readonly first: boolean }
  /** A publication with an id that was seen before, within `dedupeMs`: it runs nothing. */
  readonly duplicate: { readonly id: string; readonly type: string }
  /** A delivery nobody waits for has failed for good. */
  readonly dead: DeliveryNotice & { readonly error: Error }
  /** A request has failed; its caller has the error. */
  readonly failed: DeliveryNotice & { readonly error: Error }
  /** A handler ended after its caller, or `stop()`, had given up on it. What it would have caused is dropped. */
  readonly late: DeliveryNotice & { readonly error: Error | undefined }
  /** `stop()` reached its deadline, or the process ended, with this delivery waiting or running. */
  readonly undelivered: DeliveryNotice & { readonly state: 'waiting' | 'running'; readonly reason: string }
  /** A handler goes on long after it was given up: it still holds its lane and its worker. */
  readonly stalled: DeliveryNotice & { readonly afterMs: number }
  /** A provider could not be closed. */
  readonly closeFailed: { readonly provider: string; readonly error: Error }
  /** `start()` found nothing bound: the dispatcher stays unstarted. */
  readonly nothingBound: Record<never, never>
  /** Types whose name is the name of their class: a minifier may change it. */
  readonly namedByClass: { readonly types: readonly string[] }
  /** Handlers whose `responseEvent`s lead back to themselves. `cycle` names the types in order. */
  readonly responseCycle: { readonly cycle: readonly string[] }
}

type Table = {
  readonly [N in keyof Notices]: {
    readonly level: LogLevel | ((notice: Notices[N]) => LogLevel)
    readonly text: (notice: Notices[N]) => string
  }
}

const table: Table = {
  unhandled: {
    level: (notice) => (notice.first ? 'warn' : 'debug'),
    text: ({ envelope }) => `Event '${envelope.type}' was published, and no handler is bound to it.`,
  },
  duplicate: {
    level: 'info',
    text: ({ id, type }) => `'${type}' with id '${id}' was accepted before: it is not run again.`,
  },
  dead: {
    level: 'error',
    text: ({ envelope, handler, error }) => `${handler} failed on '${envelope.type}': ${error.message}`,
  },
  failed: {
    level: 'debug',
    text: ({ envelope, handler, error }) => `${handler} failed on '${envelope.type}' for its caller: ${error.message}`,
  },
  late: {
    level: 'warn',
    text: ({ envelope, handler, error }) =>
      `${handler} ${error === undefined ? 'ended' : 'failed'} on '${envelope.type}' after it had been given up.`,
  },
  undelivered: {
    level: 'error',
    text: ({ envelope, handler, state, reason }) => `${reason}: '${envelope.type}' was still ${state} for ${handler}.`,
  },
  stalled: {
    level: 'error',
    text: ({ envelope, handler, afterMs }) =>
      `${handler} still runs for '${envelope.type}', ${afterMs} ms after it was given up: it holds its lane and worker.`,
  },
  closeFailed: {
    level: 'error',
    text: ({ provider, error }) => `Provider '${provider}' could not be closed: ${error.message}`,
  },
  nothingBound: {
    level: 'warn',
    text: () => 'No handler is bound: start() has nothing to do, and the dispatcher stays unstarted.',
  },
  namedByClass: {
    level: 'info',
    text: ({ types }) =>
      `These types have the names of their classes, which a minifier may change: ${types.join(', ')}. ` +
      'Give each a static type, if messages are to be kept or sent elsewhere.',
  },
  responseCycle: {
    level: 'warn',
    text: ({ cycle }) => `Response events feed themselves: ${cycle.join(' -> ')}. maxDepth will end such a chain.`,
  },
}

/** Says the notices of one dispatcher. The only place that logs or emits. */
export class Observer {
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  say<N extends keyof Notices>(name: N, notice: Notices[N]): void {
    channel(`iambus:${name}`).publish(notice)
    const { level, text } = table[name]
    try {
      this.#logger[typeof level === 'function' ? level(notice) : level](fieldsOf(notice), text(notice))
    } catch (error) {
      // A logger that fails must not fail a delivery; and what it was told must not vanish.
      process.emitWarning(`The logger of iambus threw (${asError(error).message}) when told: ${text(notice)}`)
    }
  }
}

/** A notice as flat fields, the error under `err` as pino and others expect it. */
function fieldsOf(notice: object): object {
  const { envelope, error, ...rest } = notice as { envelope?: Envelope; error?: Error }
  const message = envelope && { type: envelope.type, id: envelope.id, key: envelope.key }
  return { ...rest, ...message, ...(error && { err: error }) }
}
