import { rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { gapsOf } from '../../torture/nodes/gaps.ts'
import { judge } from '../../torture/nodes/judge.ts'
import { SETTINGS } from '../../torture/nodes/settings.ts'
import { FAULTS, torture } from '../../torture/nodes/torture.ts'

// The short form of `npm run torture:nodes`.
test(
  'nodes that are killed, stopped, rolled and scaled lose nothing, repeat no effect, and keep the order of keys (L1, L3)',
  { timeout: 240_000 },
  async () => {
    const seed = Date.now() % 1_000_000
    console.log(`Seed ${seed}: npm run torture:nodes -- --rounds ${FAULTS.length} --seed ${seed}`)
    const { folder, entries, facts, faults } = await torture({ rounds: FAULTS.length, seed })
    expect(faults).toEqual([])
    const { broken, counts } = judge(entries, facts)
    expect(broken).toEqual([])
    expect(counts['messages that were stored']).toBeGreaterThan(50)
    expect(counts['claims taken after their lease had ended']).toBeGreaterThan(0)
    // A budget: it is within a lease and a poll, where the machine is not busy.
    const { takenMs } = gapsOf(entries, facts)
    expect(Math.max(0, ...takenMs)).toBeLessThan(4 * SETTINGS.leaseMs)
    rmSync(folder, { recursive: true })
  },
)
