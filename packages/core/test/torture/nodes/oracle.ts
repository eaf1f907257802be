import { query } from '../../servers/postgres.ts'
import { postgresMigrations } from '../../../src/postgres/index.ts'
import { SETTINGS } from './settings.ts'

/**
 * What the server itself writes down, by triggers, in the transactions of the nodes: where each message is in the log, who took which claim
 * from whom, and whatever was committed by a node that did not have the claim. Nodes are known by their `application_name`.
 */
const tables = `
CREATE SCHEMA oracle;
CREATE TABLE oracle.violation (text text NOT NULL);
CREATE TABLE oracle.business (id text PRIMARY KEY);
CREATE TABLE oracle.logged (id text PRIMARY KEY, type text NOT NULL, key text, partition integer NOT NULL, position bigint NOT NULL,
  at bigint NOT NULL);
CREATE TABLE oracle.claimed (place bigint GENERATED ALWAYS AS IDENTITY, subscription integer NOT NULL, partition integer NOT NULL,
  epoch bigint NOT NULL, owner text NOT NULL, is_expired boolean NOT NULL, cursor bigint NOT NULL, at bigint NOT NULL,
  PRIMARY KEY (subscription, partition, epoch));
CREATE TABLE oracle.effect (place bigint GENERATED ALWAYS AS IDENTITY, handler text NOT NULL, id text NOT NULL, key text,
  cause text, node text NOT NULL);

CREATE FUNCTION oracle.owner(of_subscription integer, of_partition integer) RETURNS text LANGUAGE sql AS $$
  SELECT owner FROM oracle.claimed WHERE subscription = of_subscription AND partition = of_partition ORDER BY epoch DESC LIMIT 1 $$;

CREATE FUNCTION oracle.log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO oracle.logged VALUES (NEW.id, NEW.type, NEW.key, NEW.partition, NEW.position, iambus.now_ms());
  RETURN NULL;
END $$;
CREATE TRIGGER logged AFTER INSERT OR UPDATE OF position ON iambus.message FOR EACH ROW WHEN (NEW.position IS NOT NULL)
  EXECUTE FUNCTION oracle.log();

CREATE FUNCTION oracle.look() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  who text := current_setting('application_name');
  what text := format('%s in partition %s, epoch %s, by %s', NEW.subscription, NEW.partition, NEW.epoch, who);
BEGIN
  IF NEW.epoch <> OLD.epoch THEN
    IF NEW.epoch <> OLD.epoch + 1 OR NEW.cursor <> OLD.cursor THEN
      INSERT INTO oracle.violation VALUES ('A claim was taken with another progress or epoch: ' || what);
    END IF;
    IF OLD.node IS NOT NULL AND OLD.held_until > iambus.now_ms() THEN
      INSERT INTO oracle.violation VALUES ('A claim was taken while its lease lasted: ' || what);
    END IF;
    INSERT INTO oracle.claimed (subscription, partition, epoch, owner, is_expired, cursor, at)
      VALUES (NEW.subscription, NEW.partition, NEW.epoch, who, OLD.node IS NOT NULL, NEW.cursor, iambus.now_ms());
  ELSIF (NEW.cursor, NEW.reach, NEW.finished) IS DISTINCT FROM (OLD.cursor, OLD.reach, OLD.finished) THEN
    IF who IS DISTINCT FROM oracle.owner(NEW.subscription, NEW.partition) THEN
      INSERT INTO oracle.violation VALUES ('A stale completion was stored: ' || what);
    END IF;
    IF NEW.cursor < OLD.cursor OR NEW.reach < OLD.reach THEN
      INSERT INTO oracle.violation VALUES ('A cursor has fallen: ' || what);
    END IF;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER looked AFTER UPDATE ON iambus.claim FOR EACH ROW EXECUTE FUNCTION oracle.look();

-- At COMMIT: whatever has fenced the transaction has done so by then.
CREATE FUNCTION oracle.fence() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.node IS DISTINCT FROM (SELECT oracle.owner(s.id, l.partition) FROM oracle.logged l, iambus.subscription s
      WHERE l.id = NEW.id AND s.name = NEW.handler) THEN
    INSERT INTO oracle.violation VALUES (format('A stale effect was committed: %s of %s, by %s', NEW.id, NEW.handler, NEW.node));
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER fenced AFTER INSERT ON oracle.effect DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION oracle.fence();
`

/** Makes the tables of the bus, and the oracle's. */
export async function consult(url: string): Promise<void> {
  await query(url, postgresMigrations(SETTINGS))
  await query(url, tables)
}

export interface Logged {
  readonly id: string
  readonly type: string
  readonly key: string | null
  readonly partition: number
  readonly position: number
  readonly at: number
}

/** That a node has taken a claim; `from`: whose it was before, and `isExpired`: that it was not given back. */
export interface Taking {
  readonly handler: string
  readonly partition: number
  readonly owner: string
  readonly from: string | null
  readonly isExpired: boolean
  readonly cursor: number
  readonly at: number
}

export interface Effect {
  readonly handler: string
  readonly id: string
  readonly key: string | null
  readonly cause: string | null
}

/** What the server has written down, and what is left of the work, when all is done. */
export interface Facts {
  readonly violations: readonly string[]
  readonly business: readonly string[]
  readonly logged: readonly Logged[]
  readonly takings: readonly Taking[]
  readonly effects: readonly Effect[]
  /** Whatever must be nothing in the end, by its name. */
  readonly left: Readonly<Record<string, number>>
}

export async function factsOf(url: string): Promise<Facts> {
  const violations = await query(url, 'SELECT text FROM oracle.violation')
  const business = await query(url, 'SELECT id FROM oracle.business')
  // Big numbers come as texts: these are small enough.
  const logged = await query(
    url,
    'SELECT id, type, key, partition, position::float8, at::float8 FROM oracle.logged ORDER BY partition, position',
  )
  const takings = await query(
    url,
    `SELECT s.name AS handler, c.partition, c.owner, c.is_expired AS "isExpired", c.cursor::float8, c.at::float8,
        lag(c.owner) OVER (PARTITION BY c.subscription, c.partition ORDER BY c.epoch) AS "from"
      FROM oracle.claimed c JOIN iambus.subscription s ON s.id = c.subscription ORDER BY c.place`,
  )
  const effects = await query(url, 'SELECT handler, id, key, cause FROM oracle.effect ORDER BY place')
  return {
    violations: violations.map(({ text }) => text as string),
    business: business.map(({ id }) => id as string),
    // As the statements say.
    logged: logged as unknown as Logged[],
    takings: takings as unknown as Taking[],
    effects: effects as unknown as Effect[],
    left: await leftIn(url),
  }
}

/** Whatever the nodes have not done yet. */
export async function leftIn(url: string): Promise<Readonly<Record<string, number>>> {
  const [row = {}] = await query(
    url,
    `SELECT (SELECT count(*) FROM iambus.exception)::integer AS exceptions,
      (SELECT count(*) FROM iambus.dead_letter)::integer AS "dead letters",
      (SELECT count(*) FROM iambus.delayed)::integer AS "delayed messages",
      (SELECT count(*) FROM iambus.unplaced)::integer AS "messages without a position",
      (SELECT coalesce(sum(tail - cursor), 0) FROM iambus.claim JOIN iambus.tail USING (partition))::integer AS "positions behind the tail"`,
  )
  return row as Record<string, number>
}
