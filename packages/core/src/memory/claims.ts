import type { Span } from '../ports/progress.ts'
import type { Lack, Renewal } from '../ports/share.ts'
import type { Claim, Settlement, TypeRange } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'
import type { ClaimRow, Contents, Holder, SubscriptionRow, TypeRow } from './contents.ts'
import { lives, shareOf } from './members.ts'

/** Takes the claims of a node's subscriptions that nobody has, as far as they are its share. */
export function claimFree(contents: Contents, holder: Holder): Claim[] {
  const { settings, time, subscriptions } = contents
  const rows = holder.member.subscriptions.flatMap(({ name }) => subscriptions.get(name) ?? [])
  return rows.flatMap((row) => {
    const share = settings.isShared ? shareOf(contents, holder.member, row.name) : undefined
    return row.claims.flatMap((claim, partition) => {
      if (!isFree(contents, claim)) return []
      const isForAnybody = time >= claim.heldUntil + settings.leaseMs
      if (share !== undefined && !share.has(partition) && !isForAnybody) return []
      const wasClean = claim.isClean
      Object.assign(claim, { holder, isClean: false, epoch: claim.epoch + 1 })
      claim.heldUntil = contents.time + contents.settings.leaseMs
      return [claimOf(row, partition, wasClean)]
    })
  })
}

function isFree({ settings, time }: Contents, { holder, heldUntil }: ClaimRow): boolean {
  if (holder === undefined) return true
  return settings.isShared ? heldUntil <= time : !holder.isOpen
}

function claimOf(row: SubscriptionRow, partition: number, isClean: boolean): Claim {
  const { epoch, progress } = row.claims[partition] as ClaimRow
  let { ranges } = row
  let takes = ranges.map((range) => rangeIn(range, partition))
  return {
    subscription: row.name,
    partition,
    epoch,
    progress: progress.copy(),
    isClean,
    get takes() {
      if (ranges !== row.ranges) {
        ranges = row.ranges
        takes = ranges.map((range) => rangeIn(range, partition))
      }
      return takes
    },
  }
}

export function rangeIn({ type, after, upTo }: TypeRow, partition: number): TypeRange {
  return { type, after: after[partition] ?? 0, upTo: upTo?.[partition] }
}

/** The row of a claim, unless it was released, or another one has it by now. */
function rowOf(contents: Contents, holder: Holder, { subscription, partition, epoch }: Claim): ClaimRow | undefined {
  const row = contents.subscriptions.get(subscription)?.claims[partition]
  return row?.epoch === epoch && row.holder === holder ? row : undefined
}

/** @throws {StoreFailed} `CLAIM_LOST` */
export function heldRow(contents: Contents, holder: Holder, claim: Claim): ClaimRow {
  const row = rowOf(contents, holder, claim)
  if (row !== undefined) return row
  const { subscription, partition, epoch } = claim
  const what = `The claim of ${subscription} to partition ${partition}, epoch ${epoch}, was lost: it was released or taken over.`
  throw new StoreFailed('CLAIM_LOST', `${what} Drop what you have of it, and claim anew.`)
}

/** What a settlement makes of the progress and the exceptions of a claim. */
export function settleClaim(row: ClaimRow, { reached, done, exceptions, cleared }: Settlement): void {
  const progress = row.progress.copy()
  const passed = (exceptions ?? []).map(({ position }): Span => [position, position])
  progress.settle(reached, [...(done ?? []), ...passed]) // What may throw comes first: nothing has changed yet.
  row.progress = progress
  for (const exception of exceptions ?? []) row.exceptions.set(exception.position, { ...exception })
  for (const position of cleared ?? []) row.exceptions.delete(position)
}

/** Keeps claims for another lease. */
export function renew(
  contents: Contents,
  holder: Holder,
  { claims, lacks }: { readonly claims: readonly Claim[]; readonly lacks: readonly Lack[] },
): Renewal {
  lives(contents, holder.member)
  holder.member.lacks = lacks
  const held = claims.filter((claim) => {
    const row = rowOf(contents, holder, claim)
    if (row !== undefined) row.heldUntil = contents.time + contents.settings.leaseMs
    return row !== undefined
  })
  const handOver = held.filter(({ subscription, partition }) => {
    return !shareOf(contents, holder.member, subscription).has(partition)
  })
  return { held, handOver }
}

export function release(contents: Contents, holder: Holder, claim: Claim): void {
  const row = rowOf(contents, holder, claim)
  if (row !== undefined) Object.assign(row, { holder: undefined, isClean: true, heldUntil: contents.time })
}

/** A node closes the store: what it has not released is free, and not clean. */
export function leave({ members, subscriptions, time }: Contents, holder: Holder): void {
  members.delete(holder.member.name)
  for (const { claims } of subscriptions.values()) {
    for (const row of claims) if (row.holder === holder) Object.assign(row, { holder: undefined, heldUntil: time })
  }
}
