import { describe, expect, test } from 'vitest'
import { postgresHarness } from '../../test/conformance/postgres-harness.ts'
import { storeCases } from '../testing/conformance/index.ts'

const url = process.env['IAMBUS_POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/test'

describe('the Postgres store', () => {
  const cases = storeCases(postgresHarness(url), { programs: 10 }).filter(({ skip }) => skip === undefined)
  test.each(cases)('$title', { timeout: 30_000 }, async ({ run }) => {
    await expect(run()).resolves.toBeUndefined()
  })
})
