import { describe, test } from 'vitest'
import { storeCases } from '../../src/testing/conformance/index.ts'
import { harness } from './skeleton/harness.ts'

describe('the skeleton of a store', () => {
  // As docs/adapters.md says it, for any test runner.
  for (const { title, skip, run } of storeCases(harness)) (skip === undefined ? test : test.skip)(title, run)
})
