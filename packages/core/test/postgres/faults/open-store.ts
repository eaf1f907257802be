import { Pool } from 'pg'
import { onTestFinished } from 'vitest'
import { postgres, type PostgresOptions } from '../../../src/postgres/index.ts'
import type { NewMessage, OpenStore, StoreOpening, Subscription } from '../../../src/ports/store.ts'
import { query } from '../../servers/postgres.ts'
import { type TcpProxy, tcpProxy } from '../../servers/tcp-proxy.ts'
import { CountedPool } from './counted-pool.ts'

let schemas = 0
/** A name that no other test of this process has. */
export const ownSchema = (): string => `faults_${(schemas += 1)}`

export interface Fixture {
  readonly schema: string
  readonly proxy: TcpProxy
  readonly pool: CountedPool
  /** A connection that nothing happens to. */
  readonly ask: (statement: string) => Promise<Record<string, unknown>[]>
  /** Opens the store through the proxy. It is closed when the test has ended. */
  readonly open: (options?: Partial<PostgresOptions>) => Promise<OpenStore>
}

/** A schema of its own, a way to the server that can fail, and a table for the effects of handlers. */
export async function fixture(url: string, config: { readonly max?: number } = {}): Promise<Fixture> {
  const schema = ownSchema()
  const proxy = await tcpProxy(url)
  const pool = new CountedPool({ connectionString: proxy.url, ...config })
  await query(url, `CREATE TABLE IF NOT EXISTS effects_${schema} (effect text)`)
  let isMade = false
  const admin = new Pool({ connectionString: url, max: 2 })
  admin.on('error', () => {})
  onTestFinished(async () => {
    await proxy.heal()
    proxy.cut()
    await proxy[Symbol.asyncDispose]()
    await admin.end()
  })
  return {
    schema,
    proxy,
    pool,
    ask: async (statement) => (await admin.query(statement)).rows as Record<string, unknown>[],
    open: async (options = {}) => {
      // What makes the schema may take longer than a statement may from then on.
      if (!isMade && options.statementTimeoutMs !== undefined) {
        await (
          await postgres({ pool, schema, ...patient, ...options, statementTimeoutMs: 5_000 }).open(opening())
        ).close()
      }
      isMade = true
      const store = await postgres({ pool, schema, ...patient, ...options }).open(opening())
      onTestFinished(() => store.close().catch(() => {}))
      return store
    },
  }
}

/** Nothing happens by itself: each statement is one that the test asks for. */
export const patient = { statementTimeoutMs: 5_000, leaseMs: 600_000, pollMs: 600_000, partitions: 1, listen: false }

/** @param subscriptions by default one, `events/a`, of the type `t`. */
export function opening(...subscriptions: Subscription[]): StoreOpening {
  const standard = { name: 'events/a', formerly: [], types: ['t'], from: 'now' as const }
  return {
    service: 'shop',
    subscriptions: subscriptions.length === 0 ? [standard] : subscriptions,
    clock: { now: Date.now, monotonic: () => performance.now(), after: later },
    wake: () => {},
  }
}

function later(ms: number, run: () => void): { cancel(): void } {
  const timer = setTimeout(run, ms)
  return { cancel: () => clearTimeout(timer) }
}

export function message(id: string, more: Partial<NewMessage> = {}): NewMessage {
  return { id, type: 't', key: 'k', time: Date.now(), envelope: '', body: '{}', crc: 0, mayRepeat: false, ...more }
}

/** What has become of a promise: `'stored'`, or the code of its error. */
export function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'stored',
    (error: { code?: unknown }) => error.code ?? error,
  )
}
