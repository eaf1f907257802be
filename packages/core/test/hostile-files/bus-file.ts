import { closeSync, copyFileSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { silent } from '../silent.ts'
import { defineEvent, Dispatcher, type DispatcherOptions, fixed, type Notices, retry } from '../../src/index.ts'
import { sqlite } from '../../src/sqlite/index.ts'

export class Placed extends defineEvent<{ order: number; text: string }>('shop.placed') {}

export const placed = (order: number, text = ''): Placed => new Placed({ order, text })

/** The path of a file in a folder of its own, gone when the test has ended. */
export function tempFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'iambus-hostile-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, 'bus.db')
}

/** A dispatcher on a file, or on a connection of the test's own; it is stopped when the test has ended. */
export function busOn(target: string | DatabaseSync, options: DispatcherOptions = {}): Dispatcher {
  const store = typeof target === 'string' ? sqlite(target) : sqlite({ database: target })
  const recover = retry({ attempts: 100, backoff: fixed(1) })
  const dp = new Dispatcher({ store, logger: silent, recover, ...options })
  onTestFinished(() => dp.stop({ deadlineMs: 0 }))
  return dp
}

/** A handler that writes down what it has handled, and a promise of when it has handled so many. */
export function handling(dp: Dispatcher, count: number): { readonly orders: number[]; readonly all: Promise<void> } {
  const orders: number[] = []
  const all = Promise.withResolvers<void>()
  dp.events.bind(Placed, ({ order }) => void (orders.push(order) === count && all.resolve()), { name: 'a' })
  return { orders, all: all.promise }
}

/** Resolves with the first notice of a name that is as it should be. */
export function noticed<N extends keyof Notices>(
  dp: Dispatcher,
  name: N,
  isMeant: (notice: Notices[N]) => boolean = () => true,
): Promise<Notices[N]> {
  return new Promise((resolve) => {
    dp.observe(name, (notice) => isMeant(notice) && resolve(notice))
  })
}

export function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'done',
    (error: { code?: unknown }) => error.code,
  )
}

/** What a process would leave on the disk that was killed now: a copy, at another path. */
export function killed(path: string): string {
  const copy = tempFile()
  for (const end of ['', '-wal', '.owner', '.changes']) if (existsSync(path + end)) copyFileSync(path + end, copy + end)
  return copy
}

/** Writes over a page: that of a table, by its name, or one by its number, from 1 on. */
export function spoil(path: string, page: string | number, bytes: Uint8Array = new Uint8Array(4_096).fill(0xa5)): void {
  const number = typeof page === 'number' ? page : pageOf(path, page)
  const file = openSync(path, 'r+')
  writeSync(file, bytes, 0, bytes.length, (number - 1) * 4_096)
  closeSync(file)
}

function pageOf(path: string, table: string): number {
  const database = new DatabaseSync(path)
  const row = database.prepare('SELECT rootpage FROM sqlite_master WHERE name = ?').get(table)
  database.close()
  return (row as { rootpage: number }).rootpage
}
