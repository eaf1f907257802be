import { randomUUID } from 'node:crypto'
import { ImproperlyConfigured, InvalidOption, shown } from '../errors.ts'
import type { OpenStore, Store, StoreOpening } from '../ports/store.ts'
import type { PostgresPool, PostgresTransaction } from './client.ts'
import { CheckedOut, type Source } from './checked-out.ts'
import { failureOf, isConflict } from './failure.ts'
import { generationsOf } from './generations.ts'
import { numberOf } from './messages.ts'
import { OpenPostgres } from './open-postgres.ts'
import { register } from './registration.ts'
import { migrate, quoted } from './schema.ts'
import { type PostgresOptions, type PostgresSettings, settingsOf } from './settings.ts'
import { Statements } from './statements.ts'
import { beginText } from './transactions.ts'

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
  if (pool !== undefined) checkSize(pool)
  const name = `postgres ${settings.schema}`
  return {
    name,
    isShared: true,
    open: async (opening) => {
      const own = pool === undefined ? await poolOf(connectionString as string, settings) : undefined
      try {
        return await openOn({ pool: (pool ?? own) as PostgresPool, own, settings, name }, opening)
      } catch (error) {
        await own?.end().catch(() => {})
        throw error instanceof ImproperlyConfigured ? error : failureOf(error, name)
      }
    },
  }
}

/** The fewest connections that it works with. */
const POOL_SIZE = 4

/** @throws {InvalidOption} for a pool, as those of `pg` are, that says it is too small: the store would wait for ever. */
function checkSize(pool: PostgresPool): void {
  const { max } = (Reflect.get(pool, 'options') ?? {}) as { readonly max?: unknown }
  if (typeof max !== 'number' || max >= POOL_SIZE) return
  throw new InvalidOption(
    `pool has a max of ${max}. Pass one of ${POOL_SIZE} connections or more: the store keeps 2 for as long as it is open, and one more while it keeps house; each context.commit() takes another one.`,
  )
}

interface OwnPool extends PostgresPool {
  end(): Promise<void>
}

/** @throws {ImproperlyConfigured} where `pg` is not installed. */
async function poolOf(connectionString: string, { statementTimeoutMs }: PostgresSettings): Promise<OwnPool> {
  const { default: pg } = await import('pg').catch((error: unknown) => {
    const text = "postgres({ connectionString }) needs the package pg. Install it ('npm install pg'), or pass a pool."
    throw new ImproperlyConfigured('PG_MISSING', text, { cause: error })
  })
  const pool = new pg.Pool({
    connectionString,
    max: 10,
    keepAlive: true,
    connectionTimeoutMillis: statementTimeoutMs,
  })
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
  const { service, clock, wake, appended, claimsChanged, lettersChanged, failed = () => {} } = opening
  if (service === undefined) {
    const text = `${name} needs to know whose log it is. Name the service: new Dispatcher({ service: 'orders', store }).`
    throw new ImproperlyConfigured('SERVICE_MISSING', text)
  }
  const statements = new Statements(quoted(settings.schema))
  const node = randomUUID()
  const source = { pool, name, timeoutMs: settings.statementTimeoutMs, statements, isPrepared: false }
  const prepared = await inTransaction(source, async (tx) => {
    await migrate(tx, { ...settings, name, service })
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
      generations: generationsOf((await tx.query(statements.text('generations'))).rows),
      types: new Set(rows.map(({ type }) => type as string)),
      now: numberOf(time?.['now']),
    }
  })
  return new OpenPostgres({
    ...prepared,
    subscriptions: opening.subscriptions,
    name,
    pool,
    settings,
    statements,
    channel: `iambus ${settings.schema}`,
    node,
    clock,
    wake,
    appended,
    claimsChanged,
    lettersChanged,
    failed,
    closed: async () => {
      await own?.end()
    },
  })
}

/** How often an opening that was undone for the sake of another transaction is tried again. */
const AGAIN_AT_MOST = 10

async function inTransaction<T>(source: Source, run: (tx: PostgresTransaction) => Promise<T>): Promise<T> {
  for (let n = 1; ; n += 1) {
    const tx = await CheckedOut.of(source)
    try {
      await tx.query(beginText(source.timeoutMs))
      const result = await run(tx)
      await tx.query('COMMIT')
      tx.release()
      return result
    } catch (error) {
      // Whatever is left of it ends with the connection.
      tx.release(true)
      if (!isConflict(error) || n >= AGAIN_AT_MOST) throw error
    }
  }
}
