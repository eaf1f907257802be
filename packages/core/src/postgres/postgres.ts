import { randomUUID } from 'node:crypto'
import { ImproperlyConfigured, InvalidOption, shown } from '../errors.ts'
import type { OpenStore, Store, StoreOpening } from '../ports/store.ts'
import type { PostgresPool, PostgresTransaction } from './client.ts'
import { withinTime } from './connection.ts'
import { failureOf } from './failure.ts'
import { numberOf } from './messages.ts'
import { OpenPostgres } from './open-postgres.ts'
import { register } from './registration.ts'
import { migrate, quoted } from './schema.ts'
import { type PostgresOptions, type PostgresSettings, settingsOf } from './settings.ts'
import { Statements } from './statements.ts'

declare module '../ports/store.ts' {
  interface StoreTransactions {
    postgres: PostgresTransaction
  }
}

/**
 * A store in PostgreSQL, 13 or later: for one node or many.
 *
 * ```ts
 * new Dispatcher({ service: 'orders', store: postgres({ pool }) })                       // a Pool of pg
 * await dp.publish(new OrderPlaced(order), { tx: client })                               // in your own transaction
 * ```
 *
 * @throws {InvalidOption} for an option that there is not, or a value that it cannot have.
 */
export function postgres(options: PostgresOptions): Store {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOption(`postgres() was given ${shown(options)}. Pass { pool } or { connectionString }.`)
  }
  const settings = settingsOf(options)
  const { pool, connectionString } = options
  if ((pool === undefined) === (connectionString === undefined)) {
    throw new InvalidOption('postgres() takes either a pool or a connectionString. Pass one of the two.')
  }
  if (pool !== undefined && typeof pool.connect !== 'function') {
    throw new InvalidOption(`pool is ${shown(pool)}. Pass a Pool of pg.`)
  }
  const name = `postgres ${settings.schema}`
  return {
    name,
    isShared: true,
    open: async (opening) => {
      const own = pool === undefined ? await poolOf(connectionString as string) : undefined
      try {
        return await openOn({ pool: (pool ?? own) as PostgresPool, own, settings, name }, opening)
      } catch (error) {
        await own?.end().catch(() => {})
        throw error instanceof ImproperlyConfigured ? error : failureOf(error, name)
      }
    },
  }
}

interface OwnPool extends PostgresPool {
  end(): Promise<void>
}

/** @throws {ImproperlyConfigured} where `pg` is not installed. */
async function poolOf(connectionString: string): Promise<OwnPool> {
  const { default: pg } = await import('pg').catch((error: unknown) => {
    const text = "postgres({ connectionString }) needs the package pg. Install it ('npm install pg'), or pass a pool."
    throw new ImproperlyConfigured('PG_MISSING', text, { cause: error })
  })
  const pool = new pg.Pool({ connectionString, max: 10 })
  // Of a connection that waits in the pool: the next statement gets another one.
  pool.on('error', () => {})
  return pool
}

interface Target {
  readonly pool: PostgresPool
  /** Where it is the store's own, and not the caller's. */
  readonly own: OwnPool | undefined
  readonly settings: PostgresSettings
  readonly name: string
}

async function openOn(target: Target, opening: StoreOpening): Promise<OpenStore> {
  const { pool, own, settings, name } = target
  const { service, clock, wake, claimsChanged } = opening
  if (service === undefined) {
    const text = `${name} needs to know whose log it is. Name the service: new Dispatcher({ service: 'orders', store }).`
    throw new ImproperlyConfigured('SERVICE_MISSING', text)
  }
  const statements = new Statements(quoted(settings.schema))
  const node = randomUUID()
  const prepared = await inTransaction(target, async (tx) => {
    const { partitions } = await migrate(tx, { ...settings, name, service })
    const registered = await register(tx, {
      schema: quoted(settings.schema),
      node,
      leaseMs: settings.leaseMs,
      subscriptions: opening.subscriptions,
      forget: settings.forget,
      keeps: settings.completion !== 'delete',
      isArchived: settings.completion === 'archive',
    })
    const { rows } = await tx.query(statements.text('takenTypes'))
    const [time] = (await tx.query(`SELECT ${quoted(settings.schema)}.now_ms() AS now`)).rows
    return {
      ...registered,
      partitions,
      types: new Set(rows.map(({ type }) => type as string)),
      now: numberOf(time?.['now']),
    }
  })
  return new OpenPostgres({
    ...prepared,
    name,
    pool,
    settings,
    statements,
    channel: `iambus ${settings.schema}`,
    node,
    clock,
    wake,
    claimsChanged,
    closed: async () => {
      await own?.end()
    },
  })
}

async function inTransaction<T>(
  { pool, settings, name }: Target,
  run: (tx: PostgresTransaction) => Promise<T>,
): Promise<T> {
  const within = { name, timeoutMs: settings.statementTimeoutMs }
  const client = await withinTime(pool.connect(), within)
  try {
    const result = await withinTime(
      (async () => {
        await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
        const given = await run(client)
        await client.query('COMMIT')
        return given
      })(),
      within,
    )
    client.release()
    return result
  } catch (error) {
    // Whatever is left of it ends with the connection.
    client.release(true)
    throw error
  }
}
