import { busOf, type Dispatcher } from '../../dispatcher.ts'
import type { Feed } from '../../durability/feed.ts'
import type { Delivery } from '../../engine/delivery.ts'
import type { Claim, OpenStore } from '../../ports/store.ts'
import { requestsOutside } from './determinism.ts'
import type { Guarantees, Owner } from './guarantees.ts'
import type { Life } from './life.ts'

/** What is not over yet, in words: what is dead, and parked behind it, is. */
export async function whatIsLeft(lives: readonly Life[], { owners, partitions }: Guarantees): Promise<string[]> {
  const left: string[] = []
  for (const { dp, isStarted, name } of lives) {
    if (dp === undefined || !isStarted) return [`${name} has not started`]
    const { machine, opened } = busOf(dp)
    left.push(...machine.engine.unfinished().flatMap((one) => (one.state === 'parked' ? [] : [textOf(one)])))
    if (opened !== undefined && opened.delays.size > 0) left.push(`${opened.delays.size} messages are delayed`)
  }
  const stats = await lives[0]?.store.opened?.stats()
  if (stats !== undefined && stats.delayed > 0) left.push(`${stats.delayed} messages are delayed in the store`)
  const claims = partitions * (stats?.subscriptions.length ?? 0)
  if (owners.size < claims) left.push('nobody has had some partitions yet')
  for (const owner of owners.values()) {
    const more = await whatHas(owner)
    if (more !== undefined) left.push(`of ${owner.claim.subscription} ${more}`)
  }
  return left
}

/** The same for a reader, with what the process itself waits for. */
export function inWords(left: readonly string[]): string {
  const outside = [...new Set(requestsOutside())]
  const requests = outside.length > 0 ? [`the process waits for the world outside (${outside.join(', ')})`] : []
  return left.length + requests.length === 0
    ? 'Nothing is left to be done.'
    : `Left: ${[...left, ...requests].join('; ')}.`
}

/** Whether the deliveries of a handler survive a crash. */
export function isDurable({ dp }: Life, handler: string): boolean {
  return dp !== undefined && busOf(dp).machine.engine.handlers.get(handler)?.isDurable === true
}

/** Whether the messages of this key wait for somebody to replay a dead one before them. */
export function isParked(lives: readonly Life[], handler: string, key: string | undefined): boolean {
  return lives.some(({ dp }) => dp !== undefined && key !== undefined && isParkedOn(dp, handler, key))
}

function isParkedOn(dp: Dispatcher, handler: string, key: string): boolean {
  const { machine, opened } = busOf(dp)
  const isInMemory = machine.engine.unfinished().some((one) => {
    return one.state === 'parked' && one.handler === handler && one.key === key
  })
  const feeds = [...(opened?.persistence?.feeds ?? [])]
  return isInMemory || feeds.some((feed) => feed.parts.handler.name === handler && feed.isHeld(key))
}

async function whatHas({ life, claim }: Owner): Promise<string | undefined> {
  const { dp, store } = life
  const feeds = dp && busOf(dp).opened?.persistence?.feeds
  const feed = [...(feeds ?? [])].find((one) => one.parts.claim.epoch === claim.epoch && isFor(one, claim))
  if (!life.isStarted || feed === undefined || store.opened === undefined) return 'nobody has what is in the store'
  return whatIsIn(feed, store.opened)
}

function isFor({ parts }: Feed, { subscription, partition }: Claim): boolean {
  return parts.claim.subscription === subscription && parts.claim.partition === partition
}

/** What a feed has not brought to an end. */
async function whatIsIn(feed: Feed, store: OpenStore): Promise<string | undefined> {
  const { journal, suspects } = feed.parts
  if (journal.isFailing) return 'the store fails'
  if (!suspects.isIdle) return 'something may have crashed the process, and runs alone'
  if (!feed.refill.isIdle) return 'something that was set aside is read'
  if (feed.retrying > 0) return 'something waits for its next attempt'
  if (feed.aside.keys.some((key) => !feed.isHeld(key))) return 'something is set aside'
  const unread = await store.read(feed.partition, feed.readPosition, 1)
  return unread.length > 0 ? 'something is not read yet' : undefined
}

function textOf({ handler, type, key, state }: Delivery): string {
  return `${handler} has ${type}${key === undefined ? '' : ` of the key ${key}`}, which is ${state}`
}
