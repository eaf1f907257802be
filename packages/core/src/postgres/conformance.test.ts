import { describe, expect, test } from 'vitest'
import { postgresHarness } from '../../test/conformance/postgres-harness.ts'
import { ownDatabase } from '../../test/servers/own-database.ts'
import { storeCases } from '../testing/conformance/index.ts'

const url = await ownDatabase()

describe('the Postgres store', () => {
  const cases = storeCases(postgresHarness(url), { programs: 10 }).filter(({ skip }) => skip === undefined)
  test.each(cases)('$title', { timeout: 30_000 }, async ({ run }) => {
    await expect(run()).resolves.toBeUndefined()
  })
})
