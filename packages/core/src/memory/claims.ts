import type { Span } from '../ports/progress.ts'
import type { Claim, Settlement, TypeRange } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'
import type { ClaimRow, Contents, Holder, SubscriptionRow, TypeRow } from './contents.ts'

/** Takes the claims of these subscriptions that nobody has. */
export function claimFree(contents: Contents, holder: Holder, names: readonly string[]): Claim[] {
  const rows = names.flatMap((name) => contents.subscriptions.get(name) ?? [])
  return rows.flatMap((row) =>
    row.claims.flatMap((claim, partition) => {
      if (!isFree(contents, claim)) return []
      const wasClean = claim.isClean
      Object.assign(claim, { holder, isClean: false, epoch: claim.epoch + 1 })
      claim.heldUntil = contents.time + contents.settings.leaseMs
      return [claimOf(row, partition, wasClean)]
    }),
  )
}

function isFree({ settings, time }: Contents, { holder, heldUntil }: ClaimRow): boolean {
  if (holder === undefined) return true
  return settings.isShared ? heldUntil <= time : !holder.isOpen
}

function claimOf({ name, ranges, claims }: SubscriptionRow, partition: number, isClean: boolean): Claim {
  const { epoch, progress } = claims[partition] as ClaimRow
  const takes = ranges.map((range) => rangeIn(range, partition))
  return { subscription: name, partition, epoch, progress: progress.copy(), isClean, takes }
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

/** Keeps a claim for another lease. */
export function renew(contents: Contents, holder: Holder, claim: Claim): boolean {
  const row = rowOf(contents, holder, claim)
  if (row === undefined) return false
  row.heldUntil = contents.time + contents.settings.leaseMs
  return true
}

export function release(contents: Contents, holder: Holder, claim: Claim): void {
  const row = rowOf(contents, holder, claim)
  if (row !== undefined) Object.assign(row, { holder: undefined, isClean: true })
}
