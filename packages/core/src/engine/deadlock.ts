import { LaneDeadlock } from '../errors.ts'
import type { Delivery } from './delivery.ts'
import type { Pool } from './pool.ts'

/** What is needed of the engine. */
interface DeadlockEngine {
  /** Every delivery that has a worker. */
  holders(): Delivery[]
  abandon(delivery: Delivery, reason: Error): void
}

/** Refuses each of these requests that waits, and would wait for ever. */
export function refuseDeadlocked(requests: Iterable<Delivery>, engine: DeadlockEngine): void {
  for (const request of requests) {
    const circle = request.state === 'waiting' ? deadlockOf(request, engine.holders()) : undefined
    if (circle !== undefined) engine.abandon(request, new LaneDeadlock(circle))
  }
}

/**
 * Finds out whether a request that has to wait could wait for ever, and gives the circle that it would wait in.
 *
 * Who waits for whom: a delivery that runs, for all its requests that have not ended (those with a deadline or a signal
 * are never counted: they end). One that stands behind others in its lane, for the head of the lane. Any that waits, also
 * for its next attempt, in
 * each full pool, for as many of those that have a worker as must end before there is room. So progress is possible
 * exactly for what can be reached from a delivery that waits for nobody: the least fixed point of these rules. Whatever
 * is outside of it waits for ever.
 *
 * @returns what waits for what, in words, from the request back to itself; `undefined` while progress is possible.
 */
function deadlockOf(request: Delivery, holders: readonly Delivery[]): string[] | undefined {
  const waits = new Map<Delivery, Waits>()
  const found = [request]
  for (const delivery of found) {
    if (waits.has(delivery)) continue
    const its = waitsOf(delivery, holders)
    waits.set(delivery, its)
    found.push(...its.flatMap(({ among }) => among))
  }
  const free = new Set<Delivery>()
  for (let before = -1; before < free.size;) {
    before = free.size
    for (const [delivery, its] of waits) {
      if (its.every(({ among, enough }) => among.filter((one) => free.has(one)).length >= enough)) free.add(delivery)
    }
  }
  return free.has(request) ? undefined : circleFrom(request, waits, free)
}

/** All that a delivery waits for. */
type Waits = readonly {
  readonly among: readonly Delivery[]
  /** How many of them have to end. */
  readonly enough: number
  /** In words: what it does, and for what. */
  readonly how: string
}[]

function waitsOf(delivery: Delivery, holders: readonly Delivery[]): Waits {
  const { target, lane, key, rest, state } = delivery
  if (state === 'ended') return []
  if (state === 'running') {
    // One that was given up has been answered, though its place may still be taken.
    const requests = [...(rest?.requests ?? [])].filter(({ abandoned }) => abandoned === undefined)
    return [{ among: requests, enough: requests.length, how: 'requests' }]
  }
  const isBehind = lane !== undefined && lane.head !== delivery
  const behind = isBehind ? [{ among: [lane.head], enough: 1, how: `waits in the lane '${key}' for` }] : []
  const full: Pool[] = []
  for (let pool: Pool | undefined = target.pool; pool !== undefined; pool = pool.above)
    if (!pool.hasRoom) full.push(pool)
  const how = 'waits for a worker, all of which are busy, such as with'
  const needed = full.map((pool) => ({ among: holders.filter((one) => isIn(one, pool)), enough: pool.missing, how }))
  return [...behind, ...needed]
}

function isIn(delivery: Delivery, pool: Pool): boolean {
  for (let own: Pool | undefined = delivery.target.pool; own !== undefined; own = own.above)
    if (own === pool) return true
  return false
}

/** Follows what waits for ever until it meets itself. */
function circleFrom(request: Delivery, waits: ReadonlyMap<Delivery, Waits>, free: ReadonlySet<Delivery>): string[] {
  const steps: string[] = []
  const seen = new Set<Delivery>()
  let delivery: Delivery | undefined = request
  while (delivery !== undefined && !seen.has(delivery)) {
    seen.add(delivery)
    const its: Waits = waits.get(delivery) ?? []
    const wait = its.find(({ among }) => among.some((one) => !free.has(one)))
    steps.push(`${nameOf(delivery)}${steps.length === 0 ? '' : ', which'} ${wait?.how}`)
    delivery = wait?.among.find((one) => !free.has(one))
  }
  if (delivery !== undefined) steps.push(nameOf(delivery))
  return steps
}

function nameOf({ handler, type, key }: Delivery): string {
  return key === undefined ? `${handler} ('${type}')` : `${handler} ('${type}', key '${key}')`
}
