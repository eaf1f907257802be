import type { Client } from 'pg'

/** A table at a moment. */
export interface TableSample {
  readonly table: string
  readonly deadRows: number
  /** Rows that were updated or removed so far: each has left one behind. */
  readonly turned: number
  readonly tableBytes: number
  readonly indexBytes: number
}

export interface Sample {
  readonly atMs: number
  readonly tables: readonly TableSample[]
}

/** Looks at all tables of a schema. */
export async function sample(client: Client, schema: string, atMs: number): Promise<Sample> {
  const { rows } = await client.query<TableSample>(
    `SELECT relname AS table, n_dead_tup::float AS "deadRows", (n_tup_upd + n_tup_del)::float AS turned,
        pg_relation_size(relid)::float AS "tableBytes", pg_indexes_size(relid)::float AS "indexBytes"
      FROM pg_stat_user_tables WHERE schemaname = $1 ORDER BY relname`,
    [schema],
  )
  return { atMs, tables: rows }
}
