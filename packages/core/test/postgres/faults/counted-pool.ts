import { Pool, type PoolClient, type PoolConfig } from 'pg'
import type { PostgresClient, PostgresPool, PostgresResult } from '../../../src/postgres/index.ts'

/** What a fault has to work with. */
export interface Statement {
  readonly text: string
  readonly values: unknown[] | undefined
  readonly client: PoolClient
  /** Sends the statement. */
  readonly send: () => Promise<PostgresResult>
}

interface Prepared {
  readonly name: string
  readonly text: string
  readonly values: unknown[]
}

/** Does something to a statement, or instead of it. */
export type Fault = (statement: Statement) => Promise<PostgresResult>

/** A pool of `pg` that counts the statements on its connections, and has something go wrong at one of them. */
export class CountedPool implements PostgresPool {
  readonly pool: Pool
  /** All statements since it was armed. */
  readonly sent: string[] = []
  /** The statement at which the fault was done. */
  hit: string | undefined
  #at = 0
  #fault: Fault | undefined
  #isMeant: (text: string) => boolean = () => true

  constructor(config: PoolConfig) {
    this.pool = new Pool({ max: 8, ...config })
    this.pool.on('error', () => {}) // Of one that waits in the pool.
  }

  get options(): Pool['options'] {
    return this.pool.options
  }

  /** Does the fault at the `at`-th statement from now on, from 1 on, of those that are meant. */
  arm(at: number, fault: Fault, isMeant: (text: string) => boolean = () => true): void {
    this.sent.length = 0
    this.hit = undefined
    this.#at = at
    this.#fault = fault
    this.#isMeant = isMeant
  }

  disarm(): void {
    this.#fault = undefined
  }

  async connect(): Promise<PostgresClient> {
    const client = await this.pool.connect()
    const query = (given: string | Prepared, params?: unknown[]): Promise<PostgresResult> => {
      const send = (): Promise<PostgresResult> =>
        typeof given === 'string' ? client.query(given, params) : client.query(given)
      const { text, values } = typeof given === 'string' ? { text: given, values: params } : given
      return this.#query({ text, values, client, send })
    }
    return {
      query,
      release: (destroy) => client.release(destroy),
      on: (event, listener) => client.on(event as 'error', listener),
      removeListener: (event, listener) => client.removeListener(event, listener),
    }
  }

  #query(statement: Statement): Promise<PostgresResult> {
    const { text, send } = statement
    const fault = this.#fault
    if (fault === undefined || !this.#isMeant(text)) return send()
    this.sent.push(text)
    if (this.sent.length !== this.#at) return send()
    this.hit = text
    this.#fault = undefined
    return fault(statement)
  }
}

/** Whether a store sends it when it likes: to remove what is finished, or on a connection that is new. */
const isOfItself = (text: string): boolean => /\.(pruned|seen WHERE) |default_transaction_isolation/.test(text)

/** Runs something with a fault at its first statement, at its second, and so on, until it has none left. Gives those that were hit. */
export async function atEachStatement(
  pool: CountedPool,
  fault: Fault,
  run: () => Promise<void>,
  which = /./,
): Promise<string[]> {
  const hit: string[] = []
  for (;;) {
    pool.arm(hit.length + 1, fault, (text) => which.test(text) && !isOfItself(text))
    await run()
    pool.disarm()
    if (pool.hit === undefined) return hit
    hit.push(pool.hit)
  }
}
