import { Worker } from 'node:worker_threads'
import { isInTransaction, prepare, type SqliteDatabase, type SqliteStatement } from './handle.ts'

/** About how many pages of the write-ahead log are worth a checkpoint: as many as SQLite's own default. */
const PAGES = 1_000
/** From so many on, whoever writes waits: the worker does not keep up. About 32 MB. */
const LIMIT = 8 * PAGES
/** How much of a page of 4 096 bytes is filled, about. */
const FILLED_BYTES = 3_200
/** What a transaction writes at least: the last page of the messages, and else the rows of the log and of a claim too. */
const PAGES_EACH = { append: 1, other: 3 }

/** The worker moves again what was written while it did so, until it is few pages, but so often at most. */
const FEW = 64
const PASSES = 4

// Text, so that it runs from TypeScript, from `dist` and from a bundle alike.
const program = `
const { parentPort, workerData } = require('node:worker_threads')
const { DatabaseSync } = require('node:sqlite')
const database = new DatabaseSync(workerData)
const checkpoint = database.prepare('PRAGMA wal_checkpoint(PASSIVE)')
parentPort.on('message', (passes) => {
  let left = Infinity
  try {
    for (let pass = 0; pass < passes && left > ${FEW}; pass += 1) {
      const { log, checkpointed } = checkpoint.get()
      left = log - checkpointed
    }
  } finally {
    parentPort.postMessage('moved')
  }
})
`

/**
 * Moves what is in the write-ahead log to the file, in a thread of its own: the event loop does not wait for the disk. What
 * was written meanwhile is moved at last while nobody writes, which is little; then the log begins again from its start.
 */
export class Checkpoints {
  readonly #path: string
  readonly #database: SqliteDatabase
  readonly #checkpoint: SqliteStatement
  #worker: Worker | undefined
  /** About how many were written since the last checkpoint. */
  #pages = 0
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
    this.#worker ??= this.#start()
    this.#worker?.postMessage(what === 'most' ? PASSES : 1)
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
      worker.on('message', () => this.#moved())
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

  #moved(): void {
    if (this.#worker === undefined) return // It is closed.
    const wasRest = this.#underWay === 'rest'
    this.#underWay = undefined
    if (wasRest) {
      // Where somebody reads for long, there is a rest that cannot be moved: it is not tried again for each transaction.
      this.#pages = 0
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
