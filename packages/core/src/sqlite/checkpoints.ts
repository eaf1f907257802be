import { Worker } from 'node:worker_threads'
import { isInTransaction, prepare, type SqliteDatabase, type SqliteStatement } from './handle.ts'

/** About how many pages of the write-ahead log are worth a checkpoint: as many as SQLite's own default. */
const PAGES = 1_000
/** From so many on, whoever writes makes a checkpoint itself: the worker does not keep up. About 32 MB. */
const LIMIT = 8 * PAGES
/** How much of a page of 4 096 bytes is filled, about. */
const FILLED_BYTES = 3_200
/** What each transaction writes at least: the rows of the log and of a claim, and the last page of the messages. */
const PAGES_EACH = 3

/** The worker moves again what was written while it did so, until it is few pages, but so often at most. */
const FEW = 64
const PASSES = 4

// Text, so that it runs from TypeScript, from `dist` and from a bundle alike.
const program = `
const { parentPort, workerData } = require('node:worker_threads')
const { DatabaseSync } = require('node:sqlite')
const database = new DatabaseSync(workerData)
const checkpoint = database.prepare('PRAGMA wal_checkpoint(PASSIVE)')
parentPort.on('message', () => {
  try {
    for (let pass = 0, left = Infinity; pass < ${PASSES} && left > ${FEW}; pass += 1) {
      const { log, checkpointed } = checkpoint.get()
      left = log - checkpointed
    }
  } finally {
    parentPort.postMessage('done')
  }
})
`

/** What a checkpoint gives: how many pages are in the write-ahead log, and how many of them are in the file by now. */
interface CheckpointRow {
  readonly busy: number
  readonly log: number
  readonly checkpointed: number
}

/**
 * Moves what is in the write-ahead log to the file, in a thread of its own: the writer does not wait for the disk. What was
 * written meanwhile, the writer moves itself, which is little; then all is moved, and the log begins again from its start.
 */
export class Checkpoints {
  readonly #path: string
  readonly #database: SqliteDatabase
  readonly #checkpoint: SqliteStatement
  #worker: Worker | undefined
  #pages = 0
  #isBusy = false
  #isToFinish = false
  #hasFailed = false

  constructor(path: string, database: SqliteDatabase) {
    this.#path = path
    this.#database = database
    database.exec('PRAGMA wal_autocheckpoint = 0')
    this.#checkpoint = prepare(database, 'PRAGMA wal_checkpoint(PASSIVE)')
  }

  /** A transaction was committed, and added about so many bytes. */
  committed(bytes: number): void {
    this.#pages += PAGES_EACH + bytes / FILLED_BYTES
    if (this.#isToFinish || this.#pages > LIMIT) this.#finish()
    else if (this.#pages > PAGES && !this.#isBusy) this.#begin()
  }

  #begin(): void {
    if (this.#hasFailed) {
      this.#finish()
      return
    }
    this.#isBusy = true
    this.#worker ??= this.#start()
    this.#worker?.postMessage('begin')
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
      worker.on('message', () => {
        this.#isBusy = false
        this.#isToFinish = true
        if (!isInTransaction(this.#database)) this.#finish()
      })
      worker.on('error', () => this.#fail())
      // After the listeners: one for messages holds the process again.
      worker.unref()
      return worker
    } catch {
      this.#fail()
      return undefined
    }
  }

  #fail(): void {
    this.#worker = undefined
    this.#hasFailed = true
    this.#isBusy = false
  }

  #finish(): void {
    this.#isToFinish = false
    try {
      const { busy, log, checkpointed } = this.#checkpoint.get() as CheckpointRow
      // While the thread is at it, nobody else can be: then it is tried again after the next commit.
      if (busy === 0) this.#pages = log - checkpointed
    } catch {
      // Nothing is lost by that: it stays in the write-ahead log, and is tried again later.
      this.#pages = 0
    }
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
