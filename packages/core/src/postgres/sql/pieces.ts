import type { Sql } from '../statements.ts'

/** The messages that a statement is given, as JSON: one parameter, of a type that every driver can send. */
export const given: Sql = () => `given AS (
  SELECT * FROM json_to_recordset($1::text::json) AS given (n integer, partition integer, id text, type text, key text,
    time bigint, envelope text, body text, crc bigint, repeats boolean, due_at bigint)
)`

/** The same, and how long a lock is waited for from now on in the transaction: the third parameter, as the setting is written. */
export const givenWithin: Sql = () => `given AS MATERIALIZED (
  SELECT given.* FROM (SELECT set_config('lock_timeout', $3::text, true)) AS waiting, json_to_recordset($1::text::json)
    AS given (n integer, partition integer, id text, type text, key text, time bigint, envelope text, body text, crc bigint,
      repeats boolean, due_at bigint)
)`

/**
 * Those of them whose ids are not remembered, of which the delayed ones are put by. Ids are written in their order: so no two
 * statements wait for each other. One that is in a transaction under way is waited for.
 */
export const taken: Sql = (schema) => `fresh AS (
  INSERT INTO ${schema}.seen AS s (id, expires_at)
    SELECT id, greatest(${schema}.now_ms(), coalesce(due_at, 0)) + $2::bigint FROM given WHERE repeats ORDER BY id
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at WHERE s.expires_at <= ${schema}.now_ms()
    RETURNING id
), taken AS MATERIALIZED (
  SELECT * FROM given WHERE repeats IS NOT TRUE OR id IN (SELECT id FROM fresh)
), put_by AS (
  INSERT INTO ${schema}.delayed (partition, due_at, id, type, key, time, envelope, body, crc)
    SELECT partition, due_at, id, type, key, time, envelope, body, crc FROM taken WHERE due_at IS NOT NULL ORDER BY n
)`

/**
 * Writes how far claims have come. Parameters, from the n-th on: subscriptions, partitions, epochs, cursors, reaches, what is finished
 * between them; the node, the number of this.
 */
export const advancing = (schema: string, n: number, within = ''): string => `
UPDATE ${schema}.claim c SET cursor = s.cursor, reach = s.reach, finished = s.finished, settled = $${n + 7}::bigint
  FROM ${within}unnest($${n}::integer[], $${n + 1}::integer[], $${n + 2}::bigint[], $${n + 3}::bigint[], $${n + 4}::bigint[],
    $${n + 5}::bytea[]) AS s (subscription, partition, epoch, cursor, reach, finished)
  WHERE c.subscription = s.subscription AND c.partition = s.partition AND c.epoch = s.epoch AND c.node = $${n + 6}::uuid
    AND c.settled < $${n + 7}::bigint`

/** The same for all of them, or for none, and an error; also where a lock is waited for for a quarter of a second. */
export const advancingAll = (schema: string, n: number): string => `advanced AS (
  ${advancing(schema, n, "(SELECT set_config('lock_timeout', '250ms', true)) AS waiting, ")} RETURNING c.partition
), held AS (
  SELECT ${schema}.all_held(count(*), cardinality($${n}::integer[])) AS are_held FROM advanced
)`

/** How often the types that subscriptions take have changed by then: whoever gives messages to feeds has to know. */
export const typeChanges: Sql = (schema) => `(SELECT count FROM ${schema}.change WHERE what = 'types') AS type_changes`
