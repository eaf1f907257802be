import { asError } from '../errors.ts'
import { StoreFailed, type StoreFailure } from '../store-errors.ts'

// The primary result codes of SQLite (sqlite.org/rescode.html) that are about the file or the disk, and by which name
// `better-sqlite3` calls them.
const BUSY = 5
const LOCKED = 6
const primaries: Readonly<Record<string, number>> = {
  SQLITE_BUSY: BUSY,
  SQLITE_LOCKED: LOCKED,
  SQLITE_NOMEM: 7,
  SQLITE_READONLY: 8,
  SQLITE_IOERR: 10,
  SQLITE_CORRUPT: 11,
  SQLITE_FULL: 13,
  SQLITE_CANTOPEN: 14,
  SQLITE_NOTADB: 26,
}
/** An `IOERR` that says that the file ends too early. */
const SHORT_READ = 522

const remedies: Readonly<Record<number, readonly [code: StoreFailure, remedy: string]>> = {
  [BUSY]: ['STORE_FAILED', 'Another connection writes to the file: have it end its transactions, and try again.'],
  [LOCKED]: ['STORE_FAILED', 'Another statement holds a table: have it end, and try again.'],
  7: ['STORE_FAILED', 'There is no memory left. Nothing was stored; try again.'],
  8: ['STORE_READ_ONLY', 'Make the file, its folder, and its -wal and -shm files writable for this process.'],
  10: ['STORE_FAILED', 'The disk failed. Look at the log of the machine. Nothing was stored; try again.'],
  11: [
    'STORE_DAMAGED',
    'Stop, keep a copy of all its files, and bring back a backup, or try sqlite3 .recover on the copy.',
  ],
  13: ['STORE_FULL', 'Make room on the disk. Nothing was stored; what comes later is tried anew.'],
  14: ['STORE_FAILED', 'Check that its folder is there, and that this process may write to it.'],
  26: ['STORE_DAMAGED', 'It is no SQLite database, or is encrypted. Check the path, or bring back a backup.'],
}

/** The primary result code, where it is an error of SQLite about the file or the disk, or about locks. */
function primaryOf(error: unknown): number | undefined {
  const { code, errcode } = (error ?? {}) as { readonly code?: unknown; readonly errcode?: unknown }
  if (typeof errcode === 'number') {
    if (errcode === SHORT_READ) return 11
    const primary = errcode & 0xff
    return primary in remedies ? primary : undefined
  }
  if (typeof code !== 'string') return undefined
  if (code === 'SQLITE_IOERR_SHORT_READ') return 11
  return primaries[code] ?? primaries[code.split('_').slice(0, 2).join('_')]
}

/** Whether what failed was the file or the disk, and not one statement. */
export function isOfTheFile(error: unknown): boolean {
  return primaryOf(error) !== undefined
}

/** Whether another connection has the lock: to be tried again. */
export function isBusy(error: unknown): boolean {
  return primaryOf(error) === BUSY
}

/** The failure of a store, from whatever was thrown by its driver. */
export function failureOf(thrown: unknown, name: string): StoreFailed {
  if (thrown instanceof StoreFailed) return thrown
  const error = asError(thrown)
  const [code, remedy] = remedies[primaryOf(thrown) ?? -1] ?? ['STORE_FAILED', 'Nothing was stored; try again.']
  return new StoreFailed(code, `${name}: ${error.message}. ${remedy}`, { cause: error })
}
