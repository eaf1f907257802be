import type { Progress } from '../../../src/ports/progress.ts'
import type { Exception, LoggedMessage, NewMessage, StoredDeadLetter, TypeRange } from '../../../src/ports/store.ts'
import { StoreFailed } from '../../../src/store-errors.ts'

/** Your tables. A row is replaced, and never changed. */
export interface Rows {
  /** A table of one row: whose messages these are, the time of the last write, the last position, how many have died. */
  meta: { readonly service: string | undefined; readonly time: number; readonly tail: number; readonly deaths: number }
  /** By position. */
  log: readonly LoggedMessage[]
  /** Until when each id is remembered. */
  readonly seen: Map<string, number>
  /** What is not due yet, in the order in which it was given. */
  delayed: readonly (NewMessage & { readonly dueAt: number })[]
  readonly subscriptions: Map<string, SubscriptionRow>
  /** By subscription and position. */
  readonly exceptions: Map<string, Exception & { readonly subscription: string }>
  /** By id; `at` is which death it was. */
  readonly letters: Map<string, { readonly at: number; readonly letter: StoredDeadLetter }>
  readonly schedules: Map<string, number>
  /** Stands for the tables of whoever uses the bus. */
  readonly effects: Map<number, string>
}

export interface SubscriptionRow {
  readonly name: string
  readonly epoch: number
  readonly isClean: boolean
  /** Three columns: `cursor`, `reach` and `finished`, its bits. */
  readonly progress: Progress
  readonly takes: readonly TypeRange[]
}

/** Stands for your database, and for one connection to it: what it has committed is all that a crash leaves. */
export class Database {
  #committed: Rows = {
    meta: { service: undefined, time: 0, tail: 0, deaths: 0 },
    log: [],
    seen: new Map(),
    delayed: [],
    subscriptions: new Map(),
    exceptions: new Map(),
    letters: new Map(),
    schedules: new Map(),
    effects: new Map(),
  }
  #session: object | undefined

  /** What is committed, to be read: an open transaction is nobody's to read. */
  get rows(): Readonly<Rows> {
    return this.#committed
  }

  /** Whoever has it open. A lock that a dead process does not keep: of a file, or of a session of a server. */
  get session(): object | undefined {
    return this.#session
  }

  connect(session: object): void {
    this.#session = session
  }

  /** Ends the session, in order or by a crash: nothing of it is committed any more. */
  disconnect(): void {
    this.#session = undefined
  }

  /**
   * `BEGIN`, `run`, `COMMIT`; and `ROLLBACK` where `run` throws. Here nothing comes in between. On a server, `COMMIT` may fail, or
   * its answer may be lost: then find out whether it was done before you reject.
   */
  transaction<T>(session: object, run: (rows: Rows) => T): T {
    if (session !== this.#session) throw closed()
    const was = this.#committed
    const rows: Rows = {
      ...was,
      seen: new Map(was.seen),
      subscriptions: new Map(was.subscriptions),
      exceptions: new Map(was.exceptions),
      letters: new Map(was.letters),
      schedules: new Map(was.schedules),
      effects: new Map(was.effects),
    }
    const result = run(rows)
    this.#committed = rows
    return result
  }
}

export function closed(): StoreFailed {
  return new StoreFailed('STORE_CLOSED', 'The skeleton was closed. Open it again, and use what that gives.')
}
