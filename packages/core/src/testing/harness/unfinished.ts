import type { Bus } from '../../bus.ts'
import type { Delivery } from '../../engine/delivery.ts'
import type { Feed } from '../../durability/feed.ts'

/** Every delivery that waits, runs (also when it was given up) or is to be tried again. What is parked is at rest. */
export function unfinished({ machine: { engine } }: Bus): Delivery[] {
  const running = engine.running().filter(({ rest }) => rest?.forgotten !== true)
  const others = engine.unfinished().filter(({ state }) => state !== 'parked' && state !== 'running')
  return [...running, ...others]
}

/** Those of them that do something by themselves: their handlers run, and wait for no request. */
export function busy(deliveries: readonly Delivery[]): Delivery[] {
  return deliveries.filter((one) => one.state === 'running' && requestsOf(one, deliveries).length === 0)
}

/** The requests that the handler of a delivery has made, and that have not ended. */
export function requestsOf(by: Delivery, deliveries: readonly Delivery[]): Delivery[] {
  return deliveries.filter(({ waiter, envelope: { cause } }) => {
    return waiter?.ownsFailure === true && cause?.id === by.id && cause.handler === by.handler
  })
}

/** What a store has left to be done, for one handler. */
export interface Behind {
  readonly handler: string
  /** How many messages are to be read, or to be written as done. */
  readonly unread: number
  /** How many are set aside behind others of their keys, and could go on. */
  readonly aside: number
}

/** What is left in the store, as far as it is this dispatcher's. */
export async function leftInStore({ opened }: Bus): Promise<{ behind: readonly Behind[]; delayed: number }> {
  const persistence = opened?.persistence
  if (persistence === undefined) return { behind: [], delayed: 0 }
  const { subscriptions, delayed } = await persistence.store.stats()
  const feeds = [...persistence.feeds].filter(({ isOpen }) => isOpen)
  const behind = subscriptions.flatMap(({ name, behind: unread, exceptions }) => {
    const own = feeds.filter(({ parts }) => parts.claim.subscription === name)
    if (own.length === 0) return [] // Nobody here takes it.
    const aside = exceptions - own.reduce((count, feed) => count + parkedIn(feed), 0)
    // So much may be parked that no more is read.
    const isFull = aside === 0 && own.every(({ room }) => room === 0)
    return aside === 0 && (unread === 0 || isFull) ? [] : [{ handler: name, unread, aside }]
  })
  return { behind, delayed }
}

/** How many messages of a feed are dead in their lanes, or set aside behind those. */
function parkedIn({ dead, aside, parts }: Feed): number {
  const isParked = (key: string): boolean => parts.handler.lanes.of(key)?.head.state === 'dead'
  return aside.keys.filter(isParked).reduce((count, key) => count + aside.count(key), dead.size)
}
