import fs from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { claimOne, idsOf, message, openStore, tempFile } from '../../test/sqlite/trial.ts'
import type { OpenStore } from '../ports/store.ts'
import { sqlite } from './sqlite.ts'

type Ended = (error: Error | null) => void

/** The syncs that threads are at: none ends before the test ends it. */
function heldSyncs(): Ended[] {
  const held: Ended[] = []
  const spy = vi.spyOn(fs, 'fdatasync').mockImplementation((_, ended) => void held.push(ended))
  onTestFinished(() => {
    spy.mockRestore()
    for (const end of held) end(null)
  })
  return held
}

/** What is settled so far, in the order in which it was. */
function watched(): { readonly settled: string[]; watch: (name: string, promise: Promise<unknown>) => void } {
  const settled: string[] = []
  return {
    settled,
    watch: (name, promise) => {
      promise.then(
        () => settled.push(name),
        () => settled.push(`${name} rejects`),
      )
    },
  }
}

const committedIn = (path: string): unknown[] => {
  const reader = new DatabaseSync(path, { readOnly: true })
  try {
    return reader
      .prepare('SELECT id FROM iambus_message ORDER BY position')
      .all()
      .map((row) => row['id'])
  } finally {
    reader.close()
  }
}

const turns = async (): Promise<void> => {
  for (let n = 0; n < 4; n += 1) await turn()
}

/** A store, and the syncs it asks for once it is open. */
async function opened(): Promise<{ path: string; open: OpenStore; held: Ended[]; wake: ReturnType<typeof vi.fn> }> {
  const path = tempFile()
  const wake = vi.fn<() => void>()
  const open = await openStore(sqlite(path), { wake })
  const held = heldSyncs()
  return { path, open, held, wake }
}

describe('with full sync, in a thread,', () => {
  test('nothing resolves, and nothing can be read, before the disk has it', async () => {
    const { path, open, held, wake } = await opened()
    const { settled, watch } = watched()
    watch('a', open.append([message('a')]))
    watch('b', open.append([message('b')]))
    await turns()
    expect(committedIn(path)).toEqual(['a', 'b'])
    expect(held).toHaveLength(1)
    expect([settled, await idsOf(open), await open.readAt(0, [1, 2]), wake.mock.calls]).toEqual([[], [], [], []])
    held[0]?.(null)
    await turns()
    expect([settled, await idsOf(open), wake.mock.calls.length]).toEqual([['a', 'b'], ['a', 'b'], 1])
  })

  test('what comes meanwhile is gathered for the next sync, unless it is as much as a transaction takes', async () => {
    const { path, open, held } = await opened()
    const { settled, watch } = watched()
    const append = (count: number, name: string): void => {
      for (let n = 1; n <= count; n += 1) watch(name, open.append([message(`${name}${n}`)]))
    }
    append(2, 'a')
    await turns()
    append(3, 'b')
    await turns()
    expect([committedIn(path).length, held.length]).toEqual([2, 1])
    append(125, 'c')
    await turns()
    // The transaction is committed, and its sync has to wait for the one that is under way.
    expect([committedIn(path).length, held.length, settled]).toEqual([130, 1, []])
    expect(await idsOf(open)).toEqual([])
    held[0]?.(null)
    await turns()
    expect([held.length, settled]).toEqual([2, ['a', 'a']])
    expect(await idsOf(open)).toEqual(['a1', 'a2'])
    held[1]?.(null)
    await turns()
    expect(settled).toHaveLength(130)
    expect(await idsOf(open)).toHaveLength(130)
  })

  test('what is settled is told in the order of the calls, also where something has failed', async () => {
    const { open, held } = await opened()
    const { settled, watch } = watched()
    const claim = await claimOne(open)
    watch('a', open.append([message('a')]))
    watch('b', open.append([message('b')]))
    await turns()
    expect(held).toHaveLength(1)
    // As many as a transaction takes, so that it does not wait; and its only commit fails.
    const wrong = { ...claim, epoch: 99 }
    for (let n = 0; n < 128; n += 1) watch('lost', open.settle(wrong, { done: [] }))
    await turns()
    expect(settled.slice(0, 3)).toEqual([])
    held[0]?.(null)
    await turns()
    held[1]?.(null)
    await turns()
    expect([settled.slice(0, 3), settled.length]).toEqual([['a', 'b', 'lost rejects'], 130])
  })

  test('what could not be stored is told after what was committed before it, which is synced at once', async () => {
    const path = tempFile()
    const open = await openStore(sqlite(path, { commitTimeoutMs: 20 }))
    const other = new DatabaseSync(path)
    onTestFinished(() => other.close())
    heldSyncs()
    const { settled, watch } = watched()
    watch('a', open.append([message('a')]))
    watch('b', open.append([message('b')]))
    await turns()
    other.exec('BEGIN IMMEDIATE')
    for (let n = 0; n < 128; n += 1) watch('c', open.append([message('c')]))
    await vi.waitUntil(() => settled.length === 130)
    expect(settled.slice(0, 3)).toEqual(['a', 'b', 'c rejects'])
    other.exec('ROLLBACK')
    // The thread has not told yet, and nobody has to wait for that.
    await open.append([message('d')])
    expect(await idsOf(open)).toEqual(['a', 'b', 'd'])
  })

  test('a store that is closed waits for it', async () => {
    const { path, open, held } = await opened()
    const { settled, watch } = watched()
    watch('a', open.append([message('a')]))
    watch('b', open.append([message('b')]))
    watch('closed', open.close())
    await turns()
    expect([settled, held.length]).toEqual([[], 1])
    held[0]?.(null)
    await vi.waitUntil(() => settled.length === 3)
    expect(settled).toEqual(['a', 'b', 'closed'])
    expect(committedIn(path)).toEqual(['a', 'b'])
  })
})

