import { InvalidOption, shown } from '../errors.ts'

/** What a driver binds and gives. */
export type SqlValue = null | number | bigint | string | Uint8Array

/** A prepared statement, as both drivers have it. */
export interface SqliteStatement {
  run(...values: SqlValue[]): { readonly changes: number | bigint }
  get(...values: SqlValue[]): unknown
  all(...values: SqlValue[]): unknown[]
}

interface Connection {
  prepare(sql: string): SqliteStatement
  exec(sql: string): unknown
}

/** A `DatabaseSync` of `node:sqlite`. */
export interface NodeDatabase extends Connection {
  readonly isOpen: boolean
  readonly isTransaction: boolean
  location(): string | null
}

/** A `Database` of `better-sqlite3`. */
export interface BetterDatabase extends Connection {
  readonly open: boolean
  readonly inTransaction: boolean
  readonly name: string
  readonly memory: boolean
}

/** An open connection of the caller's own. */
export type SqliteDatabase = NodeDatabase | BetterDatabase

/** @throws {InvalidOption} for what is no open connection of either driver. */
export function checkDatabase(value: unknown): SqliteDatabase {
  const database = value as Partial<NodeDatabase & BetterDatabase> | null
  const hasMethods = typeof database?.prepare === 'function' && typeof database.exec === 'function'
  const hasState = typeof database?.inTransaction === 'boolean' || typeof database?.location === 'function'
  if (!hasMethods || !hasState) {
    const remedy = 'Pass a DatabaseSync of node:sqlite (Node.js 22.16 or later), or a Database of better-sqlite3.'
    throw new InvalidOption(`The database given to sqlite() is ${shown(value)}. ${remedy}`)
  }
  const handle = database as SqliteDatabase
  if (isOpen(handle)) return handle
  throw new InvalidOption(
    'The database given to sqlite() is closed. Pass one that is open, and close it after the bus.',
  )
}

export function isOpen(database: SqliteDatabase): boolean {
  return 'inTransaction' in database ? database.open : database.isOpen
}

/** Whether a transaction is open on it; a connection that was closed has none. */
export function isInTransaction(database: SqliteDatabase): boolean {
  if ('inTransaction' in database) return database.open && database.inTransaction
  return database.isOpen && database.isTransaction
}

/** The path of its file; `undefined` where it is in memory. */
export function fileOf(database: SqliteDatabase): string | undefined {
  if ('inTransaction' in database) return database.memory || database.name === '' ? undefined : database.name
  const location = database.location()
  // A temporary database has an empty name.
  return location === null || location === '' ? undefined : location
}

/** What statements have to set how they give their rows; of each driver, some. */
interface RowSettings {
  setReadBigInts?(isOn: boolean): unknown
  setReturnArrays?(isOn: boolean): unknown
  safeIntegers?(isOn: boolean): unknown
  raw?(isOn: boolean): unknown
}

/**
 * A statement that gives numbers, and objects or arrays, whatever the caller has set for a connection of its own. Arrays take
 * half as long.
 */
export function prepare(
  database: SqliteDatabase,
  sql: string,
  rows: 'objects' | 'arrays' = 'objects',
): SqliteStatement {
  const statement = database.prepare(sql)
  const settings = statement as RowSettings
  settings.setReadBigInts?.(false)
  settings.setReturnArrays?.(rows === 'arrays')
  settings.safeIntegers?.(false)
  if (rows === 'arrays') settings.raw?.(true) // Statements without rows refuse it.
  return statement
}
