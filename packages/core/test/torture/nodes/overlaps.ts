import { partitionOf } from '../../../src/ports/stable-hash.ts'
import type { Entry, Start } from './entries.ts'
import type { Taking } from './oracle.ts'
import { SETTINGS } from './settings.ts'

/**
 * Runs of a handler and key that overlapped. One of the two nodes must have lost its claim by then, because its lease had ended:
 * those are counted.
 */
export function overlaps(
  entries: readonly Entry[],
  takings: readonly Taking[],
): { readonly explained: number; readonly broken: readonly string[] } {
  const claims = Map.groupBy(takings, ({ handler, partition }) => `${handler}#${partition}`)
  const running = new Map<string, Start[]>()
  const broken: string[] = []
  let explained = 0
  const end = (isOver: (run: Start) => boolean, lane?: string): void => {
    for (const [name, runs] of lane === undefined ? running : [[lane, running.get(lane) ?? []] as const]) {
      running.set(
        name,
        runs.filter((run) => !isOver(run)),
      )
    }
  }
  for (const entry of entries) {
    if (entry.is === 'gone') end(({ node }) => node === entry.node)
    if ((entry.is !== 'start' && entry.is !== 'end') || entry.key === null) continue
    const { handler, key, node, at } = entry
    const lane = `${handler} ${key}`
    if (entry.is === 'end') {
      end((run) => run.node === node && run.id === entry.id, lane)
      continue
    }
    const others = running.get(lane) ?? []
    const history = claims.get(`${handler}#${partitionOf(key, SETTINGS.partitions)}`) ?? []
    for (const other of others) {
      const isExplained = other.node !== node && [other.node, node].some((one) => hasLost(one, history, at))
      if (isExplained) explained += 1
      else broken.push(`${lane}: ${entry.id} started at ${node} while ${other.id} ran at ${other.node}.`)
    }
    running.set(lane, [...others, entry])
  }
  return { explained, broken }
}

/** Whether another node had taken the claim by then, after the lease had ended; `history`: of this claim. */
function hasLost(node: string, history: readonly Taking[], at: number): boolean {
  const before = history.filter((taking) => taking.at <= at)
  const last = before.findLastIndex(({ owner }) => owner === node)
  return last >= 0 && before[last + 1]?.isExpired === true
}
