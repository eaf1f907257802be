import type { Sql } from '../statements.ts'

/**
 * What may have changed, and whether other nodes live. Parameter: the node.
 *
 * Claims and tails are few rows, but in a file that is as large as it was when a transaction had been open for long: so they are read
 * through their indexes, for which there has to be a condition.
 */
export const poll: Sql = (schema) => `
SELECT (SELECT sum(tail) FROM ${schema}.tail WHERE partition >= 0)::bigint AS appended,
  (SELECT min(due_at) FROM ${schema}.delayed) AS next_due,
  EXISTS (SELECT FROM ${schema}.unplaced) AS is_unplaced,
  (SELECT count FROM ${schema}.change WHERE what = 'letters') AS letter_changes,
  ARRAY(SELECT DISTINCT type FROM ${schema}.subscription_type WHERE up_to IS NULL) AS types,
  c.free, c.finished,
  (SELECT string_agg(node::text, ' ' ORDER BY node) FROM ${schema}.member
    WHERE node <> $1::uuid AND alive_until > ${schema}.now_ms()) AS others,
  ${schema}.now_ms() AS now
  FROM (SELECT sum(cursor)::text AS finished,
      (count(*) FILTER (WHERE node IS NULL OR held_until <= ${schema}.now_ms()))::integer AS free
    FROM ${schema}.claim WHERE subscription > 0) AS c`

/** Parameters: the channel, what it says. */
export const notify: Sql = () => `SELECT pg_notify($1::text, $2::text)`

/** The same, if there is any node that would not look by itself. Third parameter: the node that notifies. */
export const notifyAsleep: Sql = (schema) => `
SELECT pg_notify($1::text, $2::text) FROM ${schema}.member
  WHERE is_asleep AND node <> $3::uuid AND alive_until > ${schema}.now_ms() LIMIT 1`

/** Parameters: the node, whether it wants to be woken. */
export const sleep: Sql = (schema) => `UPDATE ${schema}.member SET is_asleep = $2 WHERE node = $1::uuid`

/**
 * Gives positions to what was committed without, by transactions that could not tell how far the log was.
 *
 * Parameters: the channel, and what is told on it; transactions. Gives how many were placed, and which of those that were given have ended.
 */
export const placeCommitted: Sql = (schema) => `
WITH committed AS MATERIALIZED (
  SELECT tx FROM ${schema}.unplaced ORDER BY tx FOR UPDATE
), all_of_them AS (
  SELECT array_agg(tx) AS txs FROM committed
), placed AS MATERIALIZED (
  SELECT ${schema}.place(txs), pg_notify($1::text, $2::text), cardinality(txs) AS count FROM all_of_them WHERE txs IS NOT NULL
)
SELECT coalesce((SELECT count FROM placed), 0) AS count, ARRAY(
  SELECT xid FROM unnest($3::text[]) AS xid WHERE pg_visible_in_snapshot(xid::xid8, pg_current_snapshot())) AS ended`

/** The types that any subscription takes. */
export const takenTypes: Sql = (schema) => `
SELECT DISTINCT type FROM ${schema}.subscription_type WHERE up_to IS NULL`

export const stats: Sql = (schema) => `
SELECT (SELECT sum(tail) FROM ${schema}.tail)::bigint AS appended,
  (SELECT count(*) FROM ${schema}.message WHERE position IS NOT NULL)::bigint AS messages,
  (SELECT count(*) FROM ${schema}.delayed)::bigint AS delayed,
  (SELECT count(*) FROM ${schema}.dead_letter)::bigint AS dead_letters`

/** How far each subscription is behind. */
export const progressOfAll: Sql = (schema) => `
SELECT s.name, sum(t.tail - c.cursor)::bigint AS behind,
    (SELECT count(*) FROM ${schema}.exception e WHERE e.subscription = s.id)::bigint AS exceptions
  FROM ${schema}.subscription s JOIN ${schema}.claim c ON c.subscription = s.id JOIN ${schema}.tail t USING (partition)
  GROUP BY s.id, s.name ORDER BY s.id`
