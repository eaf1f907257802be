import type { Sql } from '../statements.ts'

/** The nodes that live, each with a subscription that it has, and what it knows of that. */
export const members: Sql = (schema) => `
SELECT m.node, s.subscription, s.types, s.versions, s.lacked_types, s.lacked_versions
  FROM ${schema}.member m JOIN ${schema}.member_subscription s USING (node)
  WHERE m.alive_until > ${schema}.now_ms()`

/** The newest generation of partitions, and those of which there are claims left. */
export const generations: Sql = (schema) => `
SELECT g.first, g.partitions, ARRAY(SELECT t.final FROM ${schema}.tail t
    WHERE t.partition >= g.first AND t.partition < g.first + g.partitions ORDER BY t.partition) AS ends
  FROM ${schema}.generation g WHERE g.id = (SELECT max(id) FROM ${schema}.generation) OR EXISTS
    (SELECT FROM ${schema}.claim c WHERE c.partition >= g.first AND c.partition < g.first + g.partitions)
  ORDER BY g.id`

/** Has subscriptions go on with their next generation, where they can. Parameter: which ones. Gives how many have. */
export const moveOn: Sql = (schema) => `SELECT ${schema}.move_on($1::integer[]) AS count`

/**
 * Takes claims that are free, or whose lease is over: those of the node's share, and those that nobody has had for a lease.
 * Of a generation only when those before it are done with, and of one that is drained no more.
 *
 * Parameters: subscriptions, partitions, whether each is in the node's share; the node, the lease in milliseconds.
 */
export const claim: Sql = (schema) => `
WITH free AS (
  SELECT c.subscription, c.partition, c.is_clean FROM ${schema}.claim c
    JOIN unnest($1::integer[], $2::integer[], $3::boolean[]) AS w (subscription, partition, is_share)
      ON c.subscription = w.subscription AND c.partition = w.partition
    WHERE (c.node IS NULL OR c.held_until <= ${schema}.now_ms())
      AND (w.is_share OR c.held_until + $5::bigint <= ${schema}.now_ms())
      AND NOT EXISTS (SELECT FROM ${schema}.draining d WHERE d.subscription = c.subscription
        AND d.first <= c.partition AND (d.next_first <= c.partition OR d.behind = 0))
    FOR UPDATE OF c SKIP LOCKED
)
UPDATE ${schema}.claim c
  SET epoch = c.epoch + 1, node = $4::uuid, held_until = ${schema}.now_ms() + $5::bigint, is_clean = false, settled = 0
  FROM free f WHERE c.subscription = f.subscription AND c.partition = f.partition
  RETURNING c.subscription, c.partition, c.epoch, c.cursor, c.reach, c.finished, f.is_clean`

/** A node has a subscription. Parameters: the node, the subscription, the types and versions that it knows. */
export const enrol: Sql = (schema) => `
INSERT INTO ${schema}.member_subscription VALUES ($1::uuid, $2, $3, $4) ON CONFLICT DO NOTHING`

/** What a node has met, and cannot read. Parameters: the node, a subscription, types, versions. */
export const lack: Sql = (schema) => `
UPDATE ${schema}.member_subscription SET lacked_types = $3, lacked_versions = $4 WHERE node = $1::uuid AND subscription = $2`

/** Which messages are those of claims. Parameters: subscriptions, partitions. */
export const ranges: Sql = (schema) => `
SELECT t.subscription, t.partition, t.type, t.after, t.up_to FROM ${schema}.subscription_type t
  JOIN unnest($1::integer[], $2::integer[]) AS w (subscription, partition)
    ON t.subscription = w.subscription AND t.partition = w.partition
  ORDER BY t.type, t.after`

/**
 * The heartbeat: keeps what the node has. What it does not know that it has, because an answer got lost, or works for no more, ends.
 *
 * Parameters: the node, the lease in milliseconds; subscriptions, partitions, epochs; the subscriptions of the node. Gives one row:
 * what it has of them, as `subscription#partition#epoch`, and what of that is drained, with all of its subscription; the members, as
 * JSON; and whether any claim of its own subscriptions is free.
 */
export const renew: Sql = (schema) => `
WITH alive AS (
  INSERT INTO ${schema}.member AS m VALUES ($1::uuid, ${schema}.now_ms() + $2::bigint, true)
    ON CONFLICT (node) DO UPDATE SET alive_until = excluded.alive_until
), on_duty AS (
  UPDATE ${schema}.duty SET node = $1::uuid, until = ${schema}.now_ms() + $2::bigint
    WHERE name = 'housekeeping' AND (node = $1::uuid OR until <= ${schema}.now_ms()) RETURNING name
), kept AS (
  UPDATE ${schema}.claim c SET held_until = ${schema}.now_ms() + $2::bigint
    FROM unnest($3::integer[], $4::integer[], $5::bigint[]) AS r (subscription, partition, epoch)
    WHERE c.subscription = r.subscription AND c.partition = r.partition AND c.epoch = r.epoch AND c.node = $1::uuid
    RETURNING c.subscription, c.partition, c.epoch
)
SELECT ${schema}.now_ms() AS now, EXISTS (SELECT FROM on_duty) AS is_on_duty, 
  NOT EXISTS (SELECT FROM ${schema}.member_subscription WHERE node = $1::uuid) AS was_forgotten,
  ARRAY(SELECT concat_ws('#', subscription, partition, epoch) FROM kept) AS kept,
  ARRAY(SELECT concat_ws('#', k.subscription, k.partition, k.epoch) FROM kept k JOIN ${schema}.draining d
    ON d.subscription = k.subscription AND d.first <= k.partition AND k.partition < d.next_first AND d.behind = 0) AS drained,
  (SELECT coalesce(json_agg(m), '[]')::text FROM (${members(schema)}) AS m) AS members,
  EXISTS (SELECT FROM ${schema}.claim WHERE subscription = ANY ($6::integer[])
    AND (node IS NULL OR held_until <= ${schema}.now_ms())) AS is_any_free`

/** Gives claims back, in order. Parameters: subscriptions, partitions, epochs, the node. */
export const release: Sql = (schema) => `
UPDATE ${schema}.claim c SET node = NULL, is_clean = true, held_until = ${schema}.now_ms()
    FROM unnest($1::integer[], $2::integer[], $3::bigint[]) AS r (subscription, partition, epoch)
    WHERE c.subscription = r.subscription AND c.partition = r.partition AND c.epoch = r.epoch AND c.node = $4::uuid`

/** The node has left: what it did not give back is free, and was not left in order. Parameter: the node. */
export const leave: Sql = (schema) => `
WITH gone AS (
  DELETE FROM ${schema}.member WHERE node = $1::uuid
), gone_with AS (
  DELETE FROM ${schema}.member_subscription WHERE node = $1::uuid
), off_duty AS (
  UPDATE ${schema}.duty SET node = NULL, until = 0 WHERE node = $1::uuid
)
UPDATE ${schema}.claim SET node = NULL, held_until = ${schema}.now_ms() WHERE subscription > 0 AND node = $1::uuid`
