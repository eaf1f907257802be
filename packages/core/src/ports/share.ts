import { stableHash } from './stable-hash.ts'
import type { Claim } from './store.ts'

/**
 * What became of claims that were to be renewed.
 *
 * A node is live for a lease after it was opened, or has renewed last, and until it is closed: that one has died is not known
 * before. The live nodes that have a subscription, and can read what is in it ({@link ableNodes}), share its partitions, as
 * {@link partitionsOf} says.
 */
export interface Renewal {
  /** Those that are still held. */
  readonly held: readonly Claim[]
  /**
   * Those of them that are in the share of another live node, or that nobody is to work for any more. Until it has released them,
   * this one has them.
   */
  readonly handOver: readonly Claim[]
  /** `false` where there was nothing that `claim` would give; a store that does not know leaves it out. */
  readonly mayClaim?: boolean | undefined
}

/** A message that a node cannot read, for one of its subscriptions: it does not know the type, or only older versions of it. */
export interface Lack {
  readonly subscription: string
  readonly type: string
  readonly version: number
}

/** A live node, as far as it matters who works for a subscription that it has. */
export interface Ranked {
  readonly node: string
  /** The types that it takes. */
  readonly types: readonly string[]
  /** The highest version of each that it can read. */
  readonly versions: ReadonlyMap<string, number>
  /** What it has met, and cannot read. */
  readonly lacks: readonly Pick<Lack, 'type' | 'version'>[]
}

/**
 * Which of these nodes share a subscription: all of them, but for those that cannot read what one of them has met, while
 * another one can. Where that would leave nobody, all share it: what nobody can read waits.
 *
 * @returns their names.
 */
export function ableNodes(nodes: readonly Ranked[]): string[] {
  const lacks = nodes.flatMap((one) => one.lacks)
  const known = lacks.filter((lack) => nodes.some((one) => knows(one, lack)))
  const able = nodes.filter((one) => known.every((lack) => knows(one, lack)))
  return (able.length === 0 ? nodes : able).map(({ node }) => node)
}

function knows({ types, versions }: Ranked, { type, version }: Pick<Lack, 'type' | 'version'>): boolean {
  return types.includes(type) && (versions.get(type) ?? 1) >= version
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
