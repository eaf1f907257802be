import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sessionText } from '../../../../src/postgres/connection.ts'
import { postgres } from '../../../../src/postgres/index.ts'
import { quoted } from '../../../../src/postgres/schema.ts'
import { type StatementName, Statements } from '../../../../src/postgres/statements.ts'
import { query } from '../../../servers/postgres.ts'
import { type PrivatePostgres, privatePostgres } from '../../../servers/private-postgres.ts'
import { opening } from '../../faults/open-store.ts'
import { fill } from './filled.ts'
import { type Asked, HOT_PATH, NODE } from './hot-path.ts'
import { explain, type Explained } from './plan.ts'

const schema = 'iambus'
const statements = new Statements(quoted(schema))
const names = Object.keys(HOT_PATH) as StatementName[]

interface Session {
  readonly mode: 'force_generic_plan' | 'force_custom_plan'
  /** Whether it is the store's own: else it is behind a PgBouncer, or the caller's. */
  readonly isOwn: boolean
}

const clients: Client[] = []
let server: PrivatePostgres
/** Its plans are of when there was nothing in the tables, as those of a node that has run for long. */
let early: Client
/** A transaction of a caller's, whose plans are as old. */
let caller: Client

beforeAll(async () => {
  // Nobody but the test analyses tables, and nothing is to survive.
  const fast = { fsync: 'off', full_page_writes: 'off', max_wal_size: '8GB', shared_buffers: '1GB' }
  server = await privatePostgres({ settings: { autovacuum: 'off', ...fast } })
  const subscriptions = ['events/a', 'events/b'].map((name) => {
    return { name, formerly: [], types: ['t'], from: 'now' as const }
  })
  const store = await postgres({ connectionString: server.url, schema }).open(opening(...subscriptions))
  await store.close()
  // It has the claims for which it is asked to settle.
  await query(server.url, `UPDATE ${schema}.claim SET node = ${NODE} WHERE subscription = 2`)
  await query(server.url, 'VACUUM ANALYZE')
  early = await prepared({ mode: 'force_generic_plan', isOwn: true })
  await faultsOn(early)
  caller = await prepared({ mode: 'force_generic_plan', isOwn: false })
  await scansAtCommit(caller)
  const admin = await connected()
  await fill(admin, schema)
}, 120_000)

afterAll(async () => {
  for (const client of clients) await client.end()
  await server[Symbol.asyncDispose]()
})

async function connected(): Promise<Client> {
  const client = new Client({ connectionString: server.url })
  clients.push(client)
  await client.connect()
  return client
}

async function prepared({ mode, isOwn }: Session): Promise<Client> {
  const client = await connected()
  // A plan that reads a table for each row of another one would never end.
  await client.query(`SET plan_cache_mode = ${mode}; SET statement_timeout = 10000`)
  await client.query(sessionText({ isOwn }))
  for (const name of names) await client.query(`PREPARE "${name}" AS ${statements.text(name)}`)
  return client
}

async function faultsOn(client: Client, isOwn = true): Promise<Record<string, string[]>> {
  const faults: Record<string, string[]> = {}
  for (const name of names) {
    const asked = HOT_PATH[name] as Asked
    const found = faultsOf(await explain(client, `"${name}"`, asked.args), asked).filter((fault) => {
      // In another session, that is for the server to weigh.
      return isOwn || !/^Seq Scan of (claim|tail|pruned)$/.test(fault)
    })
    if (found.length > 0) faults[name] = found
  }
  return faults
}

function faultsOf({ wholeScans, rows, pairs }: Explained, asked: Asked): string[] {
  return [
    ...wholeScans,
    ...(rows > asked.rows ? [`${rows} rows`] : []),
    ...(pairs > 10_000 ? [`${pairs} pairs compared in vain`] : []),
  ]
}

/** How often the messages are read from end to end where a transaction that has published commits. */
async function scansAtCommit(client: Client): Promise<number> {
  await client.query('BEGIN')
  await client.query(`EXECUTE publish(${HOT_PATH.publish?.args.join(', ')})`)
  await client.query('SET CONSTRAINTS ALL IMMEDIATE')
  const { rows } = await client.query<{ count: number }>(
    `SELECT seq_scan::integer AS count FROM pg_stat_xact_user_tables WHERE relname = 'message'`,
  )
  await client.query('ROLLBACK')
  return rows[0]?.count ?? Number.NaN
}

test('no statement that was planned when the tables were empty scans a big one', async () => {
  expect(await faultsOn(early)).toEqual({})
})

test('a commit of a transaction that has published does not scan the messages, whenever it was planned', async () => {
  expect(await scansAtCommit(caller)).toBe(0)
})

const sessions: readonly Session[] = [
  { mode: 'force_generic_plan', isOwn: true },
  { mode: 'force_custom_plan', isOwn: true },
  { mode: 'force_custom_plan', isOwn: false },
]

test.each(sessions)('none does without statistics, $mode, in a session of its own: $isOwn', async (session) => {
  await query(server.url, `DELETE FROM pg_statistic WHERE starelid::regclass::text LIKE '${schema}.%'`)
  await query(
    server.url,
    `UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relnamespace = '${schema}'::regnamespace`,
  )
  expect(await faultsOn(await prepared(session), session.isOwn)).toEqual({})
})

test.each(sessions)('none does with fresh statistics, $mode, in a session of its own: $isOwn', async (session) => {
  await query(server.url, 'ANALYZE')
  expect(await faultsOn(await prepared(session), session.isOwn)).toEqual({})
})
