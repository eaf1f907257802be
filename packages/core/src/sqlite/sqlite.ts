import { basename } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ImproperlyConfigured, InvalidOption, shown } from '../errors.ts'
import type { Finding, OpenStore, Store, StoreOpening } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'
import { Checkpoints } from './checkpoints.ts'
import { failureOf } from './failure.ts'
import { checkDatabase, fileOf, isInTransaction, type SqliteDatabase } from './handle.ts'
import { canonical, checkLibrary } from './libraries.ts'
import { OpenSqlite } from './open-sqlite.ts'
import { Owner } from './owner.ts'
import { register, type Registered } from './registration.ts'
import { migrate } from './schema.ts'
import { LOG } from './statements.ts'
import { type SqliteOptions, type SqliteSettings, settingsOf } from './settings.ts'
import { WalSync } from './wal-sync.ts'

declare module '../ports/store.ts' {
  interface StoreTransactions {
    sqlite: DatabaseSync
  }
}

/**
 * A store in a file of SQLite, for one process.
 *
 * ```ts
 * new Dispatcher({ store: sqlite('bus.db') })
 * new Dispatcher({ store: sqlite({ database }) })   // in your own database: publish(message, { tx: database })
 * ```
 *
 * By its path, the store has a connection of its own (`node:sqlite`). Given a `database`, it works on that connection, sets
 * its `journal_mode` and `synchronous`, and leaves it open when it closes. All its tables are named `iambus_...`. Never put
 * the file on a network file system.
 *
 * @throws {InvalidOption} for what is neither, and for an option that cannot be.
 */
export function sqlite(target: string | { readonly database: SqliteDatabase }, options?: SqliteOptions): Store {
  const settings = settingsOf(options)
  if (typeof target === 'string' && target.startsWith('file:')) {
    throw new InvalidOption(
      `sqlite() was given ${shown(target)}. Pass the path of the file, not a URL: fileURLToPath(...) gives it.`,
    )
  }
  if (typeof target === 'string' && target !== '') {
    return storeOf({ path: target === ':memory:' ? undefined : target, given: undefined, settings })
  }
  if (typeof target === 'object' && target !== null && 'database' in target) {
    const given = checkDatabase(target.database)
    return storeOf({ path: fileOf(given), given, settings })
  }
  throw new InvalidOption(`sqlite() was given ${shown(target)}. Pass the path of a file, or { database }.`)
}

interface Target {
  /** `undefined` in memory. */
  readonly path: string | undefined
  /** The caller's own connection. */
  readonly given: SqliteDatabase | undefined
  readonly settings: SqliteSettings
}

function storeOf(target: Target): Store {
  const name = `sqlite ${target.path === undefined ? 'in memory' : basename(target.path)}`
  return {
    name,
    isShared: false,
    open: async (opening) => {
      try {
        return openOf(target, name, opening)
      } catch (error) {
        throw error instanceof ImproperlyConfigured ? error : failureOf(error, name)
      }
    },
  }
}

function openOf(target: Target, name: string, opening: StoreOpening): OpenStore {
  const { settings } = target
  const path = target.path === undefined ? undefined : canonical(target.path)
  const owner = path === undefined ? undefined : new Owner(path)
  let connection: Connection | undefined
  let sync: WalSync | undefined
  try {
    connection = connect(path, target.given)
    const { database, own } = connection
    own?.exec(`PRAGMA busy_timeout = ${settings.commitTimeoutMs}`)
    const registered = prepared({ database, name, settings, opening })
    // From now on, whoever has the lock is waited for without holding up the process.
    own?.exec('PRAGMA busy_timeout = 0')
    const loss = owner?.lost(registered.changes)
    owner?.begin(changesOf(database))
    sync = path === undefined || own === undefined ? undefined : syncOf(path, own, { name, settings })
    const checkpoints = path === undefined || own === undefined ? undefined : new Checkpoints(path, own)
    const lost: Finding[] = loss === undefined ? [] : [{ kind: 'lost', text: loss }]
    return new OpenSqlite({
      ...registered,
      findings: [...lost, ...registered.findings],
      name,
      database,
      isGiven: own === undefined,
      settings,
      clock: opening.clock,
      wake: opening.wake,
      appended: opening.appended ?? opening.wake,
      sync,
      checkpoints,
      stored: ({ changes }) => owner?.committed(changes),
      closed: async () => {
        try {
          await checkpoints?.close()
          await sync?.close()
          // First what needs room: where there is none, it is not said to be closed, and its log is looked for.
          own?.exec('PRAGMA wal_checkpoint(PASSIVE)')
          owner?.settle()
          // Where somebody reads, the rest stays in the write-ahead log, and nothing is lost.
          own?.exec('PRAGMA wal_checkpoint(TRUNCATE)')
        } catch (error) {
          throw failureOf(error, name)
        } finally {
          own?.close()
          owner?.leave()
        }
      },
    })
  } catch (error) {
    void sync?.close() // Nothing is under way.
    connection?.own?.close()
    owner?.release()
    throw error
  }
}

