import type { Kind } from '../message/kind.ts'
import type { Binding } from '../routing/binding.ts'
import type { Delivery } from './delivery.ts'
import { Lanes } from './lanes.ts'
import { Pool } from './pool.ts'

/** Where the deliveries of one handler wait. */
export interface HandlerPlaces {
  readonly lanes: Lanes
  readonly pool: Pool
}

/**
 * The lanes and pools of all handlers. They outlive a stop and a new start: a handler that outlived its deadline still
 * holds its lane and its worker.
 */
export class Places {
  /** The workers of the dispatcher. */
  readonly pool: Pool = new Pool()
  /** Below it, those of each router. */
  readonly routerPools: Readonly<Record<Kind, Pool>> = {
    event: new Pool(this.pool),
    command: new Pool(this.pool),
    query: new Pool(this.pool),
  }
  /** Whether there has been a limit. Until then no pool is counted: an unlimited bus does not pay for limits. */
  limited = false
  readonly #byBinding = new Map<Binding, HandlerPlaces>()
  readonly #running: () => readonly Delivery[]

  /** @param running gives whatever has a worker. */
  constructor(running: () => readonly Delivery[]) {
    this.#running = running
  }

  of(binding: Binding): HandlerPlaces {
    let places = this.#byBinding.get(binding)
    if (places === undefined) {
      places = { lanes: new Lanes(), pool: new Pool(this.routerPools[binding.router]) }
      this.#byBinding.set(binding, places)
      if (binding.workers !== undefined) this.setLimit(places.pool, binding.workers)
    }
    return places
  }

  setLimit(pool: Pool, limit: number): void {
    if (!this.limited && limit < Number.POSITIVE_INFINITY) {
      this.limited = true
      for (const { target } of this.#running()) target.pool.enter()
    }
    pool.limit = limit
  }
}
