import type { Sql } from '../statements.ts'
import { typeChanges } from './pieces.ts'

const columns = 'position, id, type, key, time, envelope, body, crc'

/** Pages of several partitions, each after a position. Parameters: partitions, positions, limits. */
export const read: Sql = (schema) =>
  pages(
    schema,
    `SELECT ${columns} FROM ${schema}.message
    WHERE partition = r.partition AND position > r.after ORDER BY position LIMIT r.most`,
  )

/** The same, where what was finished is in the archive. */
export const readArchived: Sql = (schema) =>
  pages(
    schema,
    `SELECT * FROM (
    (SELECT ${columns} FROM ${schema}.message
      WHERE partition = r.partition AND position > r.after ORDER BY position LIMIT r.most)
    UNION ALL (SELECT ${columns} FROM ${schema}.archive
      WHERE partition = r.partition AND position > r.after ORDER BY position LIMIT r.most)
    ) AS found ORDER BY position LIMIT r.most`,
  )

/** Each with how often what subscriptions take has changed by then. */
const pages = (schema: string, page: string): string => `
SELECT r.n::integer, m.*, ${typeChanges(schema)}
  FROM unnest($1::integer[], $2::bigint[], $3::integer[]) WITH ORDINALITY AS r (partition, after, most, n)
  CROSS JOIN LATERAL (${page}) AS m ORDER BY r.n, m.position`

const single = (schema: string, table: string): string => `
SELECT m.* FROM unnest($2::bigint[]) AS r (position)
  CROSS JOIN LATERAL (SELECT ${columns} FROM ${schema}.${table} WHERE partition = $1 AND position = r.position LIMIT 1) AS m`

/** Single messages of a partition. Parameters: the partition, the positions. */
export const readAt: Sql = (schema) => single(schema, 'message')

export const readArchivedAt: Sql = (schema) => `${single(schema, 'message')}
UNION ALL ${single(schema, 'archive')}`
