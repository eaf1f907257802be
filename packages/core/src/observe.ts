import { type Channel, channel } from 'node:diagnostics_channel'
import { asError, InvalidOption, shown } from './errors.ts'
import type { Envelope } from './message/envelope.ts'
import type { StoredLetter } from './ports/dead-letters.ts'
import type { Logger, LogLevel } from './ports/logger.ts'

/** One envelope at one handler, as notices name it. */
export interface DeliveryNotice {
  readonly envelope: Envelope
  /** The handler as `events/update-search`. */
  readonly handler: string
}

/**
 * Everything the bus has to say, by name. Each is published on the `node:diagnostics_channel` named `iambus:<name>`, and
 * written to the dispatcher's `logger` at the level that the table below gives it; what happens to every message is only
 * published.
 */
export interface Notices {
  /** A message was accepted, for these handlers. */
  readonly accepted: { readonly envelope: Envelope; readonly handlers: readonly string[] }
  /** An attempt starts. */
  readonly started: DeliveryNotice & { readonly attempt: number }
  /** A delivery is done. */
  readonly succeeded: DeliveryNotice & { readonly attempt: number }
  /** An attempt has failed. `outcome` says what comes of it; `'rejected'` is a request: its caller has the error. */
  readonly failed: DeliveryNotice & {
    readonly error: Error
    readonly attempt: number
    readonly outcome: 'rejected' | 'retry' | 'dead' | 'skipped' | 'done'
  }
  /** It will be tried again after so many milliseconds, as attempt number `attempt`. `isFree`: what failed is not counted. */
  readonly retried: DeliveryNotice & {
    readonly error: Error
    readonly attempt: number
    readonly delayMs: number
    readonly isFree: boolean
  }
  /** A delivery has failed for good. It is kept as a dead letter with the id `letter`. */
  readonly dead: DeliveryNotice & { readonly error: Error; readonly letter: string }
  /** A delivery waits behind a dead one of its key. */
  readonly parked: DeliveryNotice
  /** A dead letter goes back into its lane. */
  readonly replayed: DeliveryNotice & { readonly letter: string }
  /** A delivery was left by an explicit rule: `discard()` of its error, or of its dead letter. */
  readonly dropped: DeliveryNotice & { readonly error: Error; readonly by: 'recover' | 'deadLetters' }
  /** Dead letters, and messages parked behind them, were erased. */
  readonly erased: { readonly letters: number; readonly parked: number }
  /** There were too many dead letters: the oldest left, with all that was parked behind it. This is the last of them. */
  readonly evicted: DeliveryNotice & { readonly letter: StoredLetter; readonly parked: readonly Envelope[] }
  /** A `recover` function threw, or decided nothing that can be done: the delivery is dead. */
  readonly recoverFailed: DeliveryNotice & { readonly error: Error }
  /** `redact` threw: the dead letter is kept as it is, with all that should have been taken out. */
  readonly redactFailed: DeliveryNotice & { readonly error: Error }
  /** A function given to `dp.observe` threw: whatever it was told of is not undone. */
  readonly listenerFailed: { readonly name: keyof Notices; readonly error: Error }
  /** An event was published that no handler is bound to. `first` of its type since `start()`. */
  readonly unhandled: { readonly envelope: Envelope; readonly first: boolean }
  /** A publication with an id that was seen before, within `dedupeMs`: it runs nothing. */
  readonly duplicate: { readonly id: string; readonly type: string }
  /** A handler ended after its caller, or `stop()`, had given up on it. What it would have caused is dropped. */
  readonly late: DeliveryNotice & { readonly error: Error | undefined }
  /** The bus stopped, or the process ended, with this delivery unfinished. */
  readonly stopped: DeliveryNotice & { readonly state: UnfinishedState; readonly reason: string }
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

/** What a delivery was doing that did not end. */
export type UnfinishedState = 'waiting' | 'running' | 'retrying' | 'parked'

/** `critical`: written as an error with the field `critical: true`. `none`: only published. */
type Level = LogLevel | 'critical' | 'none'

type Table = {
  readonly [N in keyof Notices]: {
    readonly level: Level | ((notice: Notices[N]) => Level)
    readonly text: (notice: Notices[N]) => string
  }
}

const whatComes = {
  rejected: 'for its caller',
  retry: 'to be tried again',
  dead: 'for good',
  skipped: 'and is left',
  done: 'and counts as done',
} as const

const table: Table = {
  accepted: {
    level: 'none',
    text: ({ envelope, handlers }) => `'${envelope.type}' was accepted, for ${handlers.join(', ')}.`,
  },
  started: {
    level: 'none',
    text: ({ envelope, handler, attempt }) => `${handler} starts attempt ${attempt} of '${envelope.type}'.`,
  },
  succeeded: {
    level: 'none',
    text: ({ envelope, handler }) => `${handler} is done with '${envelope.type}'.`,
  },
  failed: {
    level: 'debug',
    text: ({ envelope, handler, error, attempt, outcome }) =>
      `${handler} failed on '${envelope.type}' (attempt ${attempt}) ${whatComes[outcome]}: ${error.message}`,
  },
  retried: {
    level: 'warn',
    text: ({ envelope, handler, error, attempt, delayMs, isFree }) =>
      `${handler} failed on '${envelope.type}'${isFree ? ' and burned no attempt' : ''}; ` +
      `attempt ${attempt} comes in ${delayMs} ms: ${error.message}`,
  },
  dead: {
    level: 'error',
    text: ({ envelope, handler, error }) =>
      `${handler} failed on '${envelope.type}', which is a dead letter now: ${error.message}`,
  },
  parked: {
    level: 'warn',
    text: ({ envelope, handler }) =>
      `'${envelope.type}' waits for ${handler} behind a dead delivery of its key, until that is replayed or discarded.`,
  },
  replayed: {
    level: 'info',
    text: ({ envelope, handler }) => `The dead letter of '${envelope.type}' goes back to ${handler}.`,
  },
  dropped: {
    level: 'info',
    text: ({ envelope, handler, error, by }) =>
      `'${envelope.type}' was left at ${handler} (${by === 'recover' ? 'discard()' : 'by dp.deadLetters'}): ${error.message}`,
  },
  erased: {
    level: 'info',
    text: ({ letters, parked }) => `${letters} dead letters were erased, and ${parked} messages parked behind them.`,
  },
  evicted: {
    level: 'critical',
    text: ({ envelope, handler, parked }) =>
      `There are too many dead letters: the oldest, '${envelope.type}' at ${handler}, is lost` +
      `${parked.length === 0 ? '' : `, and ${parked.length} messages parked behind it`}. Replay or discard some.`,
  },
  recoverFailed: {
    level: 'critical',
    text: ({ envelope, handler, error }) =>
      `The recover function of ${handler} failed for '${envelope.type}', which is dead now: ${error.message}`,
  },
  redactFailed: {
    level: 'critical',
    text: ({ envelope, handler, error }) =>
      `redact() failed for '${envelope.type}' at ${handler}: the dead letter is kept unredacted: ${error.message}`,
  },
  listenerFailed: {
    level: 'critical',
    text: ({ name, error }) => `A listener to '${name}' threw: ${error.message}`,
  },
  unhandled: {
    level: (notice) => (notice.first ? 'warn' : 'debug'),
    text: ({ envelope }) => `Event '${envelope.type}' was published, and no handler is bound to it.`,
  },
  duplicate: {
    level: 'info',
    text: ({ id, type }) => `'${type}' with id '${id}' was accepted before: it is not run again.`,
  },
  late: {
    level: 'warn',
    text: ({ envelope, handler, error }) =>
      `${handler} ${error === undefined ? 'ended' : 'failed'} on '${envelope.type}' after it had been given up.`,
  },
  stopped: {
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

/**
 * A channel for each. To ask `hasSubscribers` first saves making a notice that nobody hears; asked of a constant of one's own
 * file, it costs next to nothing.
 */
export const channels = Object.fromEntries(Object.keys(table).map((name) => [name, channel(`iambus:${name}`)])) as {
  readonly [N in keyof Notices]: Channel
}

/** Whoever is publishing a notice right now. */
let speaking: Observer | undefined

/** Says the notices of one dispatcher. The only place that logs or emits. */
export class Observer {
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  say<N extends keyof Notices>(name: N, notice: Notices[N]): void {
    if (channels[name].hasSubscribers) this.#publish(name, notice)
    const { level: given, text } = table[name]
    const level = typeof given === 'function' ? given(notice) : given
    if (level === 'none') return
    try {
      const isCritical = level === 'critical'
      const fields = isCritical ? { ...fieldsOf(notice), critical: true } : fieldsOf(notice)
      this.#logger[isCritical ? 'error' : level](fields, text(notice))
    } catch (error) {
      // A logger that fails must not fail a delivery; and what it was told must not vanish.
      process.emitWarning(`The logger of iambus threw (${asError(error).message}) when told: ${text(notice)}`)
    }
  }

  /**
   * Has a function told of each notice of this name, and of this observer. One that throws undoes nothing, and is a notice.
   * @returns a function that ends it.
   * @throws {InvalidOption} for a name that there is not, or what is no function.
   */
  listen<N extends keyof Notices>(name: N, listener: (notice: Notices[N]) => void | Promise<void>): () => void {
    if (!Object.hasOwn(channels, name)) {
      throw new InvalidOption(`There is no notice ${shown(name)}. There are: ${Object.keys(channels).join(', ')}.`)
    }
    if (typeof listener !== 'function') throw new InvalidOption(`A listener is ${shown(listener)}. Pass a function.`)
    const failed = (thrown: unknown): void => this.#sayListenerFailed(name, asError(thrown))
    const heard = (notice: unknown): void => {
      if (speaking !== this) return
      try {
        const told: unknown = listener(notice as Notices[N]) // It is the channel of this name.
        if (told instanceof Promise) told.catch(failed)
      } catch (thrown) {
        failed(thrown)
      }
    }
    channels[name].subscribe(heard)
    return () => {
      channels[name].unsubscribe(heard)
    }
  }

  #publish<N extends keyof Notices>(name: N, notice: Notices[N]): void {
    const outer = speaking
    speaking = this
    try {
      channels[name].publish(notice)
    } finally {
      speaking = outer
    }
  }

  #sayListenerFailed(name: keyof Notices, error: Error): void {
    if (name !== 'listenerFailed') this.say('listenerFailed', { name, error })
    else process.emitWarning(`A listener to 'listenerFailed' threw: ${error.message}`) // It would be told of itself.
  }
}

/** A notice as flat fields, the error under `err` as pino and others expect it. */
function fieldsOf(notice: object): object {
  const { envelope, error, ...rest } = notice as { envelope?: Envelope; error?: Error }
  const message = envelope && { type: envelope.type, id: envelope.id, key: envelope.key }
  return { ...rest, ...message, ...(error && { err: error }) }
}
