import { describe, expect, test } from 'vitest'
import { memoryHarness } from '../../../test/conformance/memory-harness.ts'
import { storeCases } from './index.ts'

const [alone, shared] = [false, true].map((isShared) => storeCases(memoryHarness({ shared: isShared })))

describe.each([
  ['of one node', alone],
  ['shared by nodes', shared],
])('the memory store %s', (_, cases = []) => {
  test.each(cases.filter(({ skip }) => skip === undefined))('$title', async ({ run }) => {
    await expect(run()).resolves.toBeUndefined()
  })
})

test('what cannot be shown on it says why, and there is nothing that neither of the two shows', () => {
  const skipped = (cases: typeof alone = []): Map<string, string> =>
    new Map(cases.flatMap(({ name, skip }) => (skip === undefined ? [] : [[name, skip]])))
  expect([...skipped(shared)]).toEqual([['one-owner', "memory, shared has 'shared'"]])
  expect(skipped(alone).get('lease-expires')).toBe('memory is one node at a time')
  expect(skipped(alone).has('one-owner')).toBe(false)
})

test('names are unique, and a seed makes the same random programs', () => {
  const names = (alone ?? []).map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  const programs = storeCases(memoryHarness({ shared: false }), { seed: 7, programs: 2 }).slice(-2)
  expect(programs.map(({ title }) => title.replace(/^.*\(/, '('))).toEqual(['(seed: 7)', '(seed: 8)'])
})
