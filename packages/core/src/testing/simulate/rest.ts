import { busOf } from '../../dispatcher.ts'
import type { Feed } from '../../durability/feed.ts'
import type { Delivery } from '../../engine/delivery.ts'
import type { OpenStore } from '../../ports/store.ts'
import { requestsOutside } from './determinism.ts'
import type { Life } from './life.ts'

/** Whether nothing is under way on a node: what is dead, and parked behind it, stays so. */
export async function isAtRest(life: Life): Promise<boolean> {
  return (await whatIsUnderWay(life)).length === 0
}

/** What is not over yet, in words. */
export async function whatIsLeft(life: Life): Promise<string> {
  const outside = [...new Set(requestsOutside())]
  const left = await whatIsUnderWay(life)
  if (outside.length > 0) left.push(`the process waits for the world outside (${outside.join(', ')})`)
  return left.length === 0 ? 'Nothing is left to be done.' : `Left: ${left.join('; ')}.`
}

/** Whether the deliveries of a handler survive a crash. */
export function isDurable({ dp }: Life, handler: string): boolean {
  return dp !== undefined && busOf(dp).machine.engine.handlers.get(handler)?.isDurable === true
}

/** Whether the messages of this key wait for somebody to replay a dead one before them. */
export function isParked({ dp }: Life, handler: string, key: string | undefined): boolean {
  if (dp === undefined || key === undefined) return false
  const { machine, opened } = busOf(dp)
  const isInMemory = machine.engine.unfinished().some((one) => {
    return one.state === 'parked' && one.handler === handler && one.key === key
  })
  const feeds = [...(opened?.persistence?.feeds.values() ?? [])]
  return isInMemory || feeds.some((feed) => feed.parts.handler.name === handler && feed.isHeld(key))
}

async function whatIsUnderWay({ dp, isStarted, store: { opened: store } }: Life): Promise<string[]> {
  if (dp === undefined || !isStarted) return ['the node has not started']
  const { machine, opened } = busOf(dp)
  const deliveries = machine.engine.unfinished().filter(({ state }) => state !== 'parked')
  const left = deliveries.map(textOf)
  if (opened !== undefined && opened.delays.size > 0) left.push(`${opened.delays.size} messages are delayed`)
  const feeds = [...(opened?.persistence?.feeds.values() ?? [])]
  if (store === undefined) return left
  const { delayed } = await store.stats()
  if (delayed > 0) left.push(`${delayed} messages are delayed in the store`)
  for (const feed of feeds)
    if (await hasMore(feed, store)) left.push(`${feed.parts.handler.name} has more in the store`)
  return left
}

async function hasMore(feed: Feed, store: OpenStore): Promise<boolean> {
  const { journal, suspects } = feed.parts
  if (journal.isFailing || !suspects.isIdle || !feed.refill.isIdle || feed.retrying > 0) return true
  if (feed.aside.keys.some((key) => !feed.isHeld(key))) return true
  return (await store.read(feed.partition, feed.readPosition, 1)).length > 0
}

function textOf({ handler, type, key, state }: Delivery): string {
  return `${handler} has ${type}${key === undefined ? '' : ` of the key ${key}`}, which is ${state}`
}
