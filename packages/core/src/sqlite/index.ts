export type { BetterDatabase, NodeDatabase, SqliteDatabase, SqliteStatement, SqlValue } from './handle.ts'
export type { Completion } from '../ports/store-settings.ts'
export { sqlite } from './sqlite.ts'
export { SQLITE_DEFAULTS, type SqliteOptions, type SqliteSettings } from './settings.ts'
