import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { booked } from './booked.ts'
import { payments } from './payments.ts'

const here = import.meta.dirname
// The tests may run on another Node: the example is for this one.
const node24 = join(here, '../../node_modules/node/bin/node')

describe('the program', () => {
  let run: SpawnSyncReturns<string>
  beforeAll(() => {
    run = spawnSync(node24, [join(here, 'main.ts')], { encoding: 'utf8', timeout: 30_000 })
  }, 60_000)

  test('ends by itself, with success, and has nothing to complain about', () => {
    expect(run).toMatchObject({ status: 0, signal: null, stderr: '' })
  })

  test('prints what is expected', async () => {
    // After a change that is meant: npx vitest run --project product examples/03-survive-a-crash -u
    await expect(run.stdout).toMatchFileSnapshot('expected-output.txt')
  })
})

describe('the import', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'survive-a-crash-test-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const start = (...diesAt: string[]): SpawnSyncReturns<string> =>
    spawnSync(node24, [join(here, 'import.ts'), folder, ...diesAt], { encoding: 'utf8', timeout: 30_000 })

  test('books every payment once, in the order of its account, wherever it was killed', () => {
    for (const number of [1, 7, 38]) expect(start(`${number}`)).toMatchObject({ signal: 'SIGKILL' })
    expect(start()).toMatchObject({ status: 0, stderr: '' })
    const { bookings, receipts, accounts } = booked(join(folder, 'bank.db'))
    expect([bookings, receipts]).toEqual([40, 40])
    for (const { name, cents, numbers } of accounts) {
      const own = payments.filter(({ account }) => account === name)
      expect(numbers).toBe(own.map(({ number }) => number).join(' '))
      expect(cents).toBe(own.reduce((sum, payment) => sum + payment.cents, 0))
    }
  })
})