test('one that waits alone is synced in the same thread', async () => {
  const { open, held } = await opened()
  const sync = vi.spyOn(fs, 'fdatasyncSync')
  onTestFinished(() => sync.mockRestore())
  await open.append([message('a')])
  await open.append([message('b')])
  expect([sync.mock.calls.length, held.length]).toEqual([2, 0])
})

test("with sync: normal, and on the caller's connection, the store syncs nothing", async () => {
  const database = new DatabaseSync(tempFile())
  onTestFinished(() => database.close())
  for (const store of [sqlite(tempFile(), { sync: 'normal' }), sqlite({ database }), sqlite(':memory:')]) {
    const open = await openStore(store)
    const held = heldSyncs()
    const sync = vi.spyOn(fs, 'fdatasyncSync')
    onTestFinished(() => sync.mockRestore())
    await open.append([message('a')])
    await Promise.all([open.append([message('b')]), open.append([message('c')])])
    expect([sync.mock.calls.length, held.length]).toEqual([0, 0])
  }
})

describe('when a sync fails,', () => {
  const failing = async (): Promise<Awaited<ReturnType<typeof opened>> & { readonly error: Error }> => {
    const parts = await opened()
    return { ...parts, error: Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }) }
  }

  test('nobody is told that it was stored, and nothing more is, until the file is opened anew', async () => {
    const { path, open, held, error, wake } = await failing()
    const together = Promise.allSettled([open.append([message('a')]), open.append([message('b')])])
    await turns()
    held[0]?.(error)
    const refused = {
      reason: { code: 'STORE_FAILED', cause: error, message: expect.stringContaining('may be stored or not') },
    }
    expect(await together).toMatchObject([refused, refused])
    await expect(open.append([message('c')])).rejects.toMatchObject(refused.reason)
    expect([wake.mock.calls, await idsOf(open), await open.readAt(0, [1])]).toEqual([[], [], []])
    await expect(open.close()).rejects.toMatchObject(refused.reason)
    expect(await idsOf(open).catch((closed: Error) => closed.message)).toContain('is closed')
    const again = await openStore(sqlite(path))
    expect([await idsOf(again), again.findings]).toEqual([['a', 'b'], []])
    vi.restoreAllMocks()
    await again.append([message('d')])
    expect(await idsOf(again)).toEqual(['a', 'b', 'd'])
  })

  test('in a thread that tells so late, a sync that was made meanwhile would know by itself, and all that comes is refused', async () => {
    const path = tempFile()
    const open = await openStore(sqlite(path, { commitTimeoutMs: 20 }))
    const other = new DatabaseSync(path)
    onTestFinished(() => other.close())
    const held = heldSyncs()
    const inThread = vi.spyOn(fs, 'fdatasyncSync')
    onTestFinished(() => inThread.mockRestore())
    const together = Promise.all([open.append([message('a')]), open.append([message('b')])])
    await turns()
    other.exec('BEGIN IMMEDIATE')
    await Promise.allSettled(Array.from({ length: 128 }, () => open.append([message('c')])))
    other.exec('ROLLBACK')
    await together
    // What has failed is told once by each file descriptor.
    const [inPool] = vi.mocked(fs.fdatasync).mock.calls[0] ?? []
    expect([inPool, inThread.mock.calls[0]?.[0]]).toEqual([expect.any(Number), expect.not.toBeOneOf([inPool])])
    const error = new Error('EIO')
    held[0]?.(error)
    await expect(open.append([message('d')])).rejects.toMatchObject({ code: 'STORE_FAILED', cause: error })
    await expect(open.close()).rejects.toMatchObject({ cause: error })
  })

  test('in the same thread, likewise', async () => {
    const { open, error } = await failing()
    vi.spyOn(fs, 'fdatasyncSync').mockImplementationOnce(() => {
      throw error
    })
    await expect(open.append([message('a')])).rejects.toMatchObject({ code: 'STORE_FAILED', cause: error })
    await expect(open.append([message('b')])).rejects.toMatchObject({ code: 'STORE_FAILED', cause: error })
    await expect(open.close()).rejects.toMatchObject({ cause: error })
  })
})
