import type { Sql } from '../statements.ts'
import { advancingAll, given, givenWithin, taken, typeChanges } from './pieces.ts'

/**
 * Stores messages, and gives each its position, in a transaction that ends right after it. Partitions are locked in their order.
 *
 * Parameters: the messages, as JSON; for how long their ids are remembered, in milliseconds; for how long a transaction is waited
 * for that has taken one of the ids, as `lock_timeout` is written.
 */
export const append: Sql = (schema) => `
WITH ${givenWithin(schema)}, ${taken(schema)}, counted AS (
  SELECT partition, count(*) AS count FROM taken WHERE due_at IS NULL GROUP BY partition
), locked AS (
  SELECT partition FROM ${schema}.tail WHERE partition IN (SELECT partition FROM counted) ORDER BY partition FOR UPDATE
), moved AS (
  UPDATE ${schema}.tail t SET tail = t.tail + c.count FROM counted c JOIN locked USING (partition)
    WHERE t.partition = c.partition RETURNING t.partition, t.tail - c.count AS before
), appended AS (
  INSERT INTO ${schema}.message (partition, position, id, type, key, time, envelope, body, crc)
    SELECT t.partition, moved.before + row_number() OVER (PARTITION BY t.partition ORDER BY t.n),
        t.id, t.type, t.key, t.time, t.envelope, t.body, t.crc
      FROM taken t JOIN moved USING (partition) WHERE t.due_at IS NULL
)
SELECT n FROM taken`

/** Messages, as JSON; the partitions, and how many messages each is given: the parameters $1, $2, $3. */
const placed = (schema: string, condition = ''): string => `locked AS (
  SELECT partition FROM ${schema}.tail WHERE partition = ANY($2::integer[])${condition} ORDER BY partition FOR UPDATE
), moved AS (
  UPDATE ${schema}.tail t SET tail = t.tail + c.count
    FROM unnest($2::integer[], $3::integer[]) AS c (partition, count) JOIN locked USING (partition)
    WHERE t.partition = c.partition RETURNING t.partition, t.tail - c.count AS before
), appended AS (
  INSERT INTO ${schema}.message (partition, position, id, type, key, time, envelope, body, crc)
    SELECT partition, moved.before + g.nth, g.id, g.type, g.key, g.time, g.envelope, g.body, g.crc
      FROM json_to_recordset($1::text::json) AS g (partition integer, nth integer, id text, type text, key text, time bigint,
        envelope text, body text, crc bigint) JOIN moved USING (partition)
)`

/**
 * The same for messages whose ids come once, and none of which is delayed: where each is among those of its partition is known.
 *
 * Parameters: the messages, as JSON; the partitions, and how many messages each is given. Gives behind which position they are.
 */
export const appendPlain: Sql = (schema) =>
  `WITH ${placed(schema)} SELECT partition, before, ${typeChanges(schema)} FROM moved`

/**
 * The same together with how far claims have come; nothing of it, and an error, where one of them is not held.
 *
 * Parameters: those of `appendPlain`, and those of `advanceAtOnce`.
 */
export const settleAtOnce: Sql = (schema) => `
WITH ${advancingAll(schema, 4)}, ${placed(schema, ' AND (SELECT are_held FROM held)')}
SELECT partition, before, ${typeChanges(schema)} FROM moved`

/**
 * Stores messages in a transaction of the caller's own. They have no positions yet, and lock nothing: when it commits, the trigger
 * on the table `unplaced` gives them theirs.
 *
 * Parameters: as for `append`. Gives the transaction too, if its isolation is such that a node has to place what it stores.
 */
export const publish: Sql = (schema) => `
WITH ${given(schema)}, ${taken(schema)}, appended AS (
  INSERT INTO ${schema}.message (partition, tx, seq, id, type, key, time, envelope, body, crc)
    SELECT partition, pg_current_xact_id(), nextval('${schema}.message_seq'), id, type, key, time, envelope, body, crc
      FROM (SELECT * FROM taken WHERE due_at IS NULL ORDER BY n) AS in_order
), marked AS (
  INSERT INTO ${schema}.unplaced SELECT pg_current_xact_id() FROM taken WHERE due_at IS NULL LIMIT 1 ON CONFLICT DO NOTHING
)
SELECT n, CASE WHEN current_setting('transaction_isolation') NOT LIKE 'read%' THEN pg_current_xact_id()::text END AS strict
  FROM taken`
