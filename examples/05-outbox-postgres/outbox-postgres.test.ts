import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, expect, inject, test } from 'vitest'

const here = import.meta.dirname
// The tests may run on another Node: the example is for this one.
const node24 = join(here, '../../node_modules/node/bin/node')

let run: SpawnSyncReturns<string>
beforeAll(() => {
  const env = { ...process.env, IAMBUS_POSTGRES_URL: inject('postgresUrl') }
  run = spawnSync(node24, [join(here, 'main.ts')], { encoding: 'utf8', timeout: 60_000, env })
}, 90_000)

test('ends by itself, with success, and has nothing to complain about but what it took over', () => {
  const { status, signal, stderr } = run
  const complaints = stderr.split('\n').filter((line) => !/^$|may have been running: they are run again/.test(line))
  expect({ status, signal, complaints }).toEqual({ status: 0, signal: null, complaints: [] })
})

test('prints what is expected', async () => {
  // After a change that is meant: npx vitest run --project postgres examples/05-outbox-postgres -u
  await expect(run.stdout).toMatchFileSnapshot('expected-output.txt')
})
