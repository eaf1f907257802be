import { Pool, type PoolClient } from 'pg'
import type { PostgresClient, PostgresPool, PostgresResult } from '../../../src/postgres/index.ts'

interface Prepared {
  readonly name: string
}

/** Where a node dies: at a statement, before the server has it, or when it has done it. */
export interface Failpoint {
  /** The name of a statement of the store, `COMMIT`, or what a handler runs: `effect`, and then `COMMIT of effects`. */
  readonly at: string
  readonly when: 'before' | 'after'
}

/** The connections of one node, which dies at a statement: what the server has not got by then, it never gets. */
export class MortalPool implements PostgresPool {
  readonly #pool: Pool
  readonly #clients = new Set<PoolClient>()
  #failpoint: Failpoint | undefined
  isDead = false
  readonly died: Promise<void>
  readonly #die: () => void

  constructor(connectionString: string) {
    this.#pool = new Pool({ connectionString, max: 10 })
    this.#pool.on('error', () => {})
    this.#pool.on('connect', (client) => {
      this.#clients.add(client)
      client.on('error', () => {})
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.died = promise
    this.#die = resolve
  }

  /** From now on, it dies at the first such statement. */
  arm(failpoint: Failpoint): void {
    this.#failpoint = failpoint
  }

  async connect(): Promise<PostgresClient> {
    if (this.isDead) throw new Error('The node is dead.')
    const client = await this.#pool.connect()
    let hasEffects = false
    return {
      query: async (given: string | Prepared, params?: unknown[]) => {
        const name = nameOf(given)
        if (name === 'BEGIN') hasEffects = false
        if (name === 'effect') hasEffects = true
        const send = (): Promise<PostgresResult> =>
          typeof given === 'string' ? client.query(given, params) : client.query(given as never)
        return this.#send(name === 'COMMIT' && hasEffects ? 'COMMIT of effects' : name, send)
      },
      release: (destroy) => client.release(destroy),
      on: (event, listener) => client.on(event as 'error', listener),
      removeListener: (event, listener) => client.removeListener(event, listener),
    }
  }

  async #send(name: string, send: () => Promise<PostgresResult>): Promise<PostgresResult> {
    if (this.isDead) throw new Error('The node is dead.')
    if (this.#failpoint?.at !== name) return send()
    const { when } = this.#failpoint
    this.#failpoint = undefined
    if (when === 'after') await send()
    this.kill()
    throw new Error('The node is dead.')
  }

  kill(): void {
    this.isDead = true
    for (const client of this.#clients) {
      ;(Reflect.get(client, 'connection') as { stream: { destroy(): void } }).stream.destroy()
    }
    this.#die()
  }
}

function nameOf(given: string | Prepared): string {
  if (typeof given !== 'string') return given.name.split(' ').at(-1) as string
  if (given.includes('effects')) return 'effect'
  return /^(BEGIN|COMMIT|ROLLBACK)/.exec(given)?.[0] ?? given
}
