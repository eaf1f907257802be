import { ableNodes, partitionsOf, type Ranked } from '../ports/share.ts'
import type { Subscription } from '../ports/store.ts'
import type { Contents, Member } from './contents.ts'

/** A node opens the store: it is live from now on. */
export function enter(contents: Contents, subscriptions: readonly Subscription[]): Member {
  contents.openings += 1
  const member: Member = { name: `node ${contents.openings}`, subscriptions, lacks: [], liveUntil: 0 }
  lives(contents, member)
  return member
}

/** A node says that it is live. */
export function lives({ members, time, settings }: Contents, member: Member): void {
  member.liveUntil = time + settings.leaseMs
  members.set(member.name, member)
  for (const { name, liveUntil } of members.values()) if (liveUntil <= time) members.delete(name)
}

/** Which partitions of a subscription are a node's: it is live, since it asks. */
export function shareOf(contents: Contents, member: Member, subscription: string): ReadonlySet<number> {
  const { members, time, logs } = contents
  const live = new Set([member, ...[...members.values()].filter(({ liveUntil }) => liveUntil > time)])
  return partitionsOf(member.name, ableNodes([...live].flatMap((one) => rankedOf(one, subscription))), logs.length)
}

function rankedOf({ name: node, subscriptions, lacks }: Member, subscription: string): Ranked[] {
  const own = subscriptions.find(({ name }) => name === subscription)
  if (own === undefined) return []
  const { types, versions = new Map() } = own
  return [{ node, types, versions, lacks: lacks.filter((lack) => lack.subscription === subscription) }]
}
