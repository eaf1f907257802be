import { stableHash } from './stable-hash.ts'
import type { Claim } from './store.ts'

/**
 * What became of claims that were to be renewed.
 *
 * A node is live for a lease after it was opened, or has renewed last, and until it is closed: that one has died is not known
 * before. The live nodes that have a subscription share its partitions, as {@link partitionsOf} says.
 */
export interface Renewal {
  /** Those that are still held. */
  readonly held: readonly Claim[]
  /** Those of them that are in the share of another live node. Until it has released them, this one has them. */
  readonly handOver: readonly Claim[]
  /** `false` where there was nothing that `claim` would give; a store that does not know leaves it out. */
  readonly mayClaim?: boolean | undefined
}

/** What the hash of a node and a partition begins with: not what that of a key does. */
const START = 0x9e3779b9

/**
 * Which partitions a node should have, of a subscription that these nodes work for: each node finds the same, whoever asks, in
 * whatever order it has the others. No node has more than `ceil(partitions / nodes)`, and none less than the same rounded
 * down; when a node comes or goes, few of the others' partitions change hands.
 *
 * It is rendezvous hashing with a bound: each node has a weight for each partition, and the heaviest pair comes first.
 *
 * @param node one of `nodes`; a stranger has nothing.
 * @param nodes the live nodes that have the subscription, by whatever name each has for its lifetime.
 * @param partitions how many there are.
 */
export function partitionsOf(node: string, nodes: readonly string[], partitions: number): ReadonlySet<number> {
  const names = [...new Set(nodes)]
  const least = Math.floor(partitions / names.length)
  /** How many nodes may have one more than the least. */
  let more = partitions % names.length
  const shares = new Map(names.map((name) => [name, new Set<number>()]))
  const taken = new Set<number>()
  for (const pair of pairsOf(names, partitions)) {
    const share = shares.get(pair.node)
    if (share === undefined || taken.has(pair.partition) || share.size > least) continue
    if (share.size === least && (more -= 1) < 0) continue
    share.add(pair.partition)
    taken.add(pair.partition)
  }
  return shares.get(node) ?? new Set()
}

interface Pair {
  readonly node: string
  readonly partition: number
  readonly weight: number
}

/** The heaviest first. */
function pairsOf(nodes: readonly string[], partitions: number): Pair[] {
  const pairs = nodes.flatMap((node) =>
    Array.from({ length: partitions }, (_, partition): Pair => ({
      node,
      partition,
      weight: weightOf(node, partition),
    })),
  )
  return pairs.sort((a, b) => b.weight - a.weight || a.partition - b.partition || (a.node < b.node ? -1 : 1))
}

/** The hash alone would have like names follow each other: its bits are mixed once more, as MurmurHash3 does at its end. */
function weightOf(node: string, partition: number): number {
  let hash = stableHash(`${partition} ${node}`, START)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
