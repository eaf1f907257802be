import { DatabaseSync } from 'node:sqlite'
import { basename } from 'node:path'
import { InvalidOption, shown } from '../errors.ts'
import type { OpenStore, Store, StoreOpening } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'
import { failureOf } from './failure.ts'
import { checkDatabase, fileOf, isInTransaction, type SqliteDatabase } from './handle.ts'
import { OpenSqlite } from './open-sqlite.ts'
import { register, type Registered } from './registration.ts'
import { migrate } from './schema.ts'
import { type SqliteOptions, type SqliteSettings, settingsOf } from './settings.ts'

/**
 * A store in a file of SQLite, for one process.
 *
 * ```ts
 * new Dispatcher({ store: sqlite('bus.db') })
 * new Dispatcher({ store: sqlite({ database }) })   // in your own database: publish(message, { tx: database })
 * ```
 *
 * By its path, the store has a connection of its own (`node:sqlite`). Given a `database`, it works on that connection, and
 * leaves it open when it closes. All its tables are named `iambus_...`. Never put the file on a network file system.
 *
 * @throws {InvalidOption} for what is neither, and for an option that cannot be.
 */
export function sqlite(target: string | { readonly database: SqliteDatabase }, options?: SqliteOptions): Store {
  const settings = settingsOf(options)
  if (typeof target === 'string' && target !== '') return new SqliteStore(target, undefined, settings)
  if (typeof target === 'object' && target !== null && 'database' in target) {
    const database = checkDatabase(target.database)
    return new SqliteStore(fileOf(database), database, settings)
  }
  throw new InvalidOption(`sqlite() was given ${shown(target)}. Pass the path of a file, or { database }.`)
}

class SqliteStore implements Store {
  readonly name: string
  readonly isShared = false
  readonly #path: string | undefined
  readonly #given: SqliteDatabase | undefined
  readonly #settings: SqliteSettings

  constructor(path: string | undefined, given: SqliteDatabase | undefined, settings: SqliteSettings) {
    this.#path = path === ':memory:' ? undefined : path
    this.#given = given
    this.#settings = settings
    this.name = `sqlite ${this.#path === undefined ? 'in memory' : basename(this.#path)}`
  }

  async open(opening: StoreOpening): Promise<OpenStore> {
    try {
      return this.#open(opening)
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #open(opening: StoreOpening): OpenStore {
    const database = this.#given ?? new DatabaseSync(this.#path ?? ':memory:', { timeout: 100 })
    const { name } = this
    const settings = this.#settings
    if (isInTransaction(database)) {
      throw new StoreFailed('STORE_FAILED', `${name}: a transaction is open on the database. End it, and start then.`)
    }
    const isShared = this.#given !== undefined
    const registered = prepare({ database, name, settings, opening })
    const closed = async (): Promise<void> => {
      if (!isShared) (database as DatabaseSync).close()
    }
    return new OpenSqlite({
      ...registered,
      name,
      database,
      isShared,
      settings,
      closed,
      clock: opening.clock,
      wake: opening.wake,
      committed: () => {},
    })
  }

  #failure(error: unknown): unknown {
    return error instanceof Error && 'problems' in error ? error : failureOf(error, this.name)
  }
}

interface Preparing {
  readonly database: SqliteDatabase
  readonly name: string
  readonly settings: SqliteSettings
  readonly opening: StoreOpening
}

/** Brings the file up to date, and registers the subscriptions: in one transaction. */
function prepare({ database, name, settings, opening }: Preparing): Registered {
  const { sync, completion, forget } = settings
  database.exec('PRAGMA journal_mode = WAL')
  database.exec(`PRAGMA synchronous = ${sync}`)
  database.exec('BEGIN IMMEDIATE')
  try {
    migrate(database, name, opening.service)
    const beginning =
      completion === 'delete' ? undefined : (pruned: number): number => (completion === 'archive' ? 0 : pruned)
    const registered = register({ database, subscriptions: opening.subscriptions, forget, beginning })
    database.exec('COMMIT')
    return registered
  } catch (error) {
    if (isInTransaction(database)) database.exec('ROLLBACK')
    throw error
  }
}
