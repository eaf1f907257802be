import { InvalidOption, shown } from '../errors.ts'
import { checkCount, checkDurationMs, checkNames, SCAN_AHEAD } from '../options.ts'
import { checkCompletion, checkForget, checkKeptMs, type Completion } from '../ports/store-settings.ts'

/** What `sqlite()` takes. The defaults are in {@link SQLITE_DEFAULTS}. */
export interface SqliteOptions {
  /**
   * What survives a power cut: with `'full'`, all that was said to be stored. With `'normal'`, the last of it may be lost then,
   * though never when only the process dies. Default `'full'`.
   */
  readonly sync?: 'full' | 'normal' | undefined
  /**
   * What becomes of a message that every handler has finished: it is deleted, kept for so many milliseconds after it was
   * accepted, or moved to the table `iambus_archive`. Default `'delete'`.
   */
  readonly completion?: Completion | undefined
  /** For how long an id is remembered, so that a second message with it is refused, in milliseconds. Default 26 hours. */
  readonly dedupeMs?: number | undefined
  /**
   * How long an asynchronous function given to `commit()` may take, in milliseconds, and for how long the lock of another
   * connection is waited for. Default 5 000.
   */
  readonly commitTimeoutMs?: number | undefined
  /**
   * How many messages of a handler may be set aside, retrying, or dead in their lanes: when there are more, it reads no further
   * until there are fewer. Default 10 000.
   */
  readonly scanAhead?: number | undefined
  /** Subscriptions that no handler has any more, to be removed with all that waits for them. Default: none. */
  readonly forget?: readonly string[] | undefined
}

/** The options, each with a value. */
export type SqliteSettings = { readonly [name in keyof SqliteOptions]-?: Exclude<SqliteOptions[name], undefined> }

export const SQLITE_DEFAULTS: SqliteSettings = Object.freeze({
  sync: 'full',
  completion: 'delete',
  /** 26 hours: longer than the longest retry, which is 24 (`RETRY.maxAgeMs`) and the attempts after it. */
  dedupeMs: 93_600_000,
  commitTimeoutMs: 5_000,
  scanAhead: SCAN_AHEAD,
  forget: Object.freeze([]),
})

/** @throws {InvalidOption} for an option that there is not, or a value that it cannot have. */
export function settingsOf(options: SqliteOptions = {}): SqliteSettings {
  checkNames('sqlite()', options, Object.keys(SQLITE_DEFAULTS))
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const settings: SqliteSettings = { ...SQLITE_DEFAULTS, ...given }
  const { sync, completion, forget } = settings
  if (sync !== 'full' && sync !== 'normal') {
    throw new InvalidOption(`sync is ${shown(sync)}. Pass 'full' or 'normal'.`)
  }
  checkCompletion(completion)
  checkKeptMs('dedupeMs', settings.dedupeMs)
  checkDurationMs('commitTimeoutMs', settings.commitTimeoutMs)
  checkCount('scanAhead', settings.scanAhead)
  checkForget(forget)
  return settings
}
