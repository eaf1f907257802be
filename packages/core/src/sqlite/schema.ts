import { StoreFailed } from '../store-errors.ts'
import { prepare, type SqliteDatabase } from './handle.ts'

/** One change of the schema. What was released is never edited: a change is a new one at the end of the list. */
interface Migration {
  readonly version: number
  /** The oldest release of the schema whose code can still work on a file after this. */
  readonly minCompatible: number
  readonly sql: string
}

const message = `
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  key TEXT,
  time INTEGER NOT NULL,
  envelope TEXT NOT NULL,
  body TEXT NOT NULL,
  crc INTEGER NOT NULL`

// The log has no second index: an append writes to the end of one tree.
export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    minCompatible: 1,
    sql: `
CREATE TABLE iambus_log (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  tail INTEGER NOT NULL,
  clock INTEGER NOT NULL,
  pruned INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  turn INTEGER NOT NULL
);
INSERT INTO iambus_log VALUES (1, 0, 0, 0, 0, 0);
CREATE TABLE iambus_message (position INTEGER PRIMARY KEY, ${message});
CREATE TABLE iambus_archive (position INTEGER PRIMARY KEY, ${message});
CREATE TABLE iambus_subscription (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
CREATE TABLE iambus_subscription_type (
  subscription INTEGER NOT NULL,
  type TEXT NOT NULL,
  after INTEGER NOT NULL,
  up_to INTEGER,
  PRIMARY KEY (subscription, type, after)
) WITHOUT ROWID;
CREATE TABLE iambus_claim (
  subscription INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  cursor INTEGER NOT NULL,
  reach INTEGER NOT NULL,
  finished BLOB NOT NULL,
  is_clean INTEGER NOT NULL,
  is_held INTEGER NOT NULL,
  PRIMARY KEY (subscription, partition)
) WITHOUT ROWID;
CREATE TABLE iambus_exception (
  subscription INTEGER NOT NULL,
  position INTEGER NOT NULL,
  key TEXT,
  state TEXT NOT NULL,
  due_at INTEGER,
  note TEXT,
  PRIMARY KEY (subscription, position)
) WITHOUT ROWID;
CREATE INDEX iambus_exception_position ON iambus_exception (position);
CREATE TABLE iambus_dead_letter (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  letter_id TEXT NOT NULL UNIQUE,
  subscription TEXT NOT NULL,
  partition INTEGER NOT NULL,${message},
  correlation_id TEXT NOT NULL,
  error TEXT NOT NULL,
  attempts TEXT NOT NULL,
  died_at INTEGER NOT NULL,
  is_replaying INTEGER NOT NULL
);
CREATE INDEX iambus_dead_letter_subscription ON iambus_dead_letter (subscription);
CREATE INDEX iambus_dead_letter_message ON iambus_dead_letter (id);
CREATE INDEX iambus_dead_letter_correlation ON iambus_dead_letter (correlation_id);
CREATE INDEX iambus_dead_letter_replaying ON iambus_dead_letter (subscription, seq) WHERE is_replaying = 1;
CREATE TABLE iambus_seen (id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE iambus_delayed (seq INTEGER PRIMARY KEY AUTOINCREMENT, due_at INTEGER NOT NULL, ${message});
CREATE INDEX iambus_delayed_due ON iambus_delayed (due_at);
CREATE INDEX iambus_delayed_id ON iambus_delayed (id);
CREATE TABLE iambus_schedule (name TEXT PRIMARY KEY, due_at INTEGER NOT NULL) WITHOUT ROWID;
`,
  },
]

/** The schema that this code is for. */
const VERSION = MIGRATIONS.at(-1)?.version ?? 0

/**
 * Brings the schema up to date, in the transaction that is open.
 *
 * @throws {StoreFailed} where the schema is of a later release that this code must not touch, or of another service.
 */
export function migrate(database: SqliteDatabase, name: string, service: string | undefined): void {
  database.exec(`CREATE TABLE IF NOT EXISTS iambus_meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    min_compatible INTEGER NOT NULL,
    service TEXT
  )`)
  const meta = prepare(database, 'SELECT version, min_compatible, service FROM iambus_meta WHERE id = 1').get() as
    | { readonly version: number; readonly min_compatible: number; readonly service: string | null }
    | undefined
  if (meta !== undefined && meta.min_compatible > VERSION) {
    const needs = `needs a release that knows version ${meta.min_compatible}, and this one knows ${VERSION}`
    throw new StoreFailed(
      'STORE_TOO_NEW',
      `The schema of ${name} is version ${meta.version}, and ${needs}. Update iambus.`,
    )
  }
  if (service !== undefined && meta !== undefined && meta.service !== null && meta.service !== service) {
    const remedy = 'Give each service a file of its own, or keep the name.'
    throw new StoreFailed(
      'STORE_OF_ANOTHER_SERVICE',
      `${name} was made for the service '${meta.service}', and this one is '${service}'. ${remedy}`,
    )
  }
  const from = meta?.version ?? 0
  const due = MIGRATIONS.filter(({ version }) => version > from)
  for (const { sql } of due) database.exec(sql)
  const now = { version: from, minCompatible: meta?.min_compatible ?? 0, ...due.at(-1) }
  prepare(
    database,
    'INSERT OR REPLACE INTO iambus_meta (id, version, min_compatible, service) VALUES (1, ?, ?, ?)',
  ).run(now.version, now.minCompatible, service ?? meta?.service ?? null)
}
