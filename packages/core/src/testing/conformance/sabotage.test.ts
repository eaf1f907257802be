import { describe, expect, test } from 'vitest'
import { memoryHarness } from '../../../test/conformance/memory-harness.ts'
import { type Sabotage, sabotages } from '../../../test/conformance/sabotaged-stores.ts'
import { storeCases, type StoreCase } from './index.ts'

function caseFor({ caughtBy, shared = false }: Sabotage, sabotage?: Sabotage['on']): StoreCase {
  const harness = memoryHarness(sabotage === undefined ? { shared } : { shared, sabotage })
  const found = storeCases(harness, { seed: 1 }).find(({ name }) => name === caughtBy)
  if (found === undefined) throw new Error(`There is no case '${caughtBy}'.`)
  return found
}

describe('the suite of stores finds out a store that', () => {
  test.each(sabotages)('$fault, by $caughtBy', async (sabotage) => {
    await expect(caseFor(sabotage, sabotage.on).run()).rejects.toMatchObject({ code: 'ERR_ASSERTION' })
  })
})

describe('the suite of stores lets pass an honest one in the place of one that', () => {
  test.each(sabotages)('$fault, by $caughtBy', async (sabotage) => {
    const honest = caseFor(sabotage, (store) => store)
    await expect(honest.run()).resolves.toBeUndefined()
  })
})

test('random programs find out a faulty store too, and say how to run them again', async () => {
  const sabotage = sabotages.find(({ caughtBy }) => caughtBy === 'exceptions-are-cleared')?.on
  if (sabotage === undefined) throw new Error('There is no such sabotage.')
  const programs = storeCases(memoryHarness({ shared: false, sabotage }), { seed: 3, programs: 1 }).slice(-1)
  await expect(programs[0]?.run()).rejects.toThrow('storeCases(harness, { seed: 3, programs: 1 })')
})
