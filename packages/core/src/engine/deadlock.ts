import type { Delivery } from './delivery.ts'
import type { Pool } from './pool.ts'

/**
 * Finds out whether a request that has to wait could wait for ever, and gives the circle that it would wait in.
 *
 * Who waits for whom: a delivery that runs, for all its requests that have not ended (those with a deadline or a signal
 * are never counted: they end). One that stands behind others in its lane, for the head of the lane. One that needs a
 * worker, in each full pool, for any one of those that run in it. So progress is possible exactly for what can be reached
 * from a delivery that waits for nobody: the least fixed point of these rules. Whatever is outside of it waits for ever.
 *
 * @param running every delivery that runs.
 * @returns what waits for what, in words, from the request back to itself; `undefined` while progress is possible.
 */
export function deadlockOf(request: Delivery, running: readonly Delivery[]): string[] | undefined {
  const waits = new Map<Delivery, Waits>()
  const found = [request]
  for (const delivery of found) {
    if (waits.has(delivery)) continue
    const its = waitsOf(delivery, running)
    waits.set(delivery, its)
    found.push(...its.all, ...its.any.flat())
  }
  const free = new Set<Delivery>()
  for (let before = -1; before < free.size;) {
    before = free.size
    for (const [delivery, { all, any }] of waits) {
      const isFree = all.every((one) => free.has(one)) && any.every((group) => group.some((one) => free.has(one)))
      if (isFree) free.add(delivery)
    }
  }
  return free.has(request) ? undefined : circle(request, waits, free)
}

interface Waits {
  /** It waits for each of these. */
  readonly all: readonly Delivery[]
  /** It waits for any one of each group. */
  readonly any: readonly (readonly Delivery[])[]
  /** In words: what it does, and for what. */
  readonly how: string
}

function waitsOf(delivery: Delivery, running: readonly Delivery[]): Waits {
  const { target, lane, key, rest, state } = delivery
  if (state === 'ended') return { all: [], any: [], how: 'has ended' }
  if (state === 'running') return { all: [...(rest?.requests ?? [])], any: [], how: 'requests' }
  if (lane !== undefined && lane.head !== delivery) {
    return { all: [lane.head], any: [], how: `waits in the lane '${key}' for` }
  }
  const full: Pool[] = []
  for (let pool: Pool | undefined = target.pool; pool !== undefined; pool = pool.above)
    if (!pool.hasRoom) full.push(pool)
  const any = full.map((pool) => running.filter((one) => isIn(one, pool)))
  return { all: [], any, how: 'waits for a worker, all of which are busy, such as with' }
}

function isIn(delivery: Delivery, pool: Pool): boolean {
  for (let own: Pool | undefined = delivery.target.pool; own !== undefined; own = own.above)
    if (own === pool) return true
  return false
}

/** Follows what waits for ever until it meets itself. */
function circle(request: Delivery, waits: ReadonlyMap<Delivery, Waits>, free: ReadonlySet<Delivery>): string[] {
  const steps: string[] = []
  const seen = new Set<Delivery>()
  let delivery: Delivery | undefined = request
  while (delivery !== undefined && !seen.has(delivery)) {
    seen.add(delivery)
    const its: Waits | undefined = waits.get(delivery)
    steps.push(`${nameOf(delivery)}${steps.length === 0 ? '' : ', which'} ${its?.how}`)
    delivery = [...(its?.all ?? []), ...(its?.any.flat() ?? [])].find((one) => !free.has(one))
  }
  if (delivery !== undefined) steps.push(nameOf(delivery))
  return steps
}

function nameOf({ handler, type, key }: Delivery): string {
  return key === undefined ? `${handler} ('${type}')` : `${handler} ('${type}', key '${key}')`
}
