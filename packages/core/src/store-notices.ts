import type { Envelope } from './message/envelope.ts'
import type { LogLevel } from './ports/logger.ts'

/** `critical`: written as an error with the field `critical: true`. `none`: only published. */
export type Level = LogLevel | 'critical' | 'none'

/** How each notice is written. */
export type NoticeTable<N> = {
  readonly [Name in keyof N]: {
    readonly level: Level | ((notice: N[Name]) => Level)
    readonly text: (notice: N[Name]) => string
  }
}

/** What the bus has to say of its store. */
export interface StoreNotices {
  /** A store cannot do what it has to. It is tried again after so many milliseconds; until then nothing is lost, and nothing goes on. */
  readonly storeFailed: {
    readonly store: string
    /** Whose deliveries wait for it; `undefined` where all do. */
    readonly handler: string | undefined
    readonly error: Error
    readonly delayMs: number
  }
  /** A store could not be closed in order: what could not be written is run again. */
  readonly storeCloseFailed: { readonly store: string; readonly error: Error }
  /** A store was found to have lost something. */
  readonly storeLost: { readonly store: string; readonly text: string }
  /** Another one works for this handler now, or its store was closed: nothing more of it is run here. */
  readonly claimLost: { readonly store: string; readonly handler: string; readonly error: Error }
  /** A handler is known to the store, and bound no more, `since` any node had it last, if that is known: what is stored for it waits. At most `pending` messages. */
  readonly orphaned: {
    readonly store: string
    readonly handler: string
    readonly pending: number
    readonly since?: Date | undefined
  }
  /** A handler was forgotten, as the store was told to, with up to `pending` messages that waited for it. */
  readonly forgotten: { readonly store: string; readonly handler: string; readonly pending: number }
  /** A handler takes a type no more of which the store has messages for it: they will be dead letters. At most `pending`. */
  readonly typeRemoved: {
    readonly store: string
    readonly handler: string
    readonly type: string
    readonly pending: number
  }
  /** A handler is new to the store, or goes on under a new name: `formerly`. */
  readonly subscribed: { readonly store: string; readonly handler: string; readonly formerly: string | undefined }
  /** The process had ended while these were being handled: they are run again, one at a time. */
  readonly suspects: { readonly store: string; readonly count: number }
  /** What a handler has caused could not be stored, and it is done: this is the last of it. */
  readonly unstored: { readonly envelope: Envelope; readonly error: Error }
}

export const storeTable: NoticeTable<StoreNotices> = {
  storeFailed: {
    level: 'critical',
    text: ({ store, handler, error, delayMs }) =>
      `${store} fails, and is tried again in ${delayMs} ms${handler === undefined ? '' : ` (for ${handler})`}: ${error.message}`,
  },
  storeCloseFailed: {
    level: 'critical',
    text: ({ store, error }) =>
      `${store} could not be closed in order; what was not written is run again: ${error.message}`,
  },
  storeLost: {
    level: 'critical',
    text: ({ store, text }) => `${store} has lost something: ${text}`,
  },
  claimLost: {
    level: 'error',
    text: ({ store, handler, error }) => `${handler} is not run here any more, from ${store}: ${error.message}`,
  },
  orphaned: {
    level: ({ pending }) => (pending > 0 ? 'warn' : 'info'),
    text: ({ store, handler, pending, since }) =>
      `${handler} is known to ${store}, and not bound${since === undefined ? '' : ` since ${since.toISOString()}`}: up to ${pending} messages wait for it. Bind it, bind its successor with { formerly }, or have the store forget it.`,
  },
  forgotten: {
    level: 'warn',
    text: ({ store, handler, pending }) =>
      `${store} has forgotten ${handler}, as it was told to, and up to ${pending} messages that waited for it.`,
  },
  typeRemoved: {
    level: ({ pending }) => (pending > 0 ? 'warn' : 'info'),
    text: ({ store, handler, type, pending }) =>
      `${handler} takes '${type}' no more, and ${store} has up to ${pending} messages that may be for it: they will be dead letters.`,
  },
  subscribed: {
    level: 'info',
    text: ({ store, handler, formerly }) =>
      formerly === undefined
        ? `${handler} is new to ${store}.`
        : `${handler} goes on in ${store}, formerly ${formerly}.`,
  },
  suspects: {
    level: 'warn',
    text: ({ store, count }) =>
      `The process had ended while deliveries of ${store} (${count}) may have been running: they are run again, one at a time.`,
  },
  unstored: {
    level: 'critical',
    text: ({ envelope, error }) =>
      `'${envelope.type}', caused by a handler that is done, could not be stored, and is lost: ${error.message}`,
  },
}
