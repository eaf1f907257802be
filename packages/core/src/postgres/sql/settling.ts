import type { Sql } from '../statements.ts'
import { advancing, advancingAll } from './pieces.ts'

/**
 * Writes how far claims have come. Parameters: subscriptions, partitions, epochs, cursors, reaches, what is finished between them,
 * the node, the number of this. Gives those that the node still has.
 */
export const advance: Sql = (schema) => `${advancing(schema, 1)} RETURNING c.subscription, c.partition`

/** The same, or nothing of it, and an error, where one of them is not held. */
export const advanceAtOnce: Sql = (schema) => `WITH ${advancingAll(schema, 1)} SELECT are_held FROM held`

/**
 * What a node has written to a claim last: what it wrote before, and was not there so far, will never be.
 *
 * Parameters: the subscription, the partition, the epoch, the node, the number of what it wrote last.
 */
export const fence: Sql = (schema) => `
WITH was AS (
  SELECT subscription, partition, settled FROM ${schema}.claim
    WHERE subscription = $1 AND partition = $2 AND epoch = $3 AND node = $4::uuid FOR UPDATE
)
UPDATE ${schema}.claim c SET settled = greatest(was.settled, $5::bigint) FROM was
  WHERE c.subscription = was.subscription AND c.partition = was.partition RETURNING was.settled`

/** All exceptions of a claim. Parameters: the subscription, the partition. */
export const exceptions: Sql = (schema) => `
SELECT position, key, state, due_at, note FROM ${schema}.exception
  WHERE subscription = $1 AND partition = $2 ORDER BY position`

/** Writes exceptions, one for each position. Parameter: as JSON. */
export const except: Sql = (schema) => `
INSERT INTO ${schema}.exception (subscription, partition, position, key, state, due_at, note)
  SELECT * FROM json_to_recordset($1::text::json) AS e (subscription integer, partition integer, position bigint, key text,
    state text, due_at bigint, note text)
  ON CONFLICT (subscription, partition, position) DO UPDATE
    SET key = excluded.key, state = excluded.state, due_at = excluded.due_at, note = excluded.note`

/** Removes exceptions; whether their messages may go, the housekeeper sees to. Parameters: subscriptions, partitions, positions. */
export const clear: Sql = (schema) => `
WITH gone AS (
  DELETE FROM ${schema}.exception e
    USING unnest($1::integer[], $2::integer[], $3::bigint[]) AS c (subscription, partition, position)
    WHERE e.subscription = c.subscription AND e.partition = c.partition AND e.position = c.position
    RETURNING e.partition, e.position
)
INSERT INTO ${schema}.cleared SELECT partition, position FROM gone`

/** Stores dead letters as the newest; those of the same ids are none any more. Parameters: the ids, the letters as JSON. */
export const revive: Sql = (schema) => `DELETE FROM ${schema}.dead_letter WHERE letter_id = ANY($1::text[])`

export const bury: Sql = (schema) => `
INSERT INTO ${schema}.dead_letter (letter_id, subscription, partition, id, type, key, time, envelope, body, crc,
    correlation_id, error, attempts, died_at, is_replaying)
  SELECT letter_id, subscription, partition, id, type, key, time, envelope, body, crc,
      correlation_id, error, attempts, died_at, is_replaying
    FROM json_to_recordset($1::text::json) AS d (n integer, letter_id text, subscription text, partition integer, id text,
      type text, key text, time bigint, envelope text, body text, crc bigint, correlation_id text, error text, attempts text,
      died_at bigint, is_replaying boolean)
    ORDER BY n`
