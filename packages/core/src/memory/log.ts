import { partitionOf } from '../ports/stable-hash.ts'
import type { LoggedMessage, NewMessage, StoredMessage } from '../ports/store.ts'
import type { Contents, Log } from './contents.ts'

/** Appends messages, or keeps them until they are due. Tells for each whether it is new. */
export function appendAll(contents: Contents, messages: readonly NewMessage[]): boolean[] {
  return messages.map((message) => {
    if (message.mayRepeat) {
      if (isRemembered(contents, message.id)) return false
      contents.seen.set(message.id, contents.time + contents.settings.dedupeMs)
    }
    if (message.dueAt === undefined) put(contents, message)
    else contents.delayed.push({ ...copyOf(message), mayRepeat: message.mayRepeat, dueAt: message.dueAt })
    return true
  })
}

export function isRemembered({ seen, time }: Contents, id: string): boolean {
  return (seen.get(id) ?? Number.NEGATIVE_INFINITY) > time
}

function put(contents: Contents, message: StoredMessage): void {
  const log = contents.logs[partitionOf(message.key ?? message.id, contents.logs.length)] as Log
  log.tail += 1
  log.messages.push(logged(message, log.tail))
}

/** Appends what is due. Gives when the next one is. */
export function appendDue(contents: Contents, limit: number): { readonly count: number; readonly next?: number } {
  const inOrder = contents.delayed.toSorted((a, b) => a.dueAt - b.dueAt)
  const due = inOrder.filter(({ dueAt }) => dueAt <= contents.time).slice(0, limit)
  for (const message of due) put(contents, message)
  contents.delayed = contents.delayed.filter((message) => !due.includes(message))
  const next = inOrder[due.length]
  return next === undefined ? { count: due.length } : { count: due.length, next: next.dueAt }
}

/** Takes back what is not due yet. Its id is free again: it was never appended, and may be given anew with another time. */
export function cancel(contents: Contents, id: string): boolean {
  const found = contents.delayed.filter((message) => message.id === id)
  contents.delayed = contents.delayed.filter((message) => message.id !== id)
  if (found.some(({ mayRepeat }) => mayRepeat)) contents.seen.delete(id)
  return found.length > 0
}

/** Removes what every subscription has finished, unless an exception refers to it. */
export function prune(contents: Contents): void {
  if (contents.settings.keeps) return
  for (const [partition, log] of contents.logs.entries()) {
    const claims = [...contents.subscriptions.values()].flatMap(({ claims: all }) => all[partition] ?? [])
    if (claims.length === 0) continue
    const lowest = Math.min(...claims.map(({ progress }) => progress.cursor))
    const isNeeded = ({ position }: LoggedMessage): boolean =>
      position > lowest || claims.some(({ exceptions }) => exceptions.has(position))
    const behind = log.messages.findIndex(({ position }) => position > lowest)
    const head = behind === -1 ? log.messages : log.messages.slice(0, behind)
    if (!head.every(isNeeded)) log.messages = log.messages.filter(isNeeded)
  }
}

export function copyOf({ id, type, key, time, envelope, body, crc }: StoredMessage): StoredMessage {
  return { id, type, key, time, envelope, body, crc }
}

export function logged(message: StoredMessage, position: number): LoggedMessage {
  return { ...copyOf(message), position }
}
