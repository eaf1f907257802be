import { describe, expect, test } from 'vitest'
import { sqliteHarness } from '../../test/conformance/sqlite-harness.ts'
import { storeCases } from '../testing/conformance/index.ts'

describe.each(['path', 'database'] as const)('the SQLite store, on a %s', (on) => {
  const cases = storeCases(sqliteHarness(on), { programs: 10 }).filter(({ skip }) => skip === undefined)
  test.each(cases)('$title', { timeout: 30_000 }, async ({ run }) => {
    await expect(run()).resolves.toBeUndefined()
  })
})
