import type { Migration } from '../schema.ts'

/** The number of partitions can be changed: by a generation of new ones, which follows the old one. */
export const generations: Migration = {
  version: 2,
  minCompatible: 1,
  sql: (schema) => `
-- Partitions are numbered on: those of a generation are 'first' and the next ones.
CREATE TABLE ${schema}.generation (
  id integer PRIMARY KEY,
  first integer NOT NULL,
  partitions integer NOT NULL CHECK (partitions > 0),
  began_at bigint NOT NULL
);
INSERT INTO ${schema}.generation SELECT 1, 0, partitions, ${schema}.now_ms() FROM ${schema}.meta;

-- 'final': where a partition has ended, because its generation has. Nobody gives a position behind it, whatever he knows.
ALTER TABLE ${schema}.tail ADD COLUMN final bigint, ADD CONSTRAINT tail_is_final CHECK (tail = final);

-- In which partition of a generation a key is: FNV-1a over UTF-8, as in the code.
CREATE FUNCTION ${schema}.partition_of(key text, first integer, partitions integer) RETURNS integer
  LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  bytes bytea := convert_to(key, 'UTF8');
  hash bigint := 2166136261;
BEGIN
  FOR n IN 0 .. length(bytes) - 1 LOOP
    hash := ((hash # get_byte(bytes, n)) * 16777619) & 4294967295;
  END LOOP;
  RETURN first + hash % partitions;
END $$;

-- Of several transactions, messages get their positions in the order in which they were published. A partition that was found by an older
-- generation is found anew.
CREATE OR REPLACE FUNCTION ${schema}.place(placed xid8[]) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
  newest ${schema}.generation;
  has_ended boolean := true;
BEGIN
  -- It may end while its tails are waited for. Those that are locked by then have all ended: the next ones have higher numbers.
  WHILE has_ended LOOP
    SELECT * INTO newest FROM ${schema}.generation ORDER BY id DESC LIMIT 1;
    -- Partitions are locked in their order: so no two transactions wait for each other.
    SELECT coalesce(bool_or(locked.final IS NOT NULL), false) INTO has_ended FROM (
      SELECT t.final FROM ${schema}.tail t WHERE t.partition IN (
        SELECT CASE WHEN m.partition >= newest.first THEN m.partition
            ELSE ${schema}.partition_of(coalesce(m.key, m.id), newest.first, newest.partitions) END
          FROM ${schema}.message m WHERE m.tx = ANY (placed) AND m.position IS NULL
      ) ORDER BY t.partition FOR UPDATE
    ) AS locked;
  END LOOP;
  WITH mine AS (
    SELECT located.*, row_number() OVER (PARTITION BY located.partition ORDER BY located.seq) AS n FROM (
      SELECT m.ctid AS row, m.seq, CASE WHEN m.partition >= newest.first THEN m.partition
          ELSE ${schema}.partition_of(coalesce(m.key, m.id), newest.first, newest.partitions) END AS partition
        FROM ${schema}.message m WHERE m.tx = ANY (placed) AND m.position IS NULL
    ) AS located
  ), counted AS (
    SELECT partition, count(*) AS count FROM mine GROUP BY partition
  ), moved AS (
    UPDATE ${schema}.tail t SET tail = t.tail + c.count FROM counted c WHERE t.partition = c.partition
      RETURNING t.partition, t.tail - c.count AS before
  )
  UPDATE ${schema}.message m SET partition = mine.partition, position = moved.before + mine.n, tx = NULL, seq = NULL
    FROM mine JOIN moved USING (partition) WHERE m.ctid = mine.row;
  DELETE FROM ${schema}.unplaced WHERE tx = ANY (placed);
END $$;

-- Has the log go on with so many partitions; does nothing where it has so many. Publications wait until it has committed.
CREATE FUNCTION ${schema}.repartition(wanted integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  old ${schema}.generation;
  new_first integer;
BEGIN
  IF wanted IS NULL OR wanted < 1 OR wanted > 4096 THEN
    RAISE EXCEPTION 'repartition() was given %. Pass how many partitions there are to be: 1 to 4096.', wanted;
  ELSIF current_setting('transaction_isolation') NOT LIKE 'read%' THEN
    RAISE EXCEPTION 'repartition() needs READ COMMITTED: it has to see what was registered until now.';
  END IF;
  -- No node registers subscriptions meanwhile.
  PERFORM pg_advisory_xact_lock(hashtextextended(${lockLiteral(schema)}, 0));
  SELECT * INTO old FROM ${schema}.generation ORDER BY id DESC LIMIT 1;
  IF old.partitions = wanted THEN
    RETURN;
  END IF;
  new_first := old.first + old.partitions;
  PERFORM FROM ${schema}.tail WHERE partition >= old.first ORDER BY partition FOR UPDATE;
  UPDATE ${schema}.tail SET final = tail WHERE partition >= old.first;
  INSERT INTO ${schema}.generation VALUES (old.id + 1, new_first, wanted, ${schema}.now_ms());
  INSERT INTO ${schema}.tail SELECT n, 0 FROM generate_series(new_first, new_first + wanted - 1) AS n;
  INSERT INTO ${schema}.pruned SELECT n, 0 FROM generate_series(new_first, new_first + wanted - 1) AS n;
  -- Nothing is finished: a bit for each of the positions that a claim may be ahead.
  INSERT INTO ${schema}.claim SELECT s.id, n, 0, 0, 0, decode(repeat('00', 128), 'hex'), true, NULL, ${schema}.now_ms()
    FROM ${schema}.subscription s CROSS JOIN generate_series(new_first, new_first + wanted - 1) AS n;
  INSERT INTO ${schema}.subscription_type SELECT t.subscription, t.type, n, 0, NULL
    FROM (SELECT DISTINCT subscription, type FROM ${schema}.subscription_type WHERE up_to IS NULL) AS t
      CROSS JOIN generate_series(new_first, new_first + wanted - 1) AS n;
  -- A release that knows nothing of generations would not read the new one.
  UPDATE ${schema}.meta SET partitions = wanted, min_compatible = greatest(min_compatible, 2);
  PERFORM pg_notify(${channelLiteral(schema)}, 'claims');
END $$;

-- The generations that have ended, and that a subscription still works on; 'behind': how many positions are not finished there.
CREATE VIEW ${schema}.draining AS
  SELECT c.subscription, g.id AS generation, g.first, g.first + g.partitions AS next_first, sum(t.final - c.cursor)::bigint AS behind
    FROM ${schema}.tail t JOIN ${schema}.claim c USING (partition)
      JOIN ${schema}.generation g ON c.partition >= g.first AND c.partition < g.first + g.partitions
    WHERE t.final IS NOT NULL GROUP BY c.subscription, g.id;

-- What is moved to another partition is in front of all that comes there: below zero.
CREATE SEQUENCE ${schema}.moved_seq;

-- Has subscriptions go on with their next generation where they have drained one, and nobody has a claim to it any more. What is left of
-- it, retried, set aside or dead, goes along. Gives how many have gone on.
CREATE FUNCTION ${schema}.move_on(subscriptions integer[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  old ${schema}.draining;
  following ${schema}.generation;
  of_name text;
  was_clean boolean;
  free integer;
  moved integer := 0;
BEGIN
  FOR old IN SELECT * FROM ${schema}.draining WHERE behind = 0 AND subscription = ANY (subscriptions)
      ORDER BY subscription, generation LOOP
    SELECT count(*), bool_and(locked.is_clean) INTO free, was_clean FROM (
      SELECT c.is_clean FROM ${schema}.claim c WHERE c.subscription = old.subscription
        AND c.partition >= old.first AND c.partition < old.next_first AND (c.node IS NULL OR c.held_until <= ${schema}.now_ms())
        FOR UPDATE SKIP LOCKED
    ) AS locked;
    -- Some are held, or of an older generation; or another node has been first.
    CONTINUE WHEN free = 0 OR free <
      (SELECT count(*) FROM ${schema}.claim WHERE subscription = old.subscription AND partition < old.next_first);
    SELECT * INTO following FROM ${schema}.generation WHERE id = old.generation + 1;
    SELECT name INTO of_name FROM ${schema}.subscription WHERE id = old.subscription;
    WITH left_over AS (
      SELECT e.*, ${schema}.partition_of(coalesce(e.key, m.id), following.first, following.partitions) AS to_partition
        FROM ${schema}.exception e LEFT JOIN ${schema}.message m USING (partition, position)
        WHERE e.subscription = old.subscription AND e.partition >= old.first AND e.partition < old.next_first
    ), moving AS MATERIALIZED (
      -- The last one is the first below zero.
      SELECT *, -nextval('${schema}.moved_seq') AS to_position
        FROM (SELECT * FROM left_over WHERE to_partition IS NOT NULL ORDER BY partition, position DESC) AS in_order
    ), gone AS (
      DELETE FROM ${schema}.exception e USING left_over f
        WHERE e.subscription = f.subscription AND e.partition = f.partition AND e.position = f.position
        RETURNING e.partition, e.position
    ), left_behind AS (
      INSERT INTO ${schema}.cleared SELECT partition, position FROM gone
    ), copied AS (
      INSERT INTO ${schema}.message (partition, position, id, type, key, time, envelope, body, crc)
        SELECT f.to_partition, f.to_position, m.id, m.type, m.key, m.time, m.envelope, m.body, m.crc
          FROM moving f JOIN ${schema}.message m USING (partition, position)
    ), taken_along AS (
      INSERT INTO ${schema}.exception SELECT subscription, to_partition, to_position, key, state, due_at, note FROM moving
    )
    UPDATE ${schema}.dead_letter d SET partition = l.to_partition FROM (
      -- One that holds its lane stays with what waits behind it.
      SELECT d.seq, coalesce(f.to_partition,
          ${schema}.partition_of(coalesce(d.key, d.id), following.first, following.partitions)) AS to_partition
        FROM ${schema}.dead_letter d LEFT JOIN moving f ON f.state = 'dead' AND f.note = d.letter_id
        WHERE d.subscription = of_name AND d.partition >= old.first AND d.partition < old.next_first
    ) AS l WHERE d.seq = l.seq;
    DELETE FROM ${schema}.claim
      WHERE subscription = old.subscription AND partition >= old.first AND partition < old.next_first;
    DELETE FROM ${schema}.subscription_type
      WHERE subscription = old.subscription AND partition >= old.first AND partition < old.next_first;
    -- From now on they can be had: nobody has missed them.
    UPDATE ${schema}.claim SET is_clean = was_clean, held_until = ${schema}.now_ms()
      WHERE subscription = old.subscription AND partition >= following.first AND partition < following.first + following.partitions;
    moved := moved + 1;
  END LOOP;
  RETURN moved;
END $$;
`,
}

/** What whoever changes the schema locks, as a literal. */
function lockLiteral(schema: string): string {
  return `'iambus ${schema.slice(1, -1)}'`
}

/** The name of the channel on which nodes are woken, as a literal: that of the schema. */
function channelLiteral(schema: string): string {
  return `'iambus ${schema.slice(1, -1)}'`
}
