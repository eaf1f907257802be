import { StoreFailed } from '../store-errors.ts'
import type { PostgresClient, PostgresPool, PostgresResult, PostgresTransaction } from './client.ts'
import { isOfThePlan, isRefusal } from './failure.ts'
import type { Statements } from './statements.ts'

/** Under a stricter isolation it could not be told how far the log is by now. The connection is never given back to the pool. */
const readCommitted = `SELECT set_config('default_transaction_isolation', 'read committed', false)
  WHERE current_setting('default_transaction_isolation') <> 'read committed'`

interface ConnectionParts {
  readonly name: string
  readonly pool: PostgresPool
  readonly timeoutMs: number
  readonly statements: Statements
  readonly isPrepared: boolean
  /** Called with each connection that is new. What it throws, the connection fails with. */
  readonly begin?: ((client: PostgresClient) => Promise<void>) | undefined
}

/** One connection, checked out of the pool for as long as the store is open. Where it is lost, the next statement gets another one. */
export class Connection implements PostgresTransaction {
  readonly #parts: ConnectionParts
  #client: Promise<PostgresClient> | undefined
  /** When the statement before has ended: a connection runs one at a time. */
  #turn: Promise<unknown> = Promise.resolve()
  #isClosed = false

  constructor(parts: ConnectionParts) {
    this.#parts = parts
  }

  query(text: string, params?: unknown[]): Promise<PostgresResult> {
    const result = this.#turn.then(() => this.#query(text, params))
    this.#turn = result.catch(() => {})
    return result
  }

  /** The same connection for all statements of a transaction: where it is lost, they fail, and none goes to another one. */
  async pinned(): Promise<PostgresTransaction> {
    const client = await this.client()
    return { query: (text, params) => this.#queryOn(client, text, params) }
  }

  async #query(text: string, params?: unknown[]): Promise<PostgresResult> {
    return this.#queryOn(await this.client(), text, params)
  }

  async #queryOn(client: PostgresClient, text: string, params?: unknown[]): Promise<PostgresResult> {
    try {
      const { statements, isPrepared } = this.#parts
      return await withinTime(statements.run(client, { text, params }, isPrepared), this.#parts)
    } catch (error) {
      if (!isRefusal(error) || isOfThePlan(error)) this.lose(client)
      throw error
    }
  }

  /** The connection, as it is now. */
  client(): Promise<PostgresClient> {
    if (this.#isClosed) return Promise.reject(new StoreFailed('STORE_CLOSED', `${this.#parts.name} is closed.`))
    if (this.#client === undefined) {
      const connecting = this.#connect()
      this.#client = connecting
      connecting.catch(() => {
        if (this.#client === connecting) this.#client = undefined
      })
    }
    return this.#client
  }

  async #connect(): Promise<PostgresClient> {
    const client = await withinTime(this.#parts.pool.connect(), this.#parts)
    const lost = (): void => this.lose(client)
    client.on('error', lost)
    client.on('end', lost)
    try {
      await withinTime(client.query(readCommitted), this.#parts)
      await this.#parts.begin?.(client)
    } catch (error) {
      client.release(true)
      throw error
    }
    if (this.#isClosed) client.release(true)
    return client
  }

  /** It is not used any more. */
  lose(client: PostgresClient): void {
    const current = this.#client
    const leave = (one: PostgresClient): void => {
      if (one !== client || this.#client !== current) return
      this.#client = undefined
      client.release(true)
    }
    void current?.then(leave, () => {})
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const client = await this.#client?.catch(() => undefined)
    this.#client = undefined
    // It may listen, or have settings of its own: nobody else gets it.
    client?.release(true)
  }
}

/** Fails when the server does not answer: a connection that is half open would never. */
export async function withinTime<T>(
  promise: Promise<T>,
  { name, timeoutMs }: { readonly name: string; readonly timeoutMs: number },
): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(
      new StoreFailed('STORE_FAILED', `${name} has not answered for ${timeoutMs} ms. The connection is given up.`),
    )
  }, timeoutMs)
  promise.catch(() => {})
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
