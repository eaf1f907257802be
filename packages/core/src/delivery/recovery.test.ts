import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Dispatcher } from '../dispatcher.ts'
import type { DispatcherOptions } from '../dispatcher-options.ts'
import { defineEvent } from '../message/define.ts'
import { immediate } from '../routing/backoff.ts'
import { retry } from '../routing/recover.ts'
import { sqlite } from '../sqlite/index.ts'

class Placed extends defineEvent<{ order: number }>('shop.placed') {}

const silent = { debug() {}, info() {}, warn() {}, error() {} }
let directory: string
let copies: number
const started: Dispatcher[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'iambus-recovery-'))
  copies = 0
})

afterEach(async () => {
  for (const dp of started.splice(0)) await dp.stop({ deadlineMs: 0 })
  rmSync(directory, { recursive: true })
})

function dispatcher(options: DispatcherOptions = {}): Dispatcher {
  const store = sqlite(join(directory, `bus${copies}.db`))
  const dp = new Dispatcher({
    store,
    logger: silent,
    recover: retry({ attempts: 5, backoff: immediate() }),
    ...options,
  })
  started.push(dp)
  return dp
}

/** What is on the disk now is what the next dispatcher finds: as if the process had been killed. */
function crash(): void {
  for (const end of ['', '-wal']) {
    const from = join(directory, `bus${copies}.db${end}`)
    if (existsSync(from)) copyFileSync(from, join(directory, `bus${copies + 1}.db${end}`))
  }
  copies += 1
}

describe('after a crash', () => {
  test('one that has crashed the process alone is retried before the suspect behind it in its lane', async () => {
    for (const run of ['beside others', 'alone']) {
      const dp = dispatcher()
      const began = Promise.withResolvers<void>()
      dp.events.bind(Placed, () => (began.resolve(), new Promise<void>(() => {})), { name: 'a' })
      await dp.start()
      const orders = run === 'alone' ? [] : [1, 2, 3]
      await Promise.all(orders.map((order) => dp.publish(new Placed({ order }), { key: 'k' })))
      await began.promise
      crash()
    }
    const dp = dispatcher()
    const seen: number[] = []
    const all = Promise.withResolvers<void>()
    dp.events.bind(Placed, ({ order }) => void (seen.push(order) === 3 && all.resolve()), { name: 'a' })
    await dp.start()
    await all.promise
    expect(seen).toEqual([1, 2, 3])
  })
})
