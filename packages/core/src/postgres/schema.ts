import { ImproperlyConfigured, InvalidOption, shown } from '../errors.ts'
import { StoreFailed } from '../store-errors.ts'
import type { PostgresTransaction } from './client.ts'
import { numberOf } from './messages.ts'
import { log } from './migrations/0001-log.ts'
import { generations } from './migrations/0002-generations.ts'
import { checkSchema } from './settings.ts'

/** One change of the schema. What was released is never edited: a change is a new one at the end of the list. */
export interface Migration {
  readonly version: number
  /** The oldest release of the schema whose code can still work on it after this. */
  readonly minCompatible: number
  /** @param schema as it is written in SQL. */
  readonly sql: (schema: string) => string
}

const migrations: readonly Migration[] = [log, generations]

/** The schema that this code is for. */
const VERSION = migrations.at(-1)?.version ?? 0

/** What is known of a log, besides its messages. */
export interface Meta {
  readonly version: number
  readonly minCompatible: number
  readonly service: string
}

interface Migrating {
  readonly name: string
  readonly schema: string
  readonly service: string
  /** How many partitions a new log has. */
  readonly partitions: number
  /** Whether tables are made. */
  readonly migrate: boolean
}

/** The name of a schema, as it is written in SQL. */
export const quoted = (schema: string): string => `"${schema}"`

/**
 * Brings the schema up to date, in the transaction that is open, and while no other node does.
 *
 * @throws {StoreFailed} where the schema is of a later release that this code must not touch, or of another service.
 * @throws {ImproperlyConfigured} where it is not up to date, and is not to be brought there.
 */
export async function migrate(tx: PostgresTransaction, of: Migrating): Promise<Meta> {
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))', [`iambus ${of.schema}`])
  const meta = await metaOf(tx, of.schema)
  if (meta !== undefined) check(meta, of)
  if (meta?.version !== undefined && meta.version >= VERSION) return meta
  if (!of.migrate) {
    const what = `The schema ${of.schema} is ${meta === undefined ? 'not there' : `of version ${meta.version}`}, and this release needs ${VERSION}`
    const remedy =
      'Run what postgresMigrations({ schema, service, partitions }) gives, as the owner, or open the store with migrate: true.'
    throw new ImproperlyConfigured('SCHEMA_OUTDATED', `${of.name}: ${what}. ${remedy}`)
  }
  await tx.query(migrationText(of, meta?.version))
  return (await metaOf(tx, of.schema)) as Meta // It was written just now.
}

function check(meta: Meta, { name, service }: Migrating): void {
  if (meta.minCompatible > VERSION) {
    const needs = `needs a release that knows version ${meta.minCompatible}, and this one knows ${VERSION}`
    throw new StoreFailed(
      'STORE_TOO_NEW',
      `The schema of ${name} is version ${meta.version}, and ${needs}. Update iambus.`,
    )
  }
  if (meta.service !== service) {
    throw new StoreFailed(
      'STORE_OF_ANOTHER_SERVICE',
      `${name} was made for the service '${meta.service}', and this one is '${service}'. Give each service a schema of its own, or keep the name.`,
    )
  }
}

async function metaOf(tx: PostgresTransaction, schema: string): Promise<Meta | undefined> {
  const { rows: found } = await tx.query('SELECT to_regclass($1::text) IS NOT NULL AS is_there', [
    `${quoted(schema)}.meta`,
  ])
  if (found[0]?.['is_there'] !== true) return undefined
  const { rows } = await tx.query(`SELECT version, min_compatible, service FROM ${quoted(schema)}.meta`)
  const [row] = rows
  if (row === undefined) return undefined
  return {
    version: numberOf(row['version']),
    minCompatible: numberOf(row['min_compatible']),
    service: row['service'] as string,
  }
}

/** What brings a schema up to date, from a version on; as one text of several statements. */
function migrationText({ schema, service, partitions }: Omit<Migrating, 'name' | 'migrate'>, from?: number): string {
  const name = quoted(schema)
  const due = migrations.filter(({ version }) => version > (from ?? 0))
  const last = due.at(-1) as Migration // There is one, or nothing would be due.
  const first = `
CREATE SCHEMA IF NOT EXISTS ${name};
CREATE TABLE ${name}.meta (
  id integer PRIMARY KEY CHECK (id = 1),
  version integer NOT NULL,
  min_compatible integer NOT NULL,
  service text NOT NULL,
  partitions integer NOT NULL
);
INSERT INTO ${name}.meta VALUES (1, 0, 0, ${literal(service)}, ${partitions});`
  const rows = `
INSERT INTO ${name}.tail SELECT n, 0 FROM generate_series(0, ${partitions - 1}) AS n;
INSERT INTO ${name}.pruned SELECT n, 0 FROM generate_series(0, ${partitions - 1}) AS n;`
  return [
    ...(from === undefined ? [first] : []),
    ...due.map(({ version, sql }) => `-- ${version}\n${sql(name)}${version === 1 ? rows : ''}`),
    `UPDATE ${name}.meta SET version = ${last.version}, min_compatible = greatest(min_compatible, ${last.minCompatible});`,
  ].join('\n')
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/**
 * The statements that make the tables of a log, or bring them up to date, for those who run their migrations by themselves: then open
 * the store with `migrate: false`.
 *
 * @param options.from the version that is there, as the table `meta` says. Default: nothing is.
 * @throws {InvalidOption}
 */
export function postgresMigrations(options: {
  readonly schema: string
  readonly service: string
  readonly partitions?: number
  readonly from?: number
}): string {
  const { schema, service, partitions = 16, from } = options
  checkSchema(schema)
  if (typeof service !== 'string' || service === '')
    throw new InvalidOption(`service is ${shown(service)}. Pass its name.`)
  if (from !== undefined && from >= VERSION) return ''
  return `BEGIN;${migrationText({ schema, service, partitions }, from)}\nCOMMIT;\n`
}
