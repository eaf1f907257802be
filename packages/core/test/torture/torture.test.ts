import { rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { judge } from './judge.ts'
import { torture } from './torture.ts'

// The short form of `npm run torture`.
test(
  'a process that is killed again and again loses nothing, repeats no effect, and breaks no order',
  { timeout: 120_000 },
  async () => {
    const { folder, faults } = await torture({ kills: 12, seed: 12 })
    expect(faults).toEqual([])
    const { broken, published, effects } = await judge(folder)
    expect(broken).toEqual([])
    expect(published).toBeGreaterThan(50)
    expect(effects).toBeGreaterThan(200)
    rmSync(folder, { recursive: true })
  },
)
