import fs from 'node:fs'
import { afterAll, beforeAll, vi } from 'vitest'

/** For the tests of this file, the disk has what is synced after one turn of the event loop: so turns can be counted. */
export function withReadyDisk(): void {
  beforeAll(() => {
    vi.spyOn(fs, 'fdatasync').mockImplementation((_, ended) => void setImmediate(ended, null))
  })
  afterAll(() => vi.restoreAllMocks())
}
