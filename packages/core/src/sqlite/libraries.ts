import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { StoreFailed } from '../store-errors.ts'
import { isOpen, type SqliteDatabase } from './handle.ts'

// One for the process, also where this module is loaded twice.
const REGISTRY = Symbol.for('iambus.sqlite.connections')
type Registry = Map<string, WeakRef<SqliteDatabase>>

function registry(): Registry {
  const holder = globalThis as { [REGISTRY]?: Registry }
  return (holder[REGISTRY] ??= new Map())
}

/** The path of a file under its one name, whether it is there yet or not. */
export function canonical(path: string): string {
  const whole = resolve(path)
  // Where even its folder is not there, whoever opens the file says so.
  return realPath(whole) ?? join(realPath(dirname(whole)) ?? dirname(whole), basename(whole))
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

const libraryOf = (database: SqliteDatabase): string => ('inTransaction' in database ? 'better-sqlite3' : 'node:sqlite')

/**
 * Remembers which SQLite library a file is open with. Two of them in one process do not see each other's locks, and lose
 * committed rows without an error.
 *
 * @throws {StoreFailed} where a connection of another library is still open.
 */
export function checkLibrary(path: string, database: SqliteDatabase): void {
  const before = registry().get(path)?.deref()
  if (before !== undefined && isOpen(before) && libraryOf(before) !== libraryOf(database)) {
    const what = `${path} is open by ${libraryOf(before)} in this process, and ${libraryOf(database)} is to open it`
    const remedy =
      "Two libraries do not see each other's locks. Close that connection, or use it: sqlite({ database })."
    throw new StoreFailed('STORE_OWNED', `${what}. ${remedy}`)
  }
  registry().set(path, new WeakRef(database))
}
