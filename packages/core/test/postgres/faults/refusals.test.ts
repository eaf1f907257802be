import { Client, Pool } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { postgres, postgresMigrations, type PostgresTransaction } from '../../../src/postgres/index.ts'
import type { Claim } from '../../../src/ports/store.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { fixture, message, opening, outcomeOf, patient } from './open-store.ts'

const url = await ownDatabase()

test('a schema that is newer than the code is opened as long as it says so, and else refused with both versions', async () => {
  const on = await fixture(url)
  await (await on.open()).close()
  await on.ask(`UPDATE ${on.schema}.meta SET version = 99`)
  await (await on.open()).close()
  await on.ask(`UPDATE ${on.schema}.meta SET min_compatible = 98`)
  await expect(on.open()).rejects.toMatchObject({
    code: 'STORE_TOO_NEW',
    message: expect.stringMatching(
      /is version 99, and needs a release that knows version 98, and this one knows \d+\. Update iambus\./,
    ),
  })
})

test('a schema of another service is refused with the names of both', async () => {
  const on = await fixture(url)
  await (await on.open()).close()
  const store = postgres({ pool: on.pool, schema: on.schema, ...patient })
  await expect(store.open({ ...opening(), service: 'billing' })).rejects.toMatchObject({
    code: 'STORE_OF_ANOTHER_SERVICE',
    message: expect.stringMatching(
      /was made for the service 'shop', and this one is 'billing'\. Give each service a schema/,
    ),
  })
})

test('without migrate, a schema that is not there is refused with what makes it; and a role that may not change it works on it', async () => {
  const on = await fixture(url)
  const { schema } = on
  await expect(on.open({ migrate: false })).rejects.toMatchObject({
    code: 'SCHEMA_OUTDATED',
    message: expect.stringMatching(
      /is not there, and this release needs \d+\. Run what postgresMigrations\(\{ schema, service, partitions \}\)/,
    ),
  })
  await on.ask(postgresMigrations({ schema, service: 'shop', partitions: 2 }))
  const role = `runtime_${process.pid}_${schema}`
  await on.ask(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`)
  onTestFinished(async () => void (await on.ask(`DROP OWNED BY ${role}; DROP ROLE ${role}`)))
  const at = new URL(url)
  at.username = role
  at.password = 'secret'
  const pool = new Pool({ connectionString: at.href, max: 4 })
  onTestFinished(() => pool.end())
  const open = (migrate: boolean): ReturnType<ReturnType<typeof postgres>['open']> =>
    postgres({ ...patient, pool, schema, migrate }).open(opening())
  await expect(open(false)).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringMatching(/permission denied .* \(42501\)\. Give the role the rights of the run-time role/),
  })
  await on.ask(`GRANT USAGE ON SCHEMA ${schema} TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${role}`)
  // Where the schema is up to date, nothing is changed: so it may as well say that it would.
  for (const migrate of [false, true]) {
    const store = await open(migrate)
    const claims = await store.claim()
    expect(claims).toHaveLength(2)
    const { partition } = claims[0] as Claim
    await store.append([message('m'), message('late', { dueAt: 1 })])
    await store.appendDue(10)
    const client = new Client(at.href)
    await client.connect()
    await client.query('BEGIN')
    await store.append([message('outbox')], client)
    await client.query('COMMIT')
    await client.end()
    await store.settle(claims[0], {
      reached: 1,
      caused: [message('caused')],
      work: async (tx) => {
        await (tx as PostgresTransaction).query('SELECT 1')
        return []
      },
    })
    await store.read(partition, 0, 10)
    await store.stats()
    await store.release(claims)
    await store.close()
  }
})

test('a role or a database that there is not is an error that says what to check', async () => {
  for (const [change, text] of [
    [(at: URL) => (at.username = 'nobody_at_all'), /\(28...\)\. Check the role and the password\./],
    [(at: URL) => (at.pathname = '/no_database_at_all'), /\(3D000\)\. Check the name of the database\./],
  ] as const) {
    const at = new URL(url)
    change(at)
    await expect(postgres({ connectionString: at.href }).open(opening())).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(text),
    })
  }
})

test('a server that takes no writes is an error that says so; the next connection may lead to one that does', async () => {
  const on = await fixture(url)
  const store = await on.open()
  await store.append([message('m')])
  const answer = {
    which: /\.tail/,
    text: `DO $$ BEGIN RAISE EXCEPTION 'cannot execute INSERT in a read-only transaction' USING ERRCODE = '25006'; END $$`,
  }
  let pid: unknown
  on.pool.arm(
    1,
    ({ client }) => {
      pid = Reflect.get(client, 'processID')
      return client.query(answer.text)
    },
    (text) => answer.which.test(text),
  )
  await expect(store.append([message('m')])).rejects.toMatchObject({
    code: 'STORE_READ_ONLY',
    message: expect.stringMatching(/read-only transaction \(25006\)\. The server takes no writes: is it a standby\?/),
  })
  on.pool.arm(
    1,
    ({ client, send }) => {
      expect(Reflect.get(client, 'processID')).not.toBe(pid)
      return send()
    },
    (text) => answer.which.test(text),
  )
  expect(await outcomeOf(store.append([message('m')]))).toBe('stored')
  expect(on.pool.hit).toBeDefined()
})
