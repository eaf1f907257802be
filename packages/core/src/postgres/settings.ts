import { InvalidOption, shown } from '../errors.ts'
import { checkCount, checkDurationMs, checkNames, SCAN_AHEAD, UNKNOWN_TYPE_MS } from '../options.ts'
import { checkCompletion, checkForget, checkKeptMs, type Completion } from '../ports/store-settings.ts'
import type { PostgresPool } from './client.ts'

/** What `postgres()` takes: a `pool` or a `connectionString`; the defaults of the rest are in {@link POSTGRES_DEFAULTS}. */
export interface PostgresOptions {
  /**
   * A `Pool` of `pg`, of at least 4 connections; it is left open when the store closes. Give it a `connectionTimeoutMillis`: a
   * connection that is never made counts as one of them until then.
   */
  readonly pool?: PostgresPool | undefined
  /** Where the server is, as `postgres://user@host/database`: then the store has a pool of its own, and `pg` has to be installed. */
  readonly connectionString?: string | undefined
  /** The schema that the tables are in: lower-case letters, digits and `_`. One for each service. Default `'iambus'`. */
  readonly schema?: string | undefined
  /** How many partitions a new log has. One that is there keeps what it has, until `SELECT iambus.repartition(32)`. Default 16. */
  readonly partitions?: number | undefined
  /** For how long a node has what it has claimed, unless it renews it, in milliseconds. Default 15 000. */
  readonly leaseMs?: number | undefined
  /** How often a node looks for what it was not woken for, in milliseconds. Default 1 000. */
  readonly pollMs?: number | undefined
  /** Whether nodes are woken by LISTEN, which does not pass PgBouncer in transaction mode. Default true. */
  readonly listen?: boolean | undefined
  /**
   * Whether statements are prepared, each once on a connection, where the node listens: the server plans them anew each time
   * otherwise. Default true.
   */
  readonly prepare?: boolean | undefined
  /**
   * What becomes of a message that every handler has finished: it is deleted, kept for so many milliseconds after it was
   * accepted, or moved to the table `archive`. Default `'delete'`.
   */
  readonly completion?: Completion | undefined
  /** For how long an id is remembered, so that a second message with it is refused, in milliseconds. Default 26 hours. */
  readonly dedupeMs?: number | undefined
  /** How many messages of a handler may be exceptions in a partition before it reads no further. Default 10 000. */
  readonly scanAhead?: number | undefined
  /** For how long a message that no live node can read waits for one, in milliseconds, before it is dead. Default 900 000. */
  readonly unknownTypeMs?: number | undefined
  /** For how long the server may keep a statement waiting before its connection is given up, in milliseconds. Default 30 000. */
  readonly statementTimeoutMs?: number | undefined
  /** Whether the tables are made, and brought up to date, when the store opens. Default true. */
  readonly migrate?: boolean | undefined
  /** Subscriptions that no handler has any more, to be removed with all that waits for them. Default: none. */
  readonly forget?: readonly string[] | undefined
}

type Optional = Omit<PostgresOptions, 'pool' | 'connectionString'>

/** The options, each with a value. */
export type PostgresSettings = { readonly [name in keyof Optional]-?: Exclude<Optional[name], undefined> }

export const POSTGRES_DEFAULTS: PostgresSettings = Object.freeze({
  schema: 'iambus',
  partitions: 16,
  leaseMs: 15_000,
  pollMs: 1_000,
  listen: true,
  prepare: true,
  completion: 'delete',
  /** 26 hours: longer than the longest retry, which is 24 (`RETRY.maxAgeMs`) and the attempts after it. */
  dedupeMs: 93_600_000,
  scanAhead: SCAN_AHEAD,
  unknownTypeMs: UNKNOWN_TYPE_MS,
  statementTimeoutMs: 30_000,
  migrate: true,
  forget: Object.freeze([]),
})

/** @throws {InvalidOption} for an option that there is not, or a value that it cannot have. */
export function settingsOf(options: PostgresOptions): PostgresSettings {
  const own = ['pool', 'connectionString']
  checkNames('postgres()', options, [...own, ...Object.keys(POSTGRES_DEFAULTS)])
  const given = Object.entries(options).filter(([name, value]) => value !== undefined && !own.includes(name))
  const settings: PostgresSettings = { ...POSTGRES_DEFAULTS, ...Object.fromEntries(given) }
  checkSchema(settings.schema)
  for (const name of ['leaseMs', 'pollMs', 'unknownTypeMs', 'statementTimeoutMs'] as const)
    checkDurationMs(name, settings[name])
  for (const name of ['partitions', 'scanAhead'] as const) checkCount(name, settings[name])
  for (const name of ['listen', 'prepare', 'migrate'] as const) {
    if (typeof settings[name] !== 'boolean')
      throw new InvalidOption(`${name} is ${shown(settings[name])}. Pass true or false.`)
  }
  checkKeptMs('dedupeMs', settings.dedupeMs)
  checkCompletion(settings.completion)
  checkForget(settings.forget)
  return settings
}

/** @throws {InvalidOption} for what is no name of a schema that needs no quotes, or is too long for the names made of it. */
export function checkSchema(schema: unknown): asserts schema is string {
  if (typeof schema === 'string' && /^[a-z_][a-z0-9_]{0,47}$/.test(schema) && !schema.startsWith('pg_')) return
  throw new InvalidOption(
    `schema is ${shown(schema)}. Pass at most 48 lower-case letters, digits and _, not beginning with a digit or 'pg_'.`,
  )
}
