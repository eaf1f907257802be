import { busOf } from '../../dispatcher.ts'
import type { Delivery } from '../../engine/delivery.ts'
import type { StoreStats } from '../../ports/store.ts'
import { requestsOutside } from './determinism.ts'
import type { Life } from './life.ts'

/** Whether nothing is under way: what is dead, and parked behind it, stays so. */
export async function rest(life: Life): Promise<boolean> {
  if (unfinished(life).some(({ state }) => state !== 'parked')) return false
  const stats = await life.store.opened?.stats()
  if (stats === undefined) return true
  return stats.delayed === 0 && stats.subscriptions.every((one) => one.behind === 0) && hasOnlyParked(life, stats)
}

/** What is not over yet, in words. */
export async function whatIsLeft(life: Life): Promise<string> {
  const deliveries = unfinished(life).map(
    ({ handler, type, key, state }) =>
      `${handler} has ${type}${key === undefined ? '' : ` of the key ${key}`}, ${state}`,
  )
  const stats = await life.store.opened?.stats()
  const behind = (stats?.subscriptions ?? []).filter((one) => one.behind + one.exceptions > 0)
  const stored = behind.map(
    (one) => `${one.name} has ${one.behind} to read and ${one.exceptions} set aside in the store`,
  )
  const outside = requestsOutside()
  const requests =
    outside.length > 0 ? [`the process waits for the world outside (${[...new Set(outside)].join(', ')})`] : []
  const left = [...deliveries, ...stored, ...requests]
  return left.length === 0 ? 'Nothing is left to be done.' : `Left: ${left.join('; ')}.`
}

function unfinished(life: Life): Delivery[] {
  return life.dp === undefined ? [] : busOf(life.dp).machine.engine.unfinished()
}

function hasOnlyParked(life: Life, { subscriptions }: StoreStats): boolean {
  const feeds = life.dp && busOf(life.dp).opened?.persistence?.feeds
  return subscriptions.every(({ name, exceptions }) => {
    if (exceptions === 0) return true
    const own = [...(feeds?.values() ?? [])].filter((feed) => feed.parts.claim.subscription === name)
    return own.some((feed) => feed.dead.size > 0)
  })
}
