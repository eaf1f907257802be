import { Pool, type PoolClient } from 'pg'
import type { PostgresPool } from '../../../src/postgres/index.ts'

/** A pool whose connections can be cut all at once, as those of a process that is killed. */
export class KillablePool implements PostgresPool {
  readonly #pool: Pool
  readonly #clients = new Set<PoolClient>()
  #isDead = false

  constructor(connectionString: string, name: string) {
    this.#pool = new Pool({ connectionString, max: 10, application_name: name })
    this.#pool.on('error', () => {})
    this.#pool.on('connect', (client) => {
      this.#clients.add(client)
      client.on('error', () => {})
    })
  }

  connect(): ReturnType<PostgresPool['connect']> {
    return this.#isDead ? Promise.reject(new Error('The process is killed.')) : this.#pool.connect()
  }

  /** What the server has begun by then, it may still do: nothing else. */
  async kill(): Promise<void> {
    this.#isDead = true
    for (const client of this.#clients) {
      ;(Reflect.get(client, 'connection') as { stream: { destroy(): void } }).stream.destroy()
    }
  }

  async end(): Promise<void> {
    await Promise.race([this.#pool.end(), new Promise((resolve) => setTimeout(resolve, 500))])
  }
}
