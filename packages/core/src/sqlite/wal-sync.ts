import fs from 'node:fs'
import { StoreFailed } from '../store-errors.ts'

/** A transaction that is committed, and that the disk may not have yet. */
export interface Committed {
  /** The position of the last message that was there before it. */
  readonly tailBefore: number
  /** Called when the disk has it; with a failure where it may never have. */
  told(failure: StoreFailed | undefined): void
}

const none: readonly Committed[] = []

/**
 * Has what is committed synced to the disk in a thread of Node's pool, while the event loop goes on: SQLite commits to its
 * write-ahead log without a sync (`synchronous = NORMAL`), and who waits for a transaction is told after one. Those that are
 * committed meanwhile share the next one.
 *
 * With `FULL`, SQLite would sync the same file at the same time, in the thread that commits (`walFrames()` in its `wal.c`): that
 * is all in which the two differ, where a write of one sector leaves its neighbours alone (`SQLITE_POWERSAFE_OVERWRITE`, which
 * is its default). With both, the log is synced before it is moved to the file, and its header before its frames.
 */
export class WalSync {
  readonly #name: string
  /** One for each way to sync: each is told once of what has failed, whoever else has been told. */
  readonly #descriptors: { readonly pool: number; readonly thread: number }
  /** What the sync that is under way is for. */
  #syncing: readonly Committed[] = none
  /** What has come since. */
  #waiting: Committed[] = []
  #isSyncing = false
  #failure: StoreFailed | undefined
  /** The first of what the disk may not have kept. */
  #lost: Committed | undefined
  #whenIdle: (() => void) | undefined

  /** @param path of the database, whose write-ahead log has to be there. */
  constructor(path: string, name: string) {
    this.#name = name
    const open = (): number => fs.openSync(`${path}-wal`, 'r+') // To be synced, it has to be writable on Windows.
    this.#descriptors = { pool: open(), thread: open() }
  }

  /** Whether somebody waits for a sync. */
  get isAwaited(): boolean {
    return this.#syncing.length > 0 || this.#waiting.length > 0
  }

  /** Up to which position messages are on the disk; `undefined` where all are. */
  get storedUpTo(): number | undefined {
    return (this.#lost ?? this.#syncing[0] ?? this.#waiting[0])?.tailBefore
  }

  /** Why nothing can be stored any more: a sync has failed. */
  get failure(): StoreFailed | undefined {
    return this.#failure
  }

  /** It is told when the disk has it, after all that was added before. */
  add(committed: Committed): void {
    this.#waiting.push(committed)
    if (!this.#isSyncing) this.#begin()
  }

  /** The same, with a sync in this thread: where one waits alone, to wait for another thread takes half as long again. */
  addNow(committed: Committed): void {
    this.#waiting.push(committed)
    this.now()
  }

  /** Syncs in this thread what was added so far. */
  now(): void {
    const committed = [...this.#syncing, ...this.#waiting]
    if (committed.length === 0) return
    this.#syncing = none
    this.#waiting = []
    let error: unknown
    try {
      fs.fdatasyncSync(this.#descriptors.thread)
    } catch (thrown) {
      error = thrown
    }
    this.#tell(committed, error)
  }

  #begin(): void {
    this.#isSyncing = true
    this.#syncing = this.#waiting
    this.#waiting = []
    fs.fdatasync(this.#descriptors.pool, this.#ended)
  }

  readonly #ended = (error: unknown): void => {
    const committed = this.#syncing
    this.#syncing = none
    this.#isSyncing = false
    if (this.#waiting.length > 0) this.#begin()
    else this.#whenIdle?.()
    this.#tell(committed, error ?? undefined)
  }

  #tell(committed: readonly Committed[], error: unknown): void {
    if (error !== undefined) {
      this.#failure ??= failed(this.#name, error as Error)
      this.#lost ??= committed[0]
    }
    for (const one of committed) one.told(this.#failure)
  }

  /** To be called when all have been told. Resolves when no thread is at it any more. */
  async close(): Promise<void> {
    if (this.#isSyncing) await new Promise<void>((resolve) => (this.#whenIdle = resolve))
    fs.closeSync(this.#descriptors.pool)
    fs.closeSync(this.#descriptors.thread)
  }
}

/** Another sync may succeed, and says nothing of what this one has lost: the kernel reports it once. */
function failed(name: string, error: Error): StoreFailed {
  const what = 'the disk did not keep what was written, and what was under way may be stored or not'
  const remedy = 'Look at the log of the machine, then start the process again: it goes on from what is in the file.'
  const text = `${name}: ${what} (${error.message}). Until then, nothing more is stored. ${remedy}`
  return new StoreFailed('STORE_FAILED', text, { cause: error })
}
