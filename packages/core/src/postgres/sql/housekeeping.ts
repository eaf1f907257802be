import type { Sql } from '../statements.ts'

/**
 * Whether a message has an exception. Not by NOT EXISTS, which may become a join with the whole table: the LIMIT keeps this a look
 * into the index for each message.
 */
const hasNone = (schema: string): string =>
  `(SELECT true FROM ${schema}.exception e WHERE e.partition = m.partition AND e.position = m.position LIMIT 1) IS NULL`

const columns = 'm.partition, m.position, m.id, m.type, m.key, m.time, m.envelope, m.body, m.crc'

// What is to be removed is found through an index, partition by partition, and then removed by its place in the table: whatever the
// server knows of the tables, it can read nothing else. (Conditions that are always true have small tables read through their
// indexes, too: see the statement `poll`.)
const finished = (schema: string, limit: string): string => `floors AS (
  SELECT partition, min(cursor) AS floor FROM ${schema}.claim WHERE subscription > 0 GROUP BY partition
  UNION ALL SELECT t.partition, t.final FROM ${schema}.tail t WHERE t.partition >= 0 AND t.final IS NOT NULL
    AND t.partition NOT IN (SELECT partition FROM ${schema}.claim WHERE subscription > 0)
), due AS (
  SELECT p.partition, p.position AS after, least(f.floor, p.position + $1::bigint) AS up_to
    FROM ${schema}.pruned p JOIN floors f USING (partition)
    WHERE p.partition >= 0 AND f.floor > p.position
), ranges AS (
  SELECT d.partition, d.after, ${limit} AS up_to FROM due d
), moved AS (
  UPDATE ${schema}.pruned p SET position = r.up_to FROM ranges r WHERE p.partition = r.partition AND r.up_to > r.after
), gone AS (
  DELETE FROM ${schema}.message m WHERE m.ctid = ANY (ARRAY(
    SELECT f.row FROM ranges r CROSS JOIN LATERAL (
      SELECT m.ctid AS row FROM ${schema}.message m
        WHERE m.partition = r.partition AND m.position > r.after AND m.position <= r.up_to AND ${hasNone(schema)}
        ORDER BY m.position LIMIT $1::bigint) AS f))
    RETURNING ${columns}
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
    `coalesce((SELECT m.position - 1 FROM ${schema}.message m
    WHERE m.partition = d.partition AND m.position > d.after AND m.position <= d.up_to
      AND m.time > (SELECT ${schema}.now_ms()) - $2::bigint ORDER BY m.position LIMIT 1), d.up_to)`,
  )} ${more} ${from}`

/** The same, into the archive. */
export const archive: Sql = (schema) => `WITH ${finished(schema, 'd.up_to')}, kept AS (
  INSERT INTO ${schema}.archive SELECT * FROM gone ON CONFLICT DO NOTHING
) ${more} ${from}`

const freed = (schema: string): string => `looked_at AS (
  DELETE FROM ${schema}.cleared c WHERE c.ctid = ANY (ARRAY(
    SELECT f.row FROM ${schema}.pruned p CROSS JOIN LATERAL (
      SELECT c.ctid AS row FROM ${schema}.cleared c WHERE c.partition = p.partition AND c.position <= p.position
        ORDER BY c.position LIMIT $1::bigint) AS f WHERE p.partition >= 0))
    RETURNING c.partition, c.position
), gone AS (
  DELETE FROM ${schema}.message m WHERE m.ctid = ANY (ARRAY(
    SELECT f.row FROM looked_at l CROSS JOIN LATERAL (
      SELECT m.ctid AS row FROM ${schema}.message m
        WHERE m.partition = l.partition AND m.position = l.position AND ${hasNone(schema)} LIMIT 1) AS f))
    RETURNING ${columns}
) `
const looked = 'SELECT count(*)::integer AS count FROM looked_at'

/** Removes what had an exception, and has none any more. Parameter: how many of each partition at most. Gives how many it has looked at. */
export const pruneCleared: Sql = (schema) => `WITH ${freed(schema)} ${looked}`

/** Into the archive; what has gone on from an older generation is in it already, where it was first. */
export const archiveCleared: Sql = (schema) => `WITH ${freed(schema)}, kept AS (
  INSERT INTO ${schema}.archive SELECT * FROM gone WHERE position > 0 ON CONFLICT DO NOTHING
) ${looked}`

/** Forgets ids whose time is over. Parameter: how many at most. */
export const forgetSeen: Sql = (schema) => `
WITH gone AS (
  DELETE FROM ${schema}.seen WHERE id = ANY (ARRAY(
    SELECT id FROM ${schema}.seen WHERE expires_at <= (SELECT ${schema}.now_ms()) ORDER BY expires_at LIMIT $1::integer))
    RETURNING id
)
SELECT count(*)::integer AS count FROM gone`

/** What is left of nodes that are long dead. Parameter: for how long, in milliseconds. */
export const forgetMembers: Sql = (schema) => `
WITH gone AS (
  DELETE FROM ${schema}.member WHERE alive_until + $1::bigint < ${schema}.now_ms() RETURNING node
)
DELETE FROM ${schema}.member_subscription WHERE node IN (SELECT node FROM gone)`

/** Which subscriptions live nodes have is written down. */
export const seeSubscriptions: Sql = (schema) => `
UPDATE ${schema}.subscription SET had_at = ${schema}.now_ms() WHERE id IN (
  SELECT s.subscription FROM ${schema}.member_subscription s JOIN ${schema}.member m USING (node)
    WHERE m.alive_until > ${schema}.now_ms())`
