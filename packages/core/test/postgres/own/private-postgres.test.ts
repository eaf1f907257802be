import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { describe, expect, test, vi } from 'vitest'
import { ownDatabase } from '../../servers/own-database.ts'
import { query } from '../../servers/postgres.ts'
import { privatePostgres } from '../../servers/private-postgres.ts'
import { processesIn } from '../../servers/processes.ts'

/** Waits for what another process does, and says nothing about. */
const until = (assertion: () => void): Promise<void> => vi.waitFor(assertion, { timeout: 20_000, interval: 10 })

describe('a private server', () => {
  test.each([
    ['stopped', 'fast'],
    ['stopped at once', 'immediate'],
    ['killed', 'kill'],
  ] as const)('that is %s starts again at the same port, with its data', async (_, how) => {
    await using server = await privatePostgres()
    await query(server.url, 'CREATE TABLE kept AS SELECT 1 AS id')
    await (how === 'kill' ? server.kill() : server.stop(how))
    expect(processesIn(server.folder)).toEqual([])
    await expect(query(server.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await server.start()
    expect(await query(server.url, 'SELECT id FROM kept')).toEqual([{ id: 1 }])
    expect(server.log.includes('not properly shut down')).toBe(how !== 'fast')
  })

  test('is gone with its processes and its folder when it is disposed of, whether it runs or not', async () => {
    const folders: string[] = []
    for (const isKilled of [false, true]) {
      await using server = await privatePostgres()
      folders.push(server.folder)
      expect(processesIn(server.folder).length).toBeGreaterThan(1)
      if (isKilled) await server.kill()
    }
    expect(folders.map((folder) => [existsSync(folder), processesIn(folder)])).toEqual([
      [false, []],
      [false, []],
    ])
  })

  test('is gone with its processes and its folder when the process that started it is killed', async () => {
    const program = join(import.meta.dirname, 'forgetful-program.ts')
    const child = spawn(process.execPath, ['--experimental-strip-types', '--no-warnings', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const { url, folder } = JSON.parse(String(line)) as { url: string; folder: string }
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    child.kill('SIGKILL')
    await until(() => expect([processesIn(folder), existsSync(folder)]).toEqual([[], false]))
  })

  test('that is paused keeps its connections, and answers when it goes on', async () => {
    await using server = await privatePostgres()
    const client = new Client(server.url)
    await client.connect()
    await server.pause()
    let isAnswered = false
    const answer = client.query('SELECT 1').finally(() => (isAnswered = true))
    await expect(new Client({ connectionString: server.url, connectionTimeoutMillis: 200 }).connect()).rejects.toThrow(
      'timeout',
    )
    expect(isAnswered).toBe(false)
    server.resume()
    expect((await answer).rowCount).toBe(1)
    await client.end()
  })

  test('that is paused can be stopped, and killed', async () => {
    await using server = await privatePostgres()
    await server.pause()
    await server.stop()
    await server.start()
    await server.pause()
    await server.kill()
    expect(processesIn(server.folder)).toEqual([])
  })

  test('has the settings that it is started with, then and later; fsync is on unless it says otherwise', async () => {
    await using server = await privatePostgres({ settings: { max_connections: '7' } })
    const settings = async (): Promise<unknown> =>
      query(server.url, `SELECT current_setting('max_connections') AS connections, current_setting('fsync') AS fsync`)
    expect(await settings()).toEqual([{ connections: '7', fsync: 'on' }])
    await server.stop()
    await server.start({ fsync: 'off' })
    expect(await settings()).toEqual([{ connections: '7', fsync: 'off' }])
    expect(server.settings).toEqual({ max_connections: '7', fsync: 'off' })
  })

  test('that cannot start says what it has logged, and leaves nothing behind', async () => {
    await using server = await privatePostgres()
    await expect(server.start()).rejects.toThrow('It is running')
    await server.stop()
    await expect(server.start({ max_connections: 'many' })).rejects.toThrow(
      'invalid value for parameter "max_connections"',
    )
    await server.start({ max_connections: '10' })
  })

  test('cannot be without binaries', async () => {
    vi.stubEnv('IAMBUS_POSTGRES_BIN', '/nowhere')
    await expect(privatePostgres()).rejects.toThrow('No PostgreSQL is installed')
    vi.unstubAllEnvs()
  })
})

describe('a server that lets nobody create databases', () => {
  test('is refused with what to do', async () => {
    await using server = await privatePostgres()
    await query(server.url, 'CREATE ROLE guest LOGIN')
    const url = server.url.replace('postgres@', 'guest@')
    await expect(ownDatabase(url)).rejects.toThrow(/^"guest" may not create databases on 127\.0\.0\.1:\d+, .* CREATEDB/)
  })
})
