import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { SimulationFailed } from '@iambus/core/testing'
import { beforeAll, describe, expect, test } from 'vitest'
import { simulation } from './simulation.ts'
import { transfer } from './transfer.ts'

const here = import.meta.dirname
// The tests may run on another Node: the example is for this one.
const node24 = join(here, '../../node_modules/node/bin/node')

describe('the program', () => {
  let run: SpawnSyncReturns<string>
  beforeAll(() => {
    run = spawnSync(node24, [join(here, 'main.ts')], { encoding: 'utf8', timeout: 120_000 })
  }, 150_000)

  test('ends by itself, with success, and has nothing to complain about', () => {
    expect(run).toMatchObject({ status: 0, signal: null, stderr: '' })
  })

  test('prints what is expected', async () => {
    // After a change that is meant: npx vitest run --project product examples/04-test-your-handlers -u
    await expect(run.stdout).toMatchFileSnapshot('expected-output.txt')
  })
})

test('what is found takes fewer than ten steps', async () => {
  const error = await simulation(transfer, 1_000).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(SimulationFailed)
  expect((error as SimulationFailed).timeline.length).toBeLessThan(10)
})
