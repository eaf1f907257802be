import { existsSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import { StoreFailed } from '../store-errors.ts'
import { failureOf, isBusy } from './failure.ts'

interface OwnerRow {
  readonly pid: number
  readonly host: string
  readonly since: number
  readonly is_closed: number
}

/**
 * The one owner of a file, by a lock on a small database beside it, `<file>.owner`: a transaction that is open for as long as
 * the file is. It reserves the file for writing, and others may still read who it is. A process that dies loses its lock.
 *
 * The row outlives it, and says whether the last owner has closed the file.
 */
export class Owner {
  readonly #sidecar: DatabaseSync
  readonly #path: string
  #hasBegun = false
  /** What may have been lost since the last owner, in words. */
  readonly lost: string | undefined

  /** @throws {StoreFailed} with `STORE_OWNED`. */
  constructor(path: string) {
    this.#path = path
    try {
      this.#sidecar = new DatabaseSync(`${path}.owner`, { timeout: 0 })
    } catch (error) {
      throw failureOf(error, `${path}.owner`)
    }
    try {
      this.#lock()
      this.#sidecar.exec(`CREATE TABLE IF NOT EXISTS owner (
        id INTEGER PRIMARY KEY CHECK (id = 1), pid INTEGER, host TEXT, since INTEGER, is_closed INTEGER)`)
      this.lost = lostSince(this.#row(), path)
    } catch (error) {
      this.#sidecar.close()
      throw failureOf(error, `${path}.owner`)
    }
  }

  #lock(): void {
    try {
      this.#sidecar.exec('BEGIN IMMEDIATE')
    } catch (error) {
      if (!isBusy(error)) throw error
      const remedy = 'Close that one first, or give this one a file of its own: several processes cannot share one.'
      throw new StoreFailed('STORE_OWNED', `${this.#path} is open${this.#who()}. ${remedy}`, { cause: error })
    }
  }

  #row(): OwnerRow | undefined {
    return this.#sidecar.prepare('SELECT pid, host, since, is_closed FROM owner').get() as OwnerRow | undefined
  }

  #who(): string {
    try {
      const row = this.#row()
      if (row === undefined || row.is_closed === 1) return ' elsewhere'
      return `, by process ${row.pid} on ${row.host}, since ${new Date(row.since).toISOString()}`
    } catch {
      // It is just being made, or written.
      return ' elsewhere'
    }
  }

  /** Records who owns it. From now on, messages are written. */
  begin(): void {
    this.#hasBegun = true
    this.#record(0)
    this.#lock()
  }

  #record(isClosed: 0 | 1): void {
    this.#sidecar
      .prepare('INSERT OR REPLACE INTO owner (id, pid, host, since, is_closed) VALUES (1, ?, ?, ?, ?)')
      .run(process.pid, hostname(), Date.now(), isClosed)
    this.#sidecar.exec('COMMIT')
  }

  /** Records that all is stored: whatever becomes of the write-ahead log now, its owner means it. */
  settle(): void {
    this.#hasBegun = false
    this.#record(1)
    this.#lock()
  }

  /** Gives it up; one that had not begun leaves what was recorded of the last owner. */
  release(): void {
    this.#leave(this.#hasBegun)
  }

  /** The same, where it could not be settled: it is, if SQLite has moved all there was when the connection was closed. */
  leave(): void {
    this.#leave(this.#hasBegun && isEmpty(`${this.#path}-wal`))
  }

  #leave(isSettled: boolean): void {
    try {
      if (isSettled) this.settle()
    } finally {
      this.#sidecar.close()
    }
  }
}

/**
 * What the last owner had written since the last checkpoint is in the write-ahead log only. And the file has its first page as
 * soon as it has an owner; SQLite throws away a log whose file is empty.
 */
function lostSince(row: OwnerRow | undefined, path: string): string | undefined {
  if (row === undefined) return undefined
  const who = `process ${row.pid} on ${row.host}, since ${new Date(row.since).toISOString()}`
  if (isEmpty(path)) {
    const remedy = `Bring back a backup; or, where it is meant to begin anew, delete ${path}.owner too.`
    return `${path} is missing or empty, and had an owner (${who}): all that was stored in it is lost. ${remedy}`
  }
  const wal = `${path}-wal`
  if (row.is_closed === 1 || !isEmpty(wal)) return undefined
  return (
    `The last owner of ${path} (${who}) has not closed it, and its write-ahead log ${wal} is missing. What was stored last ` +
    'may be lost, unless another program has opened the file since and moved it there. Never delete or leave behind a -wal.'
  )
}

function isEmpty(path: string): boolean {
  return !existsSync(path) || statSync(path).size === 0
}
