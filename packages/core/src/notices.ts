import type { Envelope } from './message/envelope.ts'
import type { MissedSchedules } from './options.ts'
import type { StoredLetter } from './ports/dead-letters.ts'
import { type NoticeTable, type StoreNotices, storeTable } from './store-notices.ts'

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
export interface Notices extends StoreNotices {
  /** A message was accepted, for these handlers: those that are durable, or those that are not. */
  readonly accepted: { readonly envelope: Envelope; readonly handlers: readonly string[] }
  /** A message was accepted, and takes its place when it is due. Only then is it `accepted`, unless a store has it. */
  readonly delayed: { readonly envelope: Envelope; readonly dueAt: Date }
  /** A delayed message was taken back, with `dp.cancel`. */
  readonly cancelled: { readonly id: string }
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
  /** A delivery has failed for good. It is kept as a dead letter with the id `letterId`. */
  readonly dead: DeliveryNotice & { readonly error: Error; readonly letterId: string }
  /** A delivery waits behind a dead one of its key. */
  readonly parked: DeliveryNotice
  /** A dead letter goes back into its lane. */
  readonly replayed: DeliveryNotice & { readonly letterId: string }
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
  /**
   * An event was published that no handler is bound to. `first` of its type since `start()`; `hasNamesake`: one is bound to
   * another class of the same name.
   */
  readonly unhandled: { readonly envelope: Envelope; readonly first: boolean; readonly hasNamesake: boolean }
  /** A publication with an id that was seen before, within `dedupeMs`: it runs nothing. */
  readonly duplicate: { readonly id: string; readonly type: string }
  /** A schedule could not fire for this due time, or at all. `goesOn`: with the next due time, the same again, or not. */
  readonly scheduleFailed: {
    readonly schedule: string
    readonly dueAt: Date | undefined
    readonly error: Error
    readonly goesOn: 'next' | 'again' | 'no'
  }
  /** Due times of a schedule have passed, from `first` to `last`; so many of them fire, the others are left. */
  readonly missed: {
    readonly schedule: string
    readonly first: Date
    readonly last: Date
    readonly fired: number
    readonly by: MissedSchedules
  }
  /** A handler ended after its caller, or `stop()`, had given up on it. What it would have caused is dropped. */
  readonly late: DeliveryNotice & { readonly error: Error | undefined; readonly hasCommitted: boolean }
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
export type UnfinishedState = 'waiting' | 'running' | 'retrying' | 'parked' | 'delayed'

/** What is said of a message that nobody handles, where another class of its name was bound. */
export const namesake = 'One is bound to another class of this name: are there two copies of its module?'

const whatComes = {
  rejected: 'for its caller',
  retry: 'to be tried again',
  dead: 'for good',
  skipped: 'and is left',
  done: 'and counts as done',
} as const

const goesOnAs = {
  next: 'it goes on with the next due time',
  again: 'it is tried again',
  no: 'it does not go on until it is scheduled anew',
} as const

export const table: NoticeTable<Notices> = {
  accepted: {
    level: 'none',
    text: ({ envelope, handlers }) => `'${envelope.type}' was accepted, for ${handlers.join(', ')}.`,
  },
  delayed: {
    level: 'none',
    text: ({ envelope, dueAt }) => `'${envelope.type}' was accepted, and is due at ${dueAt.toISOString()}.`,
  },
  cancelled: {
    level: 'info',
    text: ({ id }) => `The delayed message with id '${id}' was taken back.`,
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
    text: ({ envelope, hasNamesake }) =>
      `Event '${envelope.type}' was published, and no handler is bound to it.${hasNamesake ? ` ${namesake}` : ''}`,
  },
  duplicate: {
    level: 'info',
    text: ({ id, type }) => `'${type}' with id '${id}' was accepted before: it is not run again.`,
  },
  scheduleFailed: {
    level: 'critical',
    text: ({ schedule, dueAt, error, goesOn }) =>
      `Schedule '${schedule}' failed${dueAt === undefined ? '' : ` for ${dueAt.toISOString()}`}; ` +
      `${goesOnAs[goesOn]}: ${error.message}`,
  },
  missed: {
    // With the other two, that some are left is what was asked for.
    level: ({ by }) => (by === 'fire-all' ? 'error' : 'info'),
    text: ({ schedule, first, last, fired, by }) =>
      `Due times of schedule '${schedule}' have passed, from ${first.toISOString()} to ${last.toISOString()}: ` +
      `${fired} of them fired ('${by}'), the others are left.`,
  },
  late: {
    level: 'warn',
    text: ({ envelope, handler, error, hasCommitted }) =>
      `${handler} ${error === undefined ? 'ended' : 'failed'} on '${envelope.type}' after it had ` +
      `${hasCommitted ? 'committed' : 'been given up'}${error === undefined ? '.' : `: ${error.message}`}`,
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
  ...storeTable,
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
