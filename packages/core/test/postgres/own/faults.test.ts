import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Claim } from '../../../src/ports/store.ts'
import { query } from '../../servers/postgres.ts'
import { privatePostgres } from '../../servers/private-postgres.ts'
import { until } from '../faults/connection-faults.ts'
import { Ledger } from '../faults/ledger.ts'
import { fixture, message, outcomeOf } from '../faults/open-store.ts'

test.each([
  ['stopped', 'fast'],
  ['stopped at once', 'immediate'],
  ['killed', 'kill'],
] as const)('a bus whose server is %s, and started again, keeps all that it accepted', async (_, how) => {
  await using server = await privatePostgres()
  const on = await fixture(server.url)
  const ledger = new Ledger(on)
  const dp = await ledger.node()
  await ledger.publish(dp, 5)
  const publishing = ledger.publish(dp, 20)
  await (how === 'kill' ? server.kill() : server.stop(how))
  await server.start()
  await publishing
  expect(await ledger.settled()).toEqual({ effects: ledger.accepted, outOfOrder: [] })
  await dp.stop()
})

test('a server that halts is given up in time, and what it had under way is found out when it goes on', async () => {
  await using server = await privatePostgres()
  const on = await fixture(server.url, { max: 4 })
  const store = await on.open({ statementTimeoutMs: 500 })
  const [claim] = (await store.claim()) as [Claim]
  await store.append([message('m')])
  on.pool.arm(
    1,
    async ({ send }) => {
      await server.pause()
      return send()
    },
    (text) => text.includes('SET cursor'),
  )
  const settling = outcomeOf(store.settle(claim, { reached: 1, caused: [message('caused')] }))
  await until(() => on.pool.hit !== undefined)
  // What waits behind it, and has no order to keep, is told so.
  expect(await outcomeOf(store.append([message('meanwhile')]))).toBe('STORE_FAILED')
  server.resume()
  const outcome = await settling
  const stored = await on.ask(`SELECT id FROM ${on.schema}.message WHERE id = 'caused'`)
  expect(stored).toHaveLength(outcome === 'stored' ? 1 : 0)
  await until(async () => (await outcomeOf(store.append([message('next')]))) === 'stored')
})

test('a server that is a standby after a restart takes no writes and says so, and takes them when it is promoted', async () => {
  await using server = await privatePostgres()
  const on = await fixture(server.url)
  const store = await on.open()
  const [claim] = (await store.claim()) as [Claim]
  await store.append([message('m')])
  await server.stop()
  writeFileSync(join(server.folder, 'data/standby.signal'), '')
  await server.start()
  await until(async () => (await outcomeOf(store.append([message('no')]))) === 'STORE_READ_ONLY')
  // In a transaction, which must not be left open on the connection.
  expect(await outcomeOf(store.settle(claim, { reached: 1 }))).toBe('STORE_READ_ONLY')
  expect(await outcomeOf(store.settle(claim, { reached: 1, work: () => [] }))).toBe('STORE_READ_ONLY')
  expect((await store.read(0, 0, 10)).map(({ id }) => id)).toEqual(['m'])
  await query(server.url, 'SELECT pg_promote()')
  expect(await outcomeOf(store.settle(claim, { reached: 1, caused: [message('caused')] }))).toBe('stored')
  expect(await outcomeOf(store.append([message('yes')]))).toBe('stored')
  expect((await store.read(0, 0, 10)).map(({ id }) => id)).toEqual(['m', 'caused', 'yes'])
})

test('a server without a connection left is an error that says what to do', async () => {
  await using server = await privatePostgres({
    settings: { max_connections: '5', superuser_reserved_connections: '0' },
  })
  const on = await fixture(server.url)
  const store = await on.open()
  await store.append([message('m')])
  await store.read(0, 0, 1)
  const works = Array.from({ length: 6 }, () => {
    return store
      .settle(undefined, { work: async () => (await store.read(0, 0, 1), []) })
      .catch((error: unknown) => error)
  })
  const failures = (await Promise.all(works)).filter((outcome) => outcome instanceof Error)
  expect(failures.length).toBeGreaterThan(0)
  for (const { message: text } of failures)
    expect(text).toMatch(/\(53300\)\. The server has no connection left: raise max_connections/)
  expect(await outcomeOf(store.append([message('m')]))).toBe('stored')
})

/** A disk of a size, which root may make; where it may not, nothing can be filled without harm to others. */
function smallDisk(size: string): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'iambus-disk-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=777`, 'tmpfs', folder])
  if (status !== 0) return undefined
  onTestFinished(() => void spawnSync('umount', ['-l', folder]))
  return folder
}

test('a full disk is an error that says so, nothing of what it met is stored, and all goes on when there is room', async ({
  skip,
}) => {
  const disk = smallDisk('160m')
  skip(disk === undefined, 'NOT TESTED: only root may mount the small disk that is filled here.')
  await using server = await privatePostgres({ parentFolder: disk as string, settings: { fsync: 'off' } })
  const on = await fixture(server.url)
  const store = await on.open()
  const [claim] = (await store.claim()) as [Claim]
  const large = (): string => randomBytes(200_000).toString('hex')
  await store.append([message('before', { body: large() })])
  const filler = join(disk as string, 'filler')
  fill(filler)
  let n = 0
  await until(
    async () => (await outcomeOf(store.append([message(`full ${(n += 1)}`, { body: large() })]))) === 'STORE_FULL',
  )
  await expect(store.append([message('full', { body: large() })])).rejects.toMatchObject({
    code: 'STORE_FULL',
    message: expect.stringMatching(/No space left on device \(53100\)\. Make room on the server's disk\./),
  })
  const failed = await outcomeOf(store.settle(claim, { reached: 1, caused: [message('caused', { body: large() })] }))
  expect(failed).toBe('STORE_FULL')
  rmSync(filler)
  expect(await outcomeOf(store.settle(claim, { reached: 1, caused: [message('caused', { body: large() })] }))).toBe(
    'stored',
  )
  const ids = (await store.read(0, 0, 100)).map(({ id }) => id)
  expect(ids).toEqual(['before', ...Array.from({ length: n - 1 }, (_, at) => `full ${at + 1}`), 'caused'])
})

/** Writes until nothing more fits. */
function fill(path: string): void {
  mkdirSync(join(path, '..'), { recursive: true })
  const file = openSync(path, 'w')
  const bytes = Buffer.alloc(65_536)
  try {
    for (;;) writeSync(file, bytes)
  } catch {
    closeSync(file)
  }
}
