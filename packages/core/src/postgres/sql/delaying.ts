import type { Sql } from '../statements.ts'

/**
 * Appends what is due, the earliest first: in the newest generation of partitions, whichever it was put by for. (What time it is, is
 * asked for once: else no index would serve.) Parameter: how many at most. Gives when the next one is due.
 */
export const appendDue: Sql = (schema) => `
WITH chosen AS (
  SELECT seq FROM ${schema}.delayed WHERE due_at <= (SELECT ${schema}.now_ms()) ORDER BY due_at, seq
    LIMIT $1::integer FOR UPDATE SKIP LOCKED
), due AS (
  DELETE FROM ${schema}.delayed d WHERE d.seq = ANY (ARRAY(SELECT seq FROM chosen)) RETURNING d.*
), newest AS (
  SELECT first, partitions FROM ${schema}.generation ORDER BY id DESC LIMIT 1
), found AS MATERIALIZED (
  SELECT d.seq, CASE WHEN d.partition >= n.first THEN d.partition
      ELSE ${schema}.partition_of(coalesce(d.key, d.id), n.first, n.partitions) END AS partition
    FROM due d CROSS JOIN newest n
), counted AS (
  SELECT partition, count(*) AS count FROM found GROUP BY partition
), locked AS (
  SELECT partition FROM ${schema}.tail WHERE partition IN (SELECT partition FROM counted) ORDER BY partition FOR UPDATE
), moved AS (
  UPDATE ${schema}.tail t SET tail = t.tail + c.count FROM counted c JOIN locked USING (partition)
    WHERE t.partition = c.partition RETURNING t.partition, t.tail - c.count AS before
), appended AS (
  INSERT INTO ${schema}.message (partition, position, id, type, key, time, envelope, body, crc)
    SELECT f.partition, moved.before + row_number() OVER (PARTITION BY f.partition ORDER BY d.due_at, d.seq),
        d.id, d.type, d.key, d.time, d.envelope, d.body, d.crc
      FROM due d JOIN found f USING (seq) JOIN moved ON moved.partition = f.partition
)
SELECT (SELECT count(*) FROM due)::integer AS count,
  (SELECT min(due_at) FROM ${schema}.delayed WHERE seq NOT IN (SELECT seq FROM chosen)) AS next`

/** Takes back a message that is not due yet; its id is free again. Parameter: its id. */
export const cancel: Sql = (schema) => `
WITH gone AS (
  DELETE FROM ${schema}.delayed WHERE id = $1 RETURNING id
), forgotten AS (
  DELETE FROM ${schema}.seen WHERE id IN (SELECT id FROM gone)
)
SELECT id FROM gone`

/** When a schedule is due. Parameter: its name. */
export const scheduled: Sql = (schema) => `SELECT due_at FROM ${schema}.schedule WHERE name = $1`

/** Parameters: its name, when it is due. */
export const schedule: Sql = (schema) => `
INSERT INTO ${schema}.schedule VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at`

/** Has a schedule due later, if it is still due when whoever fires it thinks. Parameters: its name, when it was due, and is next. */
export const moveSchedule: Sql = (schema) => `
UPDATE ${schema}.schedule SET due_at = $3 WHERE name = $1 AND due_at = $2 RETURNING name`

export const unschedule: Sql = (schema) => `DELETE FROM ${schema}.schedule WHERE name = $1 RETURNING name`
