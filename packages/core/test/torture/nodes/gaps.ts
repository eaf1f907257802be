import { partitionOf } from '../../../src/ports/stable-hash.ts'
import type { Entry, Start } from './entries.ts'
import type { Facts } from './oracle.ts'
import { SETTINGS } from './settings.ts'

/** From the kill of a node to when others had what it had, in milliseconds; one for each claim. */
export interface Gaps {
  /** To when another node had taken the claim. */
  readonly takenMs: readonly number[]
  /** To when the first message ran that was waiting there. */
  readonly handledMs: readonly number[]
}

/** Only where other nodes were left, and nothing else was done until they had taken it. */
export function gapsOf(entries: readonly Entry[], { takings, logged }: Facts): Gaps {
  const takenMs: number[] = []
  const handledMs: number[] = []
  const starts = Map.groupBy(
    entries.filter((entry): entry is Start => entry.is === 'start'),
    ({ handler, id, key }) => `${handler}#${partitionOf(key ?? id, SETTINGS.partitions)}`,
  )
  const loggedAt = new Map(logged.map(({ id, at }) => [id, at]))
  const faults = entries.filter((entry) => entry.is === 'fault')
  for (const gone of entries) {
    if (gone.is !== 'gone' || !gone.isKilled) continue
    const during = faults.findLast(({ at }) => at <= gone.at)
    const next = faults.find(({ at }) => at > gone.at)?.at ?? Number.POSITIVE_INFINITY
    if (during?.what !== 'kill') continue
    const taken = takings.filter(({ from, isExpired, at }) => {
      return isExpired && from === gone.node && at > gone.at && at <= next
    })
    for (const { handler, partition, owner, at } of taken) {
      takenMs.push(at - gone.at)
      const first = starts.get(`${handler}#${partition}`)?.find((start) => start.node === owner && start.at >= at)
      // What waits behind a dead one waits for a replay.
      if (handler === 'events/parks') continue
      if (first !== undefined && (loggedAt.get(first.id) ?? at) < at) handledMs.push(first.at - gone.at)
    }
  }
  return { takenMs, handledMs }
}

/** The median and the worst. */
export function shown(all: readonly number[]): string {
  if (all.length === 0) return 'none'
  const sorted = all.toSorted((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)] as number // There is one.
  return `${Math.round(median)} ms median, ${Math.round(sorted.at(-1) as number)} ms at worst, of ${sorted.length}`
}
