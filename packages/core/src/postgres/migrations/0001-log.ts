import type { Migration } from '../schema.ts'

const message = `
  id text NOT NULL,
  type text NOT NULL,
  key text,
  time bigint NOT NULL,
  envelope text NOT NULL,
  body text NOT NULL,
  crc bigint NOT NULL`

/** The log, and how far each subscription has come in it. */
export const log: Migration = {
  version: 1,
  minCompatible: 1,
  sql: (schema) => `
-- Only the clock of the server decides. In milliseconds since 1970.
CREATE FUNCTION ${schema}.now_ms() RETURNS bigint LANGUAGE sql VOLATILE
  AS 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint';

-- The last position of each partition. Only who gives positions locks a row, and only until it commits.
CREATE TABLE ${schema}.tail (partition integer PRIMARY KEY, tail bigint NOT NULL) WITH (fillfactor = 50);
-- Up to where finished messages have been removed.
CREATE TABLE ${schema}.pruned (partition integer PRIMARY KEY, position bigint NOT NULL) WITH (fillfactor = 50);

-- A message of a transaction that has not committed has no position yet: its place in the transaction is 'seq' of 'tx'.
CREATE TABLE ${schema}.message (
  partition integer NOT NULL,
  position bigint,
  tx xid8,
  seq bigint,${message}
);
CREATE UNIQUE INDEX message_position ON ${schema}.message (partition, position);
CREATE INDEX message_unplaced ON ${schema}.message (tx) WHERE position IS NULL;
CREATE SEQUENCE ${schema}.message_seq;
CREATE TABLE ${schema}.archive (partition integer NOT NULL, position bigint NOT NULL,${message},
  PRIMARY KEY (partition, position));

-- One row for each transaction that has messages without a position: when it commits, they are given theirs.
CREATE TABLE ${schema}.unplaced (tx xid8 PRIMARY KEY);

-- Of several transactions, messages get their positions in the order in which they were published.
CREATE FUNCTION ${schema}.place(placed xid8[]) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
  -- Partitions are locked in their order: so no two transactions wait for each other.
  PERFORM FROM ${schema}.tail WHERE partition IN
    (SELECT partition FROM ${schema}.message WHERE tx = ANY (placed) AND position IS NULL) ORDER BY partition FOR UPDATE;
  WITH mine AS (
    SELECT m.ctid AS row, m.partition, row_number() OVER (PARTITION BY m.partition ORDER BY m.seq) AS n
      FROM ${schema}.message m WHERE m.tx = ANY (placed) AND m.position IS NULL
  ), counted AS (
    SELECT partition, count(*) AS count FROM mine GROUP BY partition
  ), moved AS (
    UPDATE ${schema}.tail t SET tail = t.tail + c.count FROM counted c WHERE t.partition = c.partition
      RETURNING t.partition, t.tail - c.count AS before
  )
  UPDATE ${schema}.message m SET position = moved.before + mine.n, tx = NULL, seq = NULL
    FROM mine JOIN moved USING (partition) WHERE m.ctid = mine.row;
  DELETE FROM ${schema}.unplaced WHERE tx = ANY (placed);
END $$;

CREATE FUNCTION ${schema}.place_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('transaction_isolation') LIKE 'read%' THEN
    -- With those that have committed before, and have no positions yet: they were published before.
    PERFORM ${schema}.place(ARRAY(SELECT tx FROM ${schema}.unplaced ORDER BY tx FOR UPDATE));
    -- A NOTIFY has all transactions commit one after the other: it is for those who would not look otherwise.
    IF EXISTS (SELECT FROM ${schema}.member WHERE is_asleep AND alive_until > ${schema}.now_ms()) THEN
      PERFORM pg_notify(TG_ARGV[0], '');
    END IF;
  ELSE
    -- Under a stricter isolation it could not be told how far the log is by now: a node gives positions, once it has committed.
    PERFORM pg_notify(TG_ARGV[0], 'unplaced');
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER place_at_commit AFTER INSERT ON ${schema}.unplaced DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION ${schema}.place_at_commit(${channelLiteral(schema)});

CREATE TABLE ${schema}.subscription (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  -- When a live node had it last, as far as is known.
  had_at bigint NOT NULL
);
CREATE TABLE ${schema}.subscription_type (
  subscription integer NOT NULL,
  type text NOT NULL,
  partition integer NOT NULL,
  after bigint NOT NULL,
  up_to bigint,
  PRIMARY KEY (subscription, type, partition, after)
);
-- How often something has changed that other nodes have to know of: 'types', those that subscriptions take, which whoever reads
-- messages is told with them; 'letters', which are replayed, or were removed.
CREATE TABLE ${schema}.change (what text PRIMARY KEY, count bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO ${schema}.change VALUES ('types', 0), ('letters', 0);
CREATE TABLE ${schema}.claim (
  subscription integer NOT NULL,
  partition integer NOT NULL,
  epoch bigint NOT NULL,
  cursor bigint NOT NULL,
  reach bigint NOT NULL,
  finished bytea NOT NULL,
  is_clean boolean NOT NULL,
  node uuid,
  held_until bigint NOT NULL,
  -- The number of what its node has written last: where the answer got lost, it tells whether it was written.
  settled bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (subscription, partition)
) WITH (fillfactor = 50);
-- Undoes a statement that has found fewer claims than it was to write: another node has the others.
CREATE FUNCTION ${schema}.all_held(held bigint, wanted bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF held < wanted THEN RAISE EXCEPTION '% of % claims are held', held, wanted USING ERRCODE = 'IB001'; END IF;
  RETURN true;
END $$;
CREATE TABLE ${schema}.exception (
  subscription integer NOT NULL,
  partition integer NOT NULL,
  position bigint NOT NULL,
  key text,
  state text NOT NULL,
  due_at bigint,
  note text,
  PRIMARY KEY (subscription, partition, position)
);
CREATE INDEX exception_position ON ${schema}.exception (partition, position);
-- What had an exception, and may be removed if it was passed by all: the housekeeper looks.
CREATE TABLE ${schema}.cleared (partition integer NOT NULL, position bigint NOT NULL);
CREATE INDEX cleared_position ON ${schema}.cleared (partition, position);

CREATE TABLE ${schema}.dead_letter (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  letter_id text NOT NULL UNIQUE,
  subscription text NOT NULL,
  partition integer NOT NULL,${message},
  correlation_id text NOT NULL,
  error text NOT NULL,
  attempts text NOT NULL,
  died_at bigint NOT NULL,
  is_replaying boolean NOT NULL
);
CREATE INDEX dead_letter_subscription ON ${schema}.dead_letter (subscription, seq);
CREATE INDEX dead_letter_message ON ${schema}.dead_letter (id);
CREATE INDEX dead_letter_correlation ON ${schema}.dead_letter (correlation_id);
CREATE INDEX dead_letter_replaying ON ${schema}.dead_letter (subscription, seq) WHERE is_replaying;

CREATE TABLE ${schema}.seen (id text PRIMARY KEY, expires_at bigint NOT NULL);
CREATE INDEX seen_expires ON ${schema}.seen (expires_at);
CREATE TABLE ${schema}.delayed (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  partition integer NOT NULL,
  due_at bigint NOT NULL,${message}
);
CREATE INDEX delayed_due ON ${schema}.delayed (due_at, seq);
CREATE INDEX delayed_id ON ${schema}.delayed (id);
CREATE TABLE ${schema}.schedule (name text PRIMARY KEY, due_at bigint NOT NULL);

-- The nodes that have the log open, and which subscriptions they have.
CREATE TABLE ${schema}.member (
  node uuid PRIMARY KEY,
  alive_until bigint NOT NULL,
  -- Whether it wants to be woken: while it has much to do, it looks by itself.
  is_asleep boolean NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE ${schema}.member_subscription (
  node uuid NOT NULL,
  subscription integer NOT NULL,
  types text[] NOT NULL,
  -- The highest version of each that it can read.
  versions integer[] NOT NULL,
  -- What it has met, and cannot read: types, and versions.
  lacked_types text[] NOT NULL DEFAULT '{}',
  lacked_versions integer[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (node, subscription)
);
-- What one node does for all: until when it may.
CREATE TABLE ${schema}.duty (name text PRIMARY KEY, node uuid, until bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO ${schema}.duty VALUES ('housekeeping', NULL, 0);
`,
}

/** The name of the channel on which nodes are woken, as a literal: that of the schema. */
function channelLiteral(schema: string): string {
  return `'iambus ${schema.slice(1, -1)}'`
}
