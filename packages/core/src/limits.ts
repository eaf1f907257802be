import type { Capacity } from './delivery/capacity.ts'
import type { Pool } from './engine/pool.ts'
import { InvalidOption, shown } from './errors.ts'
import { type CapacityMarks, checkCapacity, checkWorkers } from './options.ts'

/** How many deliveries may run at a time, of whatever it is the limit of. */
export class WorkerLimit {
  readonly #where: string
  readonly #pool: Pool
  readonly #changed: () => void

  constructor(where: string, pool: Pool, changed: () => void) {
    this.#where = where
    this.#pool = pool
    this.#changed = changed
  }

  get workers(): number {
    return this.#pool.limit
  }

  /** @throws {InvalidOption} for what is neither a whole number from 1 on nor `Infinity`. */
  set workers(workers: number) {
    this.#pool.limit = checkWorkers(this.#where, workers)
    this.#changed()
  }
}

/** What limits are made over. */
export interface LimitParts {
  readonly pool: Pool
  readonly routerPools: { readonly event: Pool; readonly command: Pool; readonly query: Pool }
  /** The pool of a handler by its name, as `events/update-search`. */
  readonly poolOf: (handler: string) => Pool | undefined
  readonly capacity: Capacity
  /** To be called when more may run than before. */
  readonly changed: () => void
}

/**
 * The limits of a dispatcher, to be read and changed while it runs: `dp.limits.workers = 8`. The last value wins; a lower
 * one takes no work away from whoever has it.
 */
export class Limits extends WorkerLimit {
  readonly events: WorkerLimit
  readonly commands: WorkerLimit
  readonly queries: WorkerLimit
  readonly #parts: LimitParts

  constructor(parts: LimitParts) {
    super('', parts.pool, parts.changed)
    this.#parts = parts
    this.events = new WorkerLimit('events.', parts.routerPools.event, parts.changed)
    this.commands = new WorkerLimit('commands.', parts.routerPools.command, parts.changed)
    this.queries = new WorkerLimit('queries.', parts.routerPools.query, parts.changed)
  }

  /** The limit of one handler, by its name. @throws {InvalidOption} for a name that none has. */
  handler(name: string): WorkerLimit {
    const pool = this.#parts.poolOf(name)
    if (pool === undefined) {
      throw new InvalidOption(`There is no handler ${shown(name)}. Name one as its context does: 'events/update-search'.`)
    }
    return new WorkerLimit(`${name}: `, pool, this.#parts.changed)
  }

  get capacity(): CapacityMarks {
    return this.#parts.capacity.marks
  }

  /** @throws {InvalidOption} for marks that are no counts, or a low one above the high one. */
  set capacity(marks: CapacityMarks) {
    this.#parts.capacity.marks = checkCapacity(marks)
  }
}
