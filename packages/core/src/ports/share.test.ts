import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ableNodes, partitionsOf, type Ranked } from './share.ts'

const all = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

/** Who has each partition. */
function ownersOf(nodes: readonly string[], partitions: number): string[] {
  const owners: string[] = []
  for (const node of nodes) {
    for (const partition of partitionsOf(node, nodes, partitions)) {
      expect(owners[partition]).toBeUndefined()
      owners[partition] = node
    }
  }
  return owners
}

const names = fc.uniqueArray(fc.oneof(fc.uuid(), fc.string()), { minLength: 1, maxLength: 12 })
const counts = fc.integer({ min: 1, max: 96 })

test('each partition is in the share of one node, and no node has more than its part, or less than that rounded down', () => {
  fc.assert(
    fc.property(names, counts, (nodes, partitions) => {
      expect(Object.keys(ownersOf(nodes, partitions))).toHaveLength(partitions)
      for (const node of nodes) {
        const { size } = partitionsOf(node, nodes, partitions)
        expect(size).toBeLessThanOrEqual(Math.ceil(partitions / nodes.length))
        expect(size).toBeGreaterThanOrEqual(Math.floor(partitions / nodes.length))
      }
    }),
    { seed: 1 },
  )
})

test('it does not matter in which order a node has the others, or whether it has one twice', () => {
  const shuffled = names.chain((nodes) =>
    fc.tuple(fc.constant(nodes), fc.shuffledSubarray(nodes, { minLength: nodes.length })),
  )
  fc.assert(
    fc.property(shuffled, counts, ([nodes, others], partitions) => {
      for (const node of nodes) {
        expect(partitionsOf(node, [...others, node], partitions)).toEqual(partitionsOf(node, nodes, partitions))
      }
    }),
    { seed: 2 },
  )
})

test('a node alone has everything, a stranger nothing', () => {
  expect(partitionsOf('a', ['a'], 5)).toEqual(new Set(all(5)))
  expect(partitionsOf('b', ['a'], 5).size).toBe(0)
  expect(partitionsOf('a', [], 5).size).toBe(0)
})

test('who has what stays as it is: nodes of two releases have to agree', () => {
  expect(
    ownersOf(['node 1', 'node 2', 'node 3'], 8)
      .map((node) => node.slice(-1))
      .join(''),
  ).toBe('33132211')
})

/** How many of 64 partitions change hands when a node comes to so many; when it goes, they are the same. */
function movesWith(count: number, trial: number): number {
  const nodes = all(count).map((n) => `${trial} ${n}`)
  const before = ownersOf(nodes, 64)
  const after = ownersOf([...nodes, `${trial} new`], 64)
  return before.filter((owner, partition) => owner !== after[partition]).length
}

// `least` is what the new node has to get: so many move whatever one does.
test.each([
  { count: 1, least: 32, mean: 32, most: 32 },
  { count: 2, least: 21, mean: 22.5, most: 27 },
  { count: 4, least: 12, mean: 15.3, most: 21 },
  { count: 5, least: 10, mean: 13.3, most: 17 },
  { count: 9, least: 6, mean: 9.8, most: 17 },
])('of 64 partitions, $mean change hands when a node comes to $count, and at most $most of 100 times', (expected) => {
  const { count, least } = expected
  const moves = all(100).map((trial) => movesWith(count, trial))
  const mean = Math.round((10 * moves.reduce((sum, one) => sum + one, 0)) / moves.length) / 10
  expect({ count, least, mean, most: Math.max(...moves) }).toEqual(expected)
  expect(Math.min(...moves)).toBeGreaterThanOrEqual(least)
})

const ranked = (node: string, version: number, lacks: readonly number[] = []): Ranked => ({
  node,
  types: ['t'],
  versions: new Map([['t', version]]),
  lacks: lacks.map((lacked) => ({ type: 't', version: lacked })),
})

test('nodes that cannot read what one of them has met leave it to those that can', () => {
  expect(ableNodes([ranked('a', 1), ranked('b', 2)])).toEqual(['a', 'b'])
  expect(ableNodes([ranked('a', 1, [2]), ranked('b', 2), ranked('c', 1), ranked('d', 3)])).toEqual(['b', 'd'])
})

test('what nobody can read is nobody’s fault, and where each lacks something all share it', () => {
  expect(ableNodes([ranked('a', 1, [3]), ranked('b', 2)])).toEqual(['a', 'b'])
  const other = { ...ranked('b', 1, [2]), types: ['t', 'u'] }
  const one = { ...ranked('a', 2), lacks: [{ type: 'u', version: 1 }] }
  expect(ableNodes([one, other])).toEqual(['a', 'b'])
})
