import { existsSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import { StoreFailed } from '../store-errors.ts'
import { failureOf, isBusy } from './failure.ts'
import { ChangesFile } from './changes-file.ts'

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
  readonly #changes: ChangesFile
  /** The last owner. */
  readonly #last: OwnerRow | undefined
  /** Whether there is nothing in the file, before anybody has opened it. */
  readonly #isEmpty: boolean
  #hasBegun = false

  /** @throws {StoreFailed} with `STORE_OWNED`. */
  constructor(path: string) {
    this.#path = path
    this.#changes = new ChangesFile(path)
    try {
      this.#sidecar = new DatabaseSync(`${path}.owner`, { timeout: 0 })
    } catch (error) {
      throw failureOf(error, `${path}.owner`)
    }
    try {
      this.#lock()
      this.#sidecar.exec(`CREATE TABLE IF NOT EXISTS owner (
        id INTEGER PRIMARY KEY CHECK (id = 1), pid INTEGER, host TEXT, since INTEGER, is_closed INTEGER)`)
      this.#last = this.#row()
      this.#isEmpty = isEmpty(path)
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

  /**
   * What the file has lost since the last owner, in words. That one may have died, and what it has written is in the write-ahead
   * log; but nobody can have taken a change back.
   *
   * @param changes how many there are in the file.
   */
  lost(changes: number): string | undefined {
    const last = this.#last
    if (last === undefined) return undefined
    const who = `process ${last.pid} on ${last.host}, since ${new Date(last.since).toISOString()}`
    if (this.#isEmpty) {
      const remedy = `Bring back a backup; or, where it is meant to begin anew, delete ${this.#path}.owner too.`
      return `${this.#path} is missing or empty, and had an owner (${who}): all that was stored in it is lost. ${remedy}`
    }
    const missing = last.is_closed === 1 ? 0 : this.#changes.last - changes
    if (missing <= 0) return undefined
    return (
      `the last ${missing} changes of its last owner (${who}) are not in ${this.#path}. Has its ${this.#path}-wal been ` +
      'deleted, or left behind when it was moved, or was the file replaced by a backup? Compare with whoever sent the messages.'
    )
  }

  /** Records who owns it. From now on, messages are written. @param changes how many there are in the file. */
  begin(changes: number): void {
    this.#hasBegun = true
    this.#record(0)
    this.#lock()
    this.#changes.open(changes)
  }

  /** More is in the file. */
  committed(changes: number): void {
    this.#changes.write(changes)
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
    this.#changes.remove()
  }

  /** Gives it up; one that had not begun leaves what was recorded of the last owner. */
  release(): void {
    try {
      if (this.#hasBegun) this.settle()
    } finally {
      this.leave()
    }
  }

  /** Gives it up, and leaves what is recorded. */
  leave(): void {
    this.#changes.close()
    this.#sidecar.close()
  }
}

function isEmpty(path: string): boolean {
  return !existsSync(path) || statSync(path).size === 0
}
