import { expect, test } from 'vitest'
import type { LiveClaim } from './taken-types.ts'
import { TakenTypes } from './taken-types.ts'

/** Whatever else a claim has is not looked at. */
const claimOf = (partition: number): LiveClaim => ({ partition, epoch: 1, takes: [] }) as unknown as LiveClaim
const rangesOf = (types: readonly string[], partitions: readonly number[]): Record<string, unknown>[] =>
  partitions.flatMap((partition) => types.map((type) => ({ subscription: 7, partition, type, after: 0, up_to: null })))
const typesOf = ({ takes }: LiveClaim): string[] => takes.map(({ type }) => type)

test('what was told before the last change, and is added after it, is asked for anew', async () => {
  const types = new TakenTypes(async (_, partitions) => Promise.resolve(rangesOf(['t', 'new'], partitions)))
  const [first, late] = [claimOf(0), claimOf(1)]
  types.add(first, 7)
  await types.upTo(8)
  types.add(late, 7) // With what it took when the count was 7.
  expect(types.isUpTo(8)).toBe(false)
  await types.upTo(8)
  expect([typesOf(first), typesOf(late)]).toEqual([
    ['t', 'new'],
    ['t', 'new'],
  ])
})

test('what is added while the others are asked for is asked for, too', async () => {
  const late = claimOf(1)
  const types = new TakenTypes(async (_, partitions) => {
    if (partitions.length === 1) types.add(late, 7)
    return Promise.resolve(rangesOf(['t', 'new'], partitions))
  })
  types.add(claimOf(0), 7)
  await types.upTo(8)
  expect(typesOf(late)).toEqual(['t', 'new'])
})
