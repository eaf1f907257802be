import { describe, expect, test } from 'vitest'
import { memoryHarness } from '../../test/conformance/memory-harness.ts'
import { storeCases } from './conformance/index.ts'
import { faulty, type FaultRule } from './index.ts'

const plans: readonly (readonly [string, readonly FaultRule[]])[] = [
  ['nothing goes wrong', []],
  ['every second write has to wait', [{ on: 'writes', every: 2, delayMs: 0 }]],
  ['reads and writes have to wait by chance', [{ on: ['reads', 'writes'], chance: 0.5, delayMs: 0 }]],
]

describe.each(plans)('a faulty store is a store, where %s:', (_, plan) => {
  describe.each([false, true])('shared: %s', (shared) => {
    const cases = storeCases(memoryHarness({ shared, sabotage: (store) => faulty(store, plan) }), { programs: 5 })
    test.each(cases.filter(({ skip }) => skip === undefined))('$title', async ({ run }) => {
      await expect(run()).resolves.toBeUndefined()
    })
  })
})
