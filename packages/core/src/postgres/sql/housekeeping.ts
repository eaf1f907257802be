import type { Sql } from '../statements.ts'

const finished = (schema: string, limit: string): string => `floors AS (
  SELECT partition, min(cursor) AS floor FROM ${schema}.claim GROUP BY partition
  UNION ALL SELECT t.partition, t.final FROM ${schema}.tail t
    WHERE t.final IS NOT NULL AND NOT EXISTS (SELECT FROM ${schema}.claim c WHERE c.partition = t.partition)
), due AS (
  SELECT p.partition, p.position AS after, least(f.floor, p.position + $1::bigint) AS up_to
    FROM ${schema}.pruned p JOIN floors f USING (partition) WHERE f.floor > p.position
), ranges AS (
  SELECT d.partition, d.after, ${limit} AS up_to FROM due d
), moved AS (
  UPDATE ${schema}.pruned p SET position = r.up_to FROM ranges r WHERE p.partition = r.partition AND r.up_to > r.after
), gone AS (
  DELETE FROM ${schema}.message m USING ranges r
    WHERE m.partition = r.partition AND m.position > r.after AND m.position <= r.up_to
      AND NOT EXISTS (SELECT FROM ${schema}.exception e WHERE e.partition = m.partition AND e.position = m.position)
    RETURNING m.partition, m.position, m.id, m.type, m.key, m.time, m.envelope, m.body, m.crc
)`

const more =
  'SELECT count(*)::integer AS count, coalesce(bool_or(f.floor > r.up_to AND r.up_to > r.after), false) AS is_behind'
const from = 'FROM ranges r JOIN floors f USING (partition)'

/** Removes what all have finished, but for what has an exception. Parameter: how many of each partition at most. */
export const prune: Sql = (schema) => `WITH ${finished(schema, 'd.up_to')} ${more} ${from}`

/** The same, of what was accepted long enough ago. Second parameter: for how long it is kept, in milliseconds. */
export const pruneOld: Sql = (schema) =>
  `WITH ${finished(
    schema,
    `coalesce((SELECT min(m.position) - 1 FROM ${schema}.message m
    WHERE m.partition = d.partition AND m.position > d.after AND m.position <= d.up_to
      AND m.time > ${schema}.now_ms() - $2::bigint), d.up_to)`,
  )} ${more} ${from}`

/** The same, into the archive. */
export const archive: Sql = (schema) => `WITH ${finished(schema, 'd.up_to')}, kept AS (
  INSERT INTO ${schema}.archive SELECT * FROM gone ON CONFLICT DO NOTHING
) ${more} ${from}`

const freed = (schema: string): string => `looked_at AS (
  DELETE FROM ${schema}.cleared c USING ${schema}.pruned p
    WHERE c.partition = p.partition AND c.position <= p.position RETURNING c.partition, c.position
), gone AS (
  DELETE FROM ${schema}.message m USING looked_at l
    WHERE m.partition = l.partition AND m.position = l.position
      AND NOT EXISTS (SELECT FROM ${schema}.exception e WHERE e.partition = m.partition AND e.position = m.position)
    RETURNING m.partition, m.position, m.id, m.type, m.key, m.time, m.envelope, m.body, m.crc
)`

/** Removes what had an exception, and has none any more. */
export const pruneCleared: Sql = (schema) => `WITH ${freed(schema)} SELECT count(*)::integer AS count FROM gone`

export const archiveCleared: Sql = (schema) => `WITH ${freed(schema)}, kept AS (
  INSERT INTO ${schema}.archive SELECT * FROM gone ON CONFLICT DO NOTHING
) SELECT count(*)::integer AS count FROM gone`

/** Forgets ids whose time is over. Parameter: how many at most. */
export const forgetSeen: Sql = (schema) => `
WITH gone AS (
  DELETE FROM ${schema}.seen WHERE id IN
    (SELECT id FROM ${schema}.seen WHERE expires_at <= ${schema}.now_ms() LIMIT $1::integer) RETURNING id
)
SELECT count(*)::integer AS count FROM gone`

/** What is left of nodes that are long dead. Parameter: for how long, in milliseconds. */
export const forgetMembers: Sql = (schema) => `
WITH gone AS (
  DELETE FROM ${schema}.member WHERE alive_until + $1::bigint < ${schema}.now_ms() RETURNING node
)
DELETE FROM ${schema}.member_subscription WHERE node IN (SELECT node FROM gone)`
