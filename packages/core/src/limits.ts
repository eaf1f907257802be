import type { Capacity } from './delivery/capacity.ts'
import { refuseDeadlocked } from './engine/deadlock.ts'
import type { Engine } from './engine/engine.ts'
import type { Pool } from './engine/pool.ts'
import { InvalidOption, shown } from './errors.ts'
import { type CapacityMarks, checkCapacity, checkWorkers } from './options.ts'
import { routerName } from './routing/binding.ts'
import type { Router } from './routing/router.ts'
import { nameHandlers } from './routing/wiring.ts'

/** How many deliveries may run at a time, of whatever it is the limit of. */
export class WorkerLimit {
  readonly #where: string
  readonly #pool: Pool
  readonly #engine: Engine

  constructor(where: string, pool: Pool, engine: Engine) {
    this.#where = where
    this.#pool = pool
    this.#engine = engine
  }

  get workers(): number {
    return this.#pool.limit
  }

  /** @throws {InvalidOption} for what is neither a whole number from 1 on nor `Infinity`. */
  set workers(workers: number) {
    const engine = this.#engine
    const isLower = workers < this.#pool.limit
    engine.places.setLimit(this.#pool, checkWorkers(this.#where, workers))
    engine.pump()
    if (isLower) for (const { rest } of engine.running()) refuseDeadlocked(rest?.requests ?? [], engine)
  }
}

/** What limits are made over. */
export interface LimitParts {
  readonly engine: Engine
  readonly capacity: Capacity
  readonly routers: () => readonly Router[]
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
    const { engine } = parts
    super('', engine.places.pool, engine)
    this.#parts = parts
    this.events = new WorkerLimit('events.', engine.places.routerPools.event, engine)
    this.commands = new WorkerLimit('commands.', engine.places.routerPools.command, engine)
    this.queries = new WorkerLimit('queries.', engine.places.routerPools.query, engine)
  }

  /** The limit of one handler, by its name, as `'events/update-search'`. @throws {InvalidOption} for a name none has. */
  handler(name: string): WorkerLimit {
    const { engine, routers } = this.#parts
    const named = routers().flatMap(({ bindings }) => [...nameHandlers(bindings)])
    const byName = new Map(named.map(([binding, ownName]) => [`${routerName[binding.router]}/${ownName}`, binding]))
    const binding = byName.get(name)
    if (binding !== undefined) return new WorkerLimit(`${name}: `, engine.places.of(binding).pool, engine)
    throw new InvalidOption(
      `There is no handler ${shown(name)}. There are: ${[...byName.keys()].join(', ') || 'none'}.`,
    )
  }

  get capacity(): CapacityMarks {
    return this.#parts.capacity.marks
  }

  /** @throws {InvalidOption} for marks that are no counts, or a low one above the high one. */
  set capacity(marks: CapacityMarks) {
    this.#parts.capacity.marks = checkCapacity(marks)
  }
}
