import { AsyncLocalStorage } from 'node:async_hooks'
import { InvalidOption, TimedOut } from '../errors.ts'
import type { Clock } from '../ports/clock.ts'
import type { NewMessage } from '../ports/store.ts'
import { guarded } from './guarded-database.ts'
import type { SqliteDatabase } from './handle.ts'

export type Work = (tx: unknown) => readonly NewMessage[] | Promise<readonly NewMessage[]>

interface Running {
  readonly tx: unknown
  isLong: boolean
  isOpen: boolean
  end(): void
}

interface WorksParts {
  readonly database: SqliteDatabase
  /** Whether the connection is the caller's: then it is what a work is given, and a work must be synchronous. */
  readonly isGiven: boolean
  readonly clock: Clock
  readonly timeoutMs: number
}

/** Calls what writes the effects of a handler, in the transaction that is open, one at a time. */
export class Works {
  readonly #parts: WorksParts
  /** Which work the code that runs belongs to. One that is synchronous can wait for nothing, on the caller's connection. */
  readonly #insides = new AsyncLocalStorage<Running>()
  #running: Running | undefined

  constructor(parts: WorksParts) {
    this.#parts = parts
  }

  /** What was given to the work that runs. */
  get tx(): unknown {
    return this.#running?.tx
  }

  /** Whether the code that calls belongs to the work that runs. */
  get isInside(): boolean {
    return this.#running !== undefined && (this.#parts.isGiven || this.#insides.getStore() === this.#running)
  }

  /** Whether the work that runs has returned a promise. */
  get isLong(): boolean {
    return this.#running?.isLong === true
  }

  /** What it causes; a promise of it, from a work that takes its time, is rejected after `timeoutMs`. */
  call(work: Work): readonly NewMessage[] | Promise<readonly NewMessage[]> {
    const { database, isGiven } = this.#parts
    const guard = isGiven ? { tx: database, end: () => {} } : guarded(database)
    const running: Running = { ...guard, isLong: false, isOpen: true }
    this.#running = running
    try {
      const given = isGiven ? work(running.tx) : this.#insides.run(running, work, running.tx)
      if (!isPromise(given)) return given
      if (isGiven) {
        // Its outcome is nobody's: that it returned a promise at all is the failure.
        given.then(undefined, () => {})
        throw new InvalidOption(asynchronousOnGiven)
      }
      running.isLong = true
      return this.#within(given, running)
    } finally {
      if (!running.isLong) this.#end(running)
    }
  }

  #end(running: Running): void {
    running.isOpen = false
    running.end()
    this.#running = undefined
  }

  #within(given: Promise<readonly NewMessage[]>, running: Running): Promise<readonly NewMessage[]> {
    const { clock, timeoutMs } = this.#parts
    return new Promise((resolve, reject) => {
      const timer = clock.after(timeoutMs, () => {
        this.#end(running)
        reject(new TimedOut(`${tooLong} (commitTimeoutMs: ${timeoutMs}). ${tooLongRemedy}`))
      })
      const end = (settle: () => void): void => {
        if (!running.isOpen) return
        timer.cancel()
        this.#end(running)
        settle()
      }
      given.then(
        (caused) => end(() => resolve(caused)),
        (error: unknown) => end(() => reject(error)),
      )
    })
  }
}

const asynchronousOnGiven =
  'What was given to commit() returned a promise, and the store works on a connection of your own: whatever else is ' +
  'written to it meanwhile would be in the same transaction. Pass a synchronous function, or open the store by its path: ' +
  'sqlite(path).'
const tooLong = 'What was given to commit() took longer than it may'
const tooLongRemedy =
  'It was rolled back. Everything else that is to be stored waits for it: have it only write, and do the rest before. ' +
  'Perhaps it awaited a message that it had published itself, or that somebody published just before.'

function isPromise(value: unknown): value is Promise<readonly NewMessage[]> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function'
}

/** Why something cannot be stored, inside of somebody's work. */
export const insideWork: string =
  'Something was stored, and perhaps awaited, inside the function given to commit(): it can be stored only after that has ' +
  'ended, and that would wait for it. Cause messages by the context of the handler, before or inside of it, or publish after it.'

/** What somebody's work has done that it must not do. */
export const endedByWork: string =
  'the function given to commit() ended the transaction by itself. Leave BEGIN, COMMIT and ROLLBACK to the bus; SAVEPOINT is ' +
  'yours to use.'
