import type { Pool } from 'pg'
import { durableIn, freshSchema } from './postgres.ts'

/** How many messages wait for a handler that is not there, and how many were finished before, and are in the archive. */
export const FILLED = { pending: 1_000_000, archived: 10_000_000 }

export interface Target {
  readonly pool: Pool
  readonly schema: string
}

/** A log that knows two handlers, `handler-0` and `handler-1`; filled, or empty. */
export async function logOf(filled: typeof FILLED | undefined): Promise<Target> {
  const target = await freshSchema()
  const dp = await durableIn(target, [() => {}, () => {}], { completion: 'archive' })
  await dp.stop()
  if (filled !== undefined) await fill(target, filled)
  // Without it, the server would do so some time later.
  await target.pool.query('VACUUM ANALYZE')
  await target.pool.query('CHECKPOINT')
  return target
}

async function fill({ pool, schema }: Target, { pending, archived }: typeof FILLED): Promise<void> {
  const partitions = 16
  const [done, all] = [archived / partitions, (archived + pending) / partitions]
  const rows = (
    from: number,
    to: number,
  ): string => `SELECT partition, n, partition || '-' || n, 'bench.order', 'key-' || n % 64,
      (extract(epoch FROM now()) * 1000)::bigint, '{"correlationId":"019acb10-0000-7000-8000-000000000000"}',
      '{"type":"bench.order","data":{"customer":"019acb10","lines":[1,2,3,4,5,6,7,8],"total":12345}}', 0
    FROM generate_series(0, ${partitions - 1}) AS partition, generate_series(${from}, ${to}) AS n`
  const columns = 'partition, position, id, type, key, time, envelope, body, crc'
  await pool.query(`INSERT INTO ${schema}.archive (${columns}) ${rows(1, done)}`)
  await pool.query(`INSERT INTO ${schema}.message (${columns}) ${rows(done + 1, all)}`)
  await pool.query(`UPDATE ${schema}.tail SET tail = ${all}; UPDATE ${schema}.pruned SET position = ${done}`)
  // The first handler has finished all of it, the other one what is in the archive.
  for (const [subscription, at] of [
    [1, all],
    [2, done],
  ] as const) {
    await pool.query(`UPDATE ${schema}.claim SET cursor = ${at}, reach = ${at} WHERE subscription = ${subscription}`)
  }
}
