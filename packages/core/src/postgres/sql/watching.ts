import type { Sql } from '../statements.ts'

/** What may have changed, and whether other nodes live. Parameter: the node. */
export const poll: Sql = (schema) => `
SELECT (SELECT sum(tail) FROM ${schema}.tail)::bigint AS appended,
  (SELECT min(due_at) FROM ${schema}.delayed) AS next_due,
  EXISTS (SELECT FROM ${schema}.unplaced) AS is_unplaced,
  (SELECT count(*) FROM ${schema}.claim WHERE node IS NULL)::integer AS free,
  EXISTS (SELECT FROM ${schema}.member WHERE node <> $1::uuid AND alive_until > ${schema}.now_ms()) AS has_others,
  ${schema}.now_ms() AS now`

export const notify: Sql = () => `SELECT pg_notify($1::text, '')`

/** Gives positions to what was committed without: by transactions that could not tell how far the log was. */
export const placeCommitted: Sql = (schema) => `
SELECT ${schema}.place(tx) FROM (SELECT tx FROM ${schema}.unplaced ORDER BY tx FOR UPDATE SKIP LOCKED) AS committed`

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
