import { ImproperlyConfigured } from '../../../src/errors.ts'
import { Progress } from '../../../src/ports/progress.ts'
import type { Finding, Subscription, TypeRange } from '../../../src/ports/store.ts'
import type { Rows, SubscriptionRow } from './database.ts'

/** Makes the subscriptions what they are now. Gives what somebody should know. */
export function register(rows: Rows, subscriptions: readonly Subscription[]): Finding[] {
  const early = subscriptions.find(({ from }) => from === 'beginning')
  if (early !== undefined) {
    const what = `The subscription '${early.name}' is to begin at the beginning, and what is finished is deleted.`
    throw new ImproperlyConfigured('FROM_BEGINNING', `${what} Take from: 'now'.`)
  }
  const findings = subscriptions.flatMap((one) => registerOne(rows, one))
  const names = new Set(subscriptions.map(({ name }) => name))
  for (const row of rows.subscriptions.values()) {
    if (names.has(row.name)) continue
    findings.push({ kind: 'orphan', subscription: row.name, pending: pendingOf(rows, row, row.takes) })
  }
  return findings
}

function registerOne(rows: Rows, { name, formerly, types }: Subscription): Finding[] {
  const from = rows.subscriptions.has(name) ? undefined : formerly.find((one) => rows.subscriptions.has(one))
  if (from !== undefined) rename(rows, from, name)
  const row = rows.subscriptions.get(name)
  const { tail } = rows.meta
  const added = (type: string): TypeRange => ({ type, after: tail, upTo: undefined })
  if (row === undefined) {
    const progress = new Progress(tail)
    rows.subscriptions.set(name, { name, epoch: 0, isClean: true, progress, takes: types.map(added) })
    return [{ kind: 'added', subscription: name }]
  }
  const isTaken = ({ type, upTo }: TypeRange): boolean => upTo === undefined && types.includes(type)
  const removed = row.takes.filter((range) => range.upTo === undefined && !types.includes(range.type))
  const takes = [
    ...row.takes.map((range) => (removed.includes(range) ? { ...range, upTo: tail } : range)),
    ...types.filter((type) => !row.takes.some((range) => range.type === type && isTaken(range))).map(added),
  ]
  rows.subscriptions.set(name, { ...row, takes })
  return [
    ...(from === undefined ? [] : [{ kind: 'renamed' as const, subscription: name, from }]),
    ...removed.map((range) => {
      const pending = pendingOf(rows, row, [range])
      return { kind: 'typeRemoved' as const, subscription: name, type: range.type, pending }
    }),
  ]
}

/** `UPDATE ... SET subscription`, in each table that names it. */
function rename(rows: Rows, from: string, name: string): void {
  rows.subscriptions.set(name, { ...(rows.subscriptions.get(from) as SubscriptionRow), name })
  rows.subscriptions.delete(from)
  for (const [key, exception] of rows.exceptions) {
    if (exception.subscription !== from) continue
    rows.exceptions.delete(key)
    rows.exceptions.set(`${name} ${exception.position}`, { ...exception, subscription: name })
  }
  for (const [id, { at, letter }] of rows.letters) {
    if (letter.subscription === from) rows.letters.set(id, { at, letter: { ...letter, subscription: name } })
  }
}

/** How many messages of these ranges it has not finished. */
function pendingOf(rows: Rows, { name, progress }: SubscriptionRow, ranges: readonly TypeRange[]): number {
  return rows.log.filter(({ position, type }) => {
    const isFinished = progress.isFinished(position) && !rows.exceptions.has(`${name} ${position}`)
    const isIn = ({ after, upTo = position, ...range }: TypeRange): boolean =>
      range.type === type && position > after && position <= upTo
    return !isFinished && ranges.some(isIn)
  }).length
}
