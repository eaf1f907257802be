import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { OpenStore } from '../../src/ports/store.ts'
import { sqlite } from '../../src/sqlite/sqlite.ts'
import { claimOne, idsOf, message, openStore, tempFile } from './trial.ts'

vi.setConfig({ testTimeout: 30_000 })

interface Running {
  readonly child: ChildProcess
  /** The whole lines that it has said. */
  readonly said: () => string[]
  /** Waits until it has said so many lines. */
  readonly lines: (count: number) => Promise<void>
  readonly kill: () => Promise<void>
}

function start(path: string, how: string): Running {
  const program = join(import.meta.dirname, 'program.ts')
  const child = spawn(process.execPath, ['--experimental-strip-types', '--no-warnings', program, path, how])
  onTestFinished(() => void child.kill('SIGKILL'))
  let text = ''
  const said = (): string[] => text.split('\n').slice(0, -1)
  child.stdout.on('data', (more) => (text += more))
  let errors = ''
  child.stderr.on('data', (more) => (errors += more))
  const closed = once(child, 'close')
  return {
    child,
    said,
    lines: async (count) => {
      while (said().length < count) {
        await Promise.race([once(child.stdout, 'data'), closed])
        if (child.exitCode !== null) throw new Error(`It ended with ${child.exitCode}: ${errors}`)
      }
    },
    kill: async () => {
      child.kill('SIGKILL')
      await once(child, 'close')
    },
  }
}

async function allIds(open: OpenStore): Promise<string[]> {
  const ids: string[] = []
  let after = 0
  for (;;) {
    const page = await open.read(0, after, 1_024)
    if (page.length === 0) return ids
    for (const { position, id } of page) {
      expect(position).toBe((after += 1))
      ids.push(id)
    }
  }
}

test('of a process that is killed while it writes, all that it said was stored is there, and nothing by half', async () => {
  const path = tempFile()
  let before = 0
  for (const lines of [50, 700, 3_000]) {
    const { lines: hasSaid, kill, said } = start(path, 'appends')
    await hasSaid(lines)
    await kill()
    const open = await openStore(sqlite(path))
    expect(open.findings).toEqual([])
    const ids = (await allIds(open)).slice(before)
    const firsts = ids.filter((id) => id.endsWith('first'))
    expect(ids).toEqual(firsts.flatMap((id) => [id, id.replace('first', 'second')]))
    const stored = new Set(firsts)
    const lost = said().filter((id) => id !== 'open' && !stored.has(`${id} first`))
    expect(lost).toEqual([])
    expect(stored.size).toBeGreaterThanOrEqual(lines - 1)
    expect((await claimOne(open)).isClean).toBe(false)
    expect((await open.stats()).messages).toBe(before + ids.length)
    before += ids.length
    await open.close()
  }
})

test('a file that another process has open is refused, with whose it is, until that one is killed', async () => {
  const path = tempFile()
  const { child, lines, kill } = start(path, 'stays open')
  await lines(1)
  await expect(openStore(sqlite(path))).rejects.toMatchObject({
    code: 'STORE_OWNED',
    message: expect.stringMatching(new RegExp(`${path} is open, by process ${child.pid} on .+, since 20`)),
  })
  const database = new DatabaseSync(path)
  await expect(openStore(sqlite({ database }))).rejects.toMatchObject({ code: 'STORE_OWNED' })
  database.close()
  await kill()
  expect((await openStore(sqlite(path))).findings).toEqual([])
})

test('a file is one, under whatever path, also within a process', async () => {
  const path = tempFile()
  const link = join(dirname(path), 'link')
  mkdirSync(join(dirname(path), 'deep'))
  symlinkSync(dirname(path), link)
  const open = await openStore(sqlite(path))
  for (const other of [path, join(link, 'bus.db'), `${dirname(path)}/deep/../bus.db`]) {
    await expect(openStore(sqlite(other))).rejects.toMatchObject({
      code: 'STORE_OWNED',
      message: expect.stringContaining(`process ${process.pid}`),
    })
  }
  await open.close()
  await openStore(sqlite(join(link, 'bus.db')))
})

test('a write-ahead log that is gone after a crash is reported, and one that was closed is not missed', async () => {
  const path = tempFile()
  const { lines, kill } = start(path, 'stays open')
  await lines(1)
  await kill()
  expect(existsSync(`${path}-wal`)).toBe(true)
  rmSync(`${path}-wal`)
  // What a file has lost may be all that was in it.
  const open = await openStore(sqlite(path))
  expect(open.findings).toContainEqual({
    kind: 'lost',
    text: expect.stringMatching(/the last \d+ changes .* are not in/),
  })
  await open.append([message('a')])
  await open.close()
  expect(existsSync(`${path}-wal`)).toBe(false)
  const again = await openStore(sqlite(path))
  expect([again.findings, await idsOf(again)]).toEqual([[], ['a']])
})

test('an opening that fails leaves no owner behind, and does not hide a crash', async () => {
  const path = tempFile()
  const { lines, kill } = start(path, 'stays open')
  await lines(1)
  await kill()
  rmSync(`${path}-wal`)
  await expect(openStore(sqlite(path, { forget: ['events/a'] }))).rejects.toMatchObject({ code: 'FORGOTTEN' })
  // The failed one has made a write-ahead log of its own, and closed it.
  expect((await openStore(sqlite(path))).findings[0]).toMatchObject({ kind: 'lost' })
})

test('a store that is not closed keeps no process alive, also with a thread for checkpoints', async () => {
  const { child } = start(tempFile(), 'ends without closing')
  const [code, signal] = await once(child, 'close')
  expect([code, signal]).toEqual([0, null])
})

test('a database in memory has no owner, and nothing beside it', async () => {
  const database = new DatabaseSync(':memory:')
  onTestFinished(() => database.close())
  const first = await openStore(sqlite(':memory:'))
  const second = await openStore(sqlite({ database }))
  await Promise.all([first.append([message('a')]), second.append([message('b')])])
  expect([await idsOf(first), await idsOf(second)]).toEqual([['a'], ['b']])
  expect([first.findings, existsSync(':memory:'), existsSync(':memory:.owner')]).toEqual([
    [{ kind: 'added', subscription: 'events/a' }],
    false,
    false,
  ])
})
