import { ImproperlyConfigured } from '../errors.ts'
import { Progress } from '../ports/progress.ts'
import type { Finding, Subscription } from '../ports/store.ts'
import { rangeIn } from './claims.ts'
import type { ClaimRow, Contents, SubscriptionRow, TypeRow } from './contents.ts'

/**
 * Makes the subscriptions what they are now.
 *
 * @param elsewhere what other nodes have open at this time: it is neither orphaned nor taken from them.
 * @throws {ImproperlyConfigured} for one that is to begin where nothing is any more.
 */
export function register(
  contents: Contents,
  subscriptions: readonly Subscription[],
  elsewhere: readonly Subscription[],
): Finding[] {
  const early = subscriptions.find(({ from }) => from === 'beginning')
  if (early !== undefined && !contents.settings.keeps) {
    const what = `The subscription '${early.name}' is to begin at the beginning, and this store deletes what is finished.`
    throw new ImproperlyConfigured(
      'FROM_BEGINNING',
      `${what} Give it memory({ completion: 'keep' }), or take from: 'now'.`,
    )
  }
  const findings = subscriptions.flatMap((one) => registerOne(contents, one, elsewhere))
  const alive = new Set([...subscriptions, ...elsewhere].map(({ name }) => name))
  for (const row of contents.subscriptions.values()) {
    if (alive.has(row.name)) continue
    findings.push({ kind: 'orphan', subscription: row.name, pending: pendingOf(contents, row, row.ranges) })
  }
  return findings
}

function registerOne(contents: Contents, one: Subscription, elsewhere: readonly Subscription[]): Finding[] {
  const known = contents.subscriptions.get(one.name)
  const from = known === undefined ? one.formerly.find((name) => contents.subscriptions.has(name)) : undefined
  if (from !== undefined) rename(contents, from, one.name)
  const row = contents.subscriptions.get(one.name)
  if (row === undefined) {
    contents.subscriptions.set(one.name, newRow(contents, one))
    return [{ kind: 'added', subscription: one.name }]
  }
  const others = elsewhere.filter(({ name }) => name === one.name).flatMap(({ types }) => types)
  const removed = changeTypes(contents, row, { types: one.types, others })
  return [
    ...(from === undefined ? [] : [{ kind: 'renamed' as const, subscription: one.name, from }]),
    ...removed.map((range) => {
      const pending = pendingOf(contents, row, [range])
      return { kind: 'typeRemoved' as const, subscription: one.name, type: range.type, pending }
    }),
  ]
}

function newRow({ logs, time }: Contents, { name, types, from }: Subscription): SubscriptionRow {
  const start = logs.map(({ tail }) => (from === 'beginning' ? 0 : tail))
  const claims = start.map((position): ClaimRow => {
    const exceptions = new Map()
    return { epoch: 0, progress: new Progress(position), isClean: true, exceptions, holder: undefined, heldUntil: time }
  })
  return { name, ranges: types.map((type) => ({ type, after: start, upTo: undefined })), claims }
}

function rename({ subscriptions, letters }: Contents, from: string, name: string): void {
  const row = subscriptions.get(from) as SubscriptionRow
  subscriptions.delete(from)
  subscriptions.set(name, { ...row, name })
  for (const stored of letters.values()) {
    if (stored.letter.subscription === from) stored.letter = { ...stored.letter, subscription: name }
  }
}

/** Gives the ranges that have ended. */
function changeTypes(
  { logs }: Contents,
  row: SubscriptionRow,
  { types, others }: { readonly types: readonly string[]; readonly others: readonly string[] },
): TypeRow[] {
  const tails = logs.map(({ tail }) => tail)
  const removed: TypeRow[] = []
  const ranges = [...row.ranges]
  for (const [index, range] of ranges.entries()) {
    if (range.upTo !== undefined || types.includes(range.type) || others.includes(range.type)) continue
    const ended = { ...range, upTo: tails }
    ranges[index] = ended
    removed.push(ended)
  }
  const open = ranges.filter(({ upTo }) => upTo === undefined).map(({ type }) => type)
  for (const type of types) if (!open.includes(type)) ranges.push({ type, after: tails, upTo: undefined })
  row.ranges = ranges
  return removed
}

/** How many messages of these ranges are not finished. */
function pendingOf({ logs }: Contents, { claims }: SubscriptionRow, ranges: readonly TypeRow[]): number {
  return logs.flatMap(({ messages }, partition) => {
    const { progress, exceptions } = claims[partition] as ClaimRow
    const here = ranges.map((range) => rangeIn(range, partition))
    return messages.filter(({ position, type }) => {
      const isPending = exceptions.has(position) || !progress.isFinished(position)
      return (
        isPending && here.some((one) => one.type === type && position > one.after && position <= (one.upTo ?? position))
      )
    })
  }).length
}
