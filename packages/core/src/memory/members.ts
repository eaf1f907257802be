import { partitionsOf } from '../ports/share.ts'
import type { Contents, Member } from './contents.ts'

/** A node opens the store: it is live from now on. */
export function enter(contents: Contents, subscriptions: readonly string[]): Member {
  contents.openings += 1
  const member = { name: `node ${contents.openings}`, subscriptions, liveUntil: 0 }
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
export function shareOf(contents: Contents, { name }: Member, subscription: string): ReadonlySet<number> {
  const { members, time, logs } = contents
  const others = [...members.values()].filter((one) => one.liveUntil > time && one.subscriptions.includes(subscription))
  return partitionsOf(name, [name, ...others.map((one) => one.name)], logs.length)
}
