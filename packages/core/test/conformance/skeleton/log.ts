import type { LoggedMessage, NewMessage, StoredMessage } from '../../../src/ports/store.ts'
import type { Rows } from './database.ts'

/** For how long ids are remembered, in milliseconds. */
export const DEDUPE_MS = 93_600_000

/** Tells for each message whether it is new; one that repeats an id is not stored. Positions are given in the transaction that commits. */
export function append(rows: Rows, messages: readonly NewMessage[]): boolean[] {
  return messages.map((message) => {
    const { id, mayRepeat, dueAt } = message
    if (mayRepeat) {
      // A unique index on the id. Ids whose time is over are to be deleted now and then.
      if ((rows.seen.get(id) ?? Number.NEGATIVE_INFINITY) > rows.meta.time) return false
      rows.seen.set(id, rows.meta.time + DEDUPE_MS)
    }
    if (dueAt === undefined) put(rows, [message])
    else rows.delayed = [...rows.delayed, { ...contentOf(message), mayRepeat, dueAt }]
    return true
  })
}

function put(rows: Rows, messages: readonly StoredMessage[]): void {
  const { tail } = rows.meta
  const logged = messages.map((message, n): LoggedMessage => ({ ...contentOf(message), position: tail + n + 1 }))
  rows.log = [...rows.log, ...logged]
  rows.meta = { ...rows.meta, tail: tail + messages.length }
}

/** Appends what is due, the earliest first. Gives when the next one is. */
export function appendDue(rows: Rows, limit: number): number | undefined {
  const inOrder = [...rows.delayed].sort((a, b) => a.dueAt - b.dueAt)
  const due = inOrder.filter(({ dueAt }) => dueAt <= rows.meta.time).slice(0, limit)
  rows.delayed = rows.delayed.filter((one) => !due.includes(one))
  put(rows, due)
  return inOrder[due.length]?.dueAt
}

/** It never came: its id is free again. */
export function cancel(rows: Rows, id: string): boolean {
  const found = rows.delayed.filter((one) => one.id === id)
  if (found.some(({ mayRepeat }) => mayRepeat)) rows.seen.delete(id)
  rows.delayed = rows.delayed.filter((one) => one.id !== id)
  return found.length > 0
}

/** Deletes what all subscriptions have finished, those that nobody opens among them, unless it has an exception. */
export function prune(rows: Rows): void {
  const lowest = Math.min(...[...rows.subscriptions.values()].map(({ progress }) => progress.cursor))
  const first = rows.log[0]?.position ?? Number.POSITIVE_INFINITY
  if (first > lowest || !Number.isFinite(lowest)) return
  const excepted = new Set([...rows.exceptions.values()].map(({ position }) => position))
  rows.log = rows.log.filter(({ position }) => position > lowest || excepted.has(position))
}

/** The columns of a message. Nobody gets the object that is kept. */
export function contentOf({ id, type, key, time, envelope, body, crc }: StoredMessage): StoredMessage {
  return { id, type, key, time, envelope, body, crc }
}