/** `undefined` where SQLite is to sync by itself, or not. */
function syncOf(path: string, database: DatabaseSync, { name, settings }: Naming): WalSync | undefined {
  // Where there can be no write-ahead log, SQLite has another kind of journal, and syncs that.
  const { journal_mode: journal } = database.prepare('PRAGMA journal_mode').get() as { readonly journal_mode: string }
  if (settings.sync !== 'full' || journal !== 'wal') return undefined
  const sync = new WalSync(path, name)
  database.exec('PRAGMA synchronous = NORMAL')
  return sync
}

interface Naming {
  readonly name: string
  readonly settings: SqliteSettings
}

/** Rises with each transaction. */
function changesOf(database: SqliteDatabase): number {
  const { turn, tail } = database.prepare(LOG).get() as { readonly turn: number; readonly tail: number }
  return turn + tail
}

interface Connection {
  readonly database: SqliteDatabase
  /** Where it is the store's own, and not the caller's. */
  readonly own: DatabaseSync | undefined
}

function connect(path: string | undefined, given: SqliteDatabase | undefined): Connection {
  const own = given === undefined ? new DatabaseSync(path ?? ':memory:') : undefined
  // One of the two is there.
  const database = (given ?? own) as SqliteDatabase
  try {
    if (path !== undefined) checkLibrary(path, database)
    return { database, own }
  } catch (error) {
    own?.close()
    throw error
  }
}

interface Preparing {
  readonly database: SqliteDatabase
  readonly name: string
  readonly settings: SqliteSettings
  readonly opening: StoreOpening
}

/** Brings the file up to date, and registers the subscriptions: in one transaction. Gives how many changes it had before. */
function prepared({ database, name, settings, opening }: Preparing): Registered & { readonly changes: number } {
  const { sync, completion, forget } = settings
  if (isInTransaction(database)) {
    throw new StoreFailed(
      'STORE_FAILED',
      `${name}: a transaction is open on the database. End it before the bus starts.`,
    )
  }
  database.exec('PRAGMA journal_mode = WAL')
  database.exec(`PRAGMA synchronous = ${sync}`)
  database.exec('BEGIN IMMEDIATE')
  try {
    migrate(database, name, opening.service)
    const changes = changesOf(database)
    // Whoever works on the row alone has it as it is.
    database.exec(`UPDATE iambus_log SET (tail, clock, messages) = (SELECT tail, clock, messages FROM (${LOG}))`)
    const registered = register({
      database,
      subscriptions: opening.subscriptions,
      forget,
      beginning: beginningOf(completion),
    })
    database.exec('UPDATE iambus_log SET turn = turn + 1')
    database.exec('COMMIT')
    return { ...registered, changes }
  } catch (error) {
    if (isInTransaction(database)) database.exec('ROLLBACK')
    throw error
  }
}

/** Where a subscription begins that wants all there is; `pruned`: up to where finished messages have left the log. */
function beginningOf(completion: SqliteSettings['completion']): ((pruned: number) => number) | undefined {
  if (completion === 'delete') return undefined
  return completion === 'archive' ? () => 0 : (pruned) => pruned
}
