import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { defineEvent, Dispatcher } from '@iambus/core'
import { postgres, type PostgresOptions } from '@iambus/core/postgres'
import { Pool } from 'pg'
import type { Run, Tally } from '../case.ts'
import { inFlight } from '../in-flight.ts'
import { type Handle, Order, orderOf } from './durable.ts'

/** The server that is measured: nothing else should use it meanwhile. */
export const URL = process.env['IAMBUS_POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres'

/** How many rows one statement writes by hand. */
export const BATCH = 100

class Never extends defineEvent<object>('bench.never') {}

const schemaOf = (): string => `bench_${randomUUID().replaceAll('-', '').slice(0, 12)}`

/** A pool, of which a schema is made for this process; it is dropped at its end. */
export async function freshSchema(): Promise<{ readonly pool: Pool; readonly schema: string }> {
  const pool = new Pool({ connectionString: URL, max: 40, allowExitOnIdle: true })
  pool.on('error', () => {})
  return { pool, schema: schemaOf() }
}

/** Removes what benchmarks of before have left. */
export async function sweep(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ nspname: string }>(
    `SELECT nspname FROM pg_namespace WHERE nspname LIKE 'bench\\_%'`,
  )
  for (const { nspname } of rows) await pool.query(`DROP SCHEMA IF EXISTS ${nspname} CASCADE`)
}

/** Rows as ours, written by hand. */
class RawRows {
  readonly #pool: Pool
  readonly #schema: string
  #next = 1

  private constructor(pool: Pool, schema: string) {
    this.#pool = pool
    this.#schema = schema
  }

  static async make(): Promise<RawRows> {
    const { pool, schema } = await freshSchema()
    await sweep(pool)
    await pool.query(
      `CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.message (partition integer, position bigint, id text, type text, key text,
        time bigint, envelope text, body text, crc bigint); CREATE UNIQUE INDEX ON ${schema}.message (partition, position)`,
    )
    return new RawRows(pool, schema)
  }

  async insert(count: number): Promise<void> {
    const all = Array.from({ length: count }, () => this.#next++)
    const columns = [
      all.map(() => 0),
      all,
      all.map((n) => `019acb10-0000-7000-8000-${String(n).padStart(12, '0')}`),
      all.map(() => 'bench.order'),
      all.map((n) => `key-${n % 64}`),
      all.map(() => Date.now()),
      all.map((n) => `{"correlationId":"019acb10-0000-7000-8000-${String(n).padStart(12, '0')}"}`),
      all.map((n) => JSON.stringify(orderOf(n))),
      all.map(() => 0x1234_5678),
    ]
    await this.#pool.query(
      `INSERT INTO ${this.#schema}.message SELECT * FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::text[], $5::text[],
        $6::bigint[], $7::text[], $8::text[], $9::bigint[])`,
      columns,
    )
  }
}

/** Writes them, by {@link BATCH}: the case that ours is compared with. */
export async function rawInserts(tally: Tally): Promise<Run> {
  const rows = await RawRows.make()
  return async (count) => {
    for (let n = 1; n <= count; n += BATCH) {
      const size = Math.min(BATCH, count - n + 1)
      await rows.insert(size)
      for (let row = 0; row < size; row += 1) tally.add({ n: n + row })
    }
  }
}

/** A dispatcher with a store in a schema of its own, and durable handlers. */
export async function durableIn(
  { pool, schema }: { readonly pool: Pool; readonly schema: string },
  handlers: readonly Handle[],
  options: Omit<PostgresOptions, 'pool' | 'connectionString' | 'schema'> = {},
): Promise<Dispatcher> {
  const dp = new Dispatcher({
    service: 'bench',
    store: postgres({ pool, schema, ...options }),
    messages: [Order],
    logger,
  })
  dp.events.bind(Never, () => {}, { durable: false })
  for (const [index, handler] of handlers.entries()) dp.events.bind(Order, handler, { name: `handler-${index}` })
  await dp.start()
  return dp
}

/** One that only stores: whoever handles the messages is not there. */
export async function storingIn(): Promise<Dispatcher> {
  const target = await freshSchema()
  await sweep(target.pool)
  const first = await durableIn(target, [() => {}])
  await first.stop()
  return durableIn(target, [])
}

/** Publishes so many, 256 at a time, with 64 keys in turn; resolves when all are handled. */
export async function toCompletionIn(
  dp: Dispatcher,
  { count, width, isHandled }: { readonly count: number; readonly width: number; readonly isHandled: () => boolean },
): Promise<void> {
  await inFlight(width, count, (n) => dp.publish(orderOf(n), { key: `key-${n % 64}` }))
  while (!isHandled()) await turn()
}

const logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (...values: unknown[]) => console.error(...values),
}
