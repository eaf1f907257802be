import { Pool, type PoolConfig } from 'pg'
import type { PostgresClient, PostgresPool, PostgresResult } from '../../../src/postgres/index.ts'

interface Prepared {
  readonly name: string
  readonly text: string
  readonly values: unknown[]
}

/** How long a statement took. */
export interface Timing {
  count: number
  totalMs: number
  maxMs: number
}

/** A pool of `pg` that measures how long the answers of prepared statements take, by their names. */
export class TimedPool implements PostgresPool {
  readonly pool: Pool
  #timings = new Map<string, Timing>()

  constructor(config: PoolConfig) {
    this.pool = new Pool(config)
    this.pool.on('error', () => {})
  }

  /** Since it was last asked. */
  take(): ReadonlyMap<string, Timing> {
    const taken = this.#timings
    this.#timings = new Map()
    return taken
  }

  async connect(): Promise<PostgresClient> {
    const client = await this.pool.connect()
    return {
      query: async (given: string | Prepared, params?: unknown[]): Promise<PostgresResult> => {
        if (typeof given === 'string') return client.query(given, params)
        const start = performance.now()
        const result = await client.query(given)
        this.#add(given.name.split(' ').at(-1) ?? '', performance.now() - start)
        return result
      },
      release: (destroy) => client.release(destroy),
      on: (event, listener) => client.on(event as 'error', listener),
      removeListener: (event, listener) => client.removeListener(event, listener),
    }
  }

  #add(name: string, ms: number): void {
    const timing = this.#timings.get(name) ?? { count: 0, totalMs: 0, maxMs: 0 }
    timing.count += 1
    timing.totalMs += ms
    timing.maxMs = Math.max(timing.maxMs, ms)
    this.#timings.set(name, timing)
  }
}
