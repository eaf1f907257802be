import { Worker } from 'node:worker_threads'
import { isInTransaction, prepare, type SqliteDatabase, type SqliteStatement } from './handle.ts'

/** About how many pages of the write-ahead log are moved at a time: half as many as by SQLite itself, and so twice as soon. */
const PAGES = 500
/** From so many on that are not moved, whoever writes waits: the worker does not keep up. About 16 MB. */
const LIMIT = 4_000
/**
 * From so many pages on the log is made to begin again from its start, which it does by itself only where nobody writes for a
 * moment. The file is synced for that, and nobody may write meanwhile: where that was done after each thousand pages, it took an
 * eighth of the time of all that was written. About 32 MB.
 */
const LENGTH = 8_000
/** How much of a page of 4 096 bytes is filled, about. */
const FILLED_BYTES = 3_200
/** What a transaction writes at least: the last page of the messages, and else the rows of the log and of a claim too. */
const PAGES_EACH = { append: 1, other: 3 }

// Text, so that it runs from TypeScript, from `dist` and from a bundle alike. It says how many pages the log has.
const program = `
const { parentPort, workerData } = require('node:worker_threads')
const { DatabaseSync } = require('node:sqlite')
const database = new DatabaseSync(workerData)
const checkpoint = database.prepare('PRAGMA wal_checkpoint(PASSIVE)')
parentPort.on('message', () => {
  let length = 0
  try {
    length = checkpoint.get().log
  } finally {
    parentPort.postMessage(length)
  }
})
`

/**
 * Moves what is in the write-ahead log to the file, in a thread of its own: the event loop does not wait for the disk. Where
 * somebody writes all the time, the log grows until it is long; then what is left is moved while nobody may write, which is
 * little, and it begins again from its start.
 */
export class Checkpoints {
  readonly #path: string
  readonly #database: SqliteDatabase
  readonly #checkpoint: SqliteStatement
  #worker: Worker | undefined
  /** About how many have been written, and not been moved yet. */
  #pages = 0
  /** How many of them the worker is at. */
  #moving = 0
  /** What the worker is at: `most`, while others write, or `rest`, while nobody does. */
  #underWay: 'most' | 'rest' | undefined
  /** Whether only the rest is left. */
  #isNearlyDone = false
  #hasFailed = false
  #resume: (() => void) | undefined

  constructor(path: string, database: SqliteDatabase) {
    this.#path = path
    this.#database = database
    database.exec('PRAGMA wal_autocheckpoint = 0')
    this.#checkpoint = prepare(database, 'PRAGMA wal_checkpoint(PASSIVE)')
  }

  /** A transaction was committed, and added about so many bytes, and the pages that each of them writes. */
  committed({ bytes, isAppend }: { readonly bytes: number; readonly isAppend: boolean }): void {
    this.#pages += (isAppend ? PAGES_EACH.append : PAGES_EACH.other) + bytes / FILLED_BYTES
    if (this.#isNearlyDone) this.#moveRest()
    else if (this.#pages > PAGES && this.#underWay === undefined) this.#begin('most')
  }

  /** Whether nobody may write now; `resume` is called when somebody may. */
  mustWait(resume: () => void): boolean {
    const isFull = this.#pages > LIMIT && this.#underWay !== undefined
    if (this.#underWay !== 'rest' && !isFull) return false
    this.#resume = resume
    this.#worker?.ref() // Somebody waits for it.
    return true
  }

  #begin(what: 'most' | 'rest'): void {
    if (this.#hasFailed) {
      this.#moveAll()
      return
    }
    this.#underWay = what
    this.#moving = this.#pages
    this.#worker ??= this.#start()
    this.#worker?.postMessage('move')
  }

  /** It keeps no process alive, takes none of its arguments, and if it fails, checkpoints are made without it. */
  #start(): Worker | undefined {
    try {
      const worker = new Worker(program, {
        eval: true,
        workerData: this.#path,
        name: 'iambus checkpoints',
        execArgv: ['--no-warnings'],
        env: {},
      })
      worker.on('message', (length: number) => this.#moved(length))
      worker.on('error', () => this.#fail())
      worker.on('exit', () => this.#worker === worker && this.#fail())
      // After the listeners: one for messages holds the process again.
      worker.unref()
      return worker
    } catch {
      this.#fail()
      return undefined
    }
  }

  #moved(length: number): void {
    if (this.#worker === undefined) return // It is closed.
    const wasRest = this.#underWay === 'rest'
    this.#underWay = undefined
    // Where somebody reads for long, there are some that cannot be moved: that is not tried again for each transaction.
    this.#pages -= this.#moving
    // What was written meanwhile is not counted in its length.
    if (wasRest || length + this.#pages < LENGTH) {
      this.#letGoOn()
    } else if (isInTransaction(this.#database)) {
      this.#isNearlyDone = true
      this.#letGoOn()
    } else this.#moveRest()
  }

  #moveRest(): void {
    this.#isNearlyDone = false
    this.#begin('rest')
  }

  #letGoOn(): void {
    const resume = this.#resume
    if (resume === undefined) return
    this.#resume = undefined
    this.#worker?.unref()
    resume()
  }

  #fail(): void {
    this.#worker = undefined
    this.#hasFailed = true
    this.#underWay = undefined
    this.#letGoOn()
  }

  /** Without the thread. */
  #moveAll(): void {
    try {
      this.#checkpoint.get()
    } catch {
      // Nothing is lost by that: it stays in the write-ahead log, and is tried again later.
    }
    this.#pages = 0
  }

  /** Ends the worker; a checkpoint that it is making ends first. */
  async close(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    this.#worker = undefined
    worker.ref()
    await worker.terminate()
  }
}
