import { asError } from '../errors.ts'
import { StoreFailed } from '../store-errors.ts'
import type { PostgresClient, PostgresPool, PostgresResult, PostgresTransaction } from './client.ts'
import { isOfThePlan, isOfTheServer, isRefusal } from './failure.ts'
import type { Statements } from './statements.ts'

/** Where connections come from, and how long anything of them is waited for. */
export interface Source {
  /** Of the store. */
  readonly name: string
  readonly pool: PostgresPool
  readonly timeoutMs: number
  readonly statements: Statements
  /** Whether each of them is planned once on a connection. */
  readonly isPrepared: boolean
}

/**
 * A connection that is checked out of its pool. Each statement ends in time, and once the connection is lost, no other one is
 * sent: so nothing of a transaction can run outside of it.
 */
export class CheckedOut implements PostgresTransaction {
  readonly #client: PostgresClient
  readonly #source: Source
  #failure: Error | undefined
  #isReleased = false
  /** Called when the connection is lost. */
  whenLost: () => void = () => {}

  /** @throws {StoreFailed} where the pool has none in time. */
  static async of(source: Source): Promise<CheckedOut> {
    const connecting = source.pool.connect()
    const text = `${source.name} got no connection within ${source.timeoutMs} ms. All of its pool are in use, or the server cannot be reached: raise the max of the pool, or look at the server.`
    try {
      return new CheckedOut(await withinTime(connecting, source.timeoutMs, text), source)
    } catch (error) {
      // It may come yet, and nobody waits for it any more.
      connecting.then(
        (late) => late.release(),
        () => {},
      )
      throw error
    }
  }

  private constructor(client: PostgresClient, source: Source) {
    this.#client = client
    this.#source = source
    client.on('error', this.#lose)
  }

  get isLost(): boolean {
    return this.#failure !== undefined
  }

  async query(text: string, params?: unknown[]): Promise<PostgresResult> {
    if (this.#failure !== undefined) throw this.#failure
    const { name, timeoutMs, statements, isPrepared } = this.#source
    const late = `${name} has not answered for ${timeoutMs} ms. The connection is given up: look at the server and the way to it, or raise statementTimeoutMs.`
    try {
      return await withinTime(statements.run(this.#client, { text, params }, isPrepared), timeoutMs, late)
    } catch (error) {
      if (!isRefusal(error) || isOfThePlan(error) || isOfTheServer(error)) this.#lose(error)
      throw error
    }
  }

  whenNotified(notified: (given: { readonly channel: string; readonly payload?: string }) => void): void {
    this.#client.on('notification', notified)
  }

  /** @param destroy whether nobody is to have it after this, as where it is lost. */
  release(destroy: boolean = this.isLost): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#failure ??= new StoreFailed('STORE_FAILED', `${this.#source.name} has released this connection.`)
    // Until its socket is closed, the server may still say something, as that it goes down: nobody else would hear it.
    if (!destroy) this.#client.removeListener('error', this.#lose)
    this.#client.release(destroy)
  }

  readonly #lose = (thrown: unknown): void => {
    if (this.#failure !== undefined) return
    this.#failure = asError(thrown)
    this.whenLost()
  }
}

/** Fails with this text when it takes too long: over a connection that is half-open, no answer would ever come. */
export async function withinTime<T>(promise: Promise<T>, timeoutMs: number, text: string): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new StoreFailed('STORE_FAILED', text)), timeoutMs)
  promise.catch(() => {})
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
