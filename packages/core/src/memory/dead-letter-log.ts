import type { DeadLetterFilter } from '../ports/dead-letters.ts'
import type { DeadLetterLog, StoredDeadLetter, StoredMessage } from '../ports/store.ts'
import type { Access } from './access.ts'
import type { Contents } from './contents.ts'
import { copyOf } from './log.ts'

/** The dead letters, as an opening gives them out. */
export function deadLetterLogOf(contents: Contents, { checkOpen, write, lettersChanged }: Access): DeadLetterLog {
  return {
    get: async (id) => {
      checkOpen()
      const stored = contents.letters.get(id)
      return stored && copyOfLetter(stored.letter)
    },
    existing: async (ids) => {
      checkOpen()
      return ids.filter((id) => contents.letters.has(id))
    },
    list: async (filter, page) => {
      checkOpen()
      return listLetters(contents, filter, page)
    },
    beginReplay: async (id, edited) => {
      const hasBegun = await write(() => beginReplay(contents, id, edited))
      if (hasBegun) lettersChanged()
      return hasBegun
    },
    endReplay: (id) => write(() => endReplay(contents, id)),
    replaying: async (subscription) => {
      checkOpen()
      return replaying(contents, subscription)
    },
    remove: async (ids) => {
      const removed = await write(() => removeLetters(contents, ids))
      if (removed.length > 0) lettersChanged()
      return removed
    },
  }
}

/** Stores a letter as the newest. */
export function bury(contents: Contents, letter: StoredDeadLetter): void {
  contents.letters.delete(letter.id)
  contents.deaths += 1
  contents.letters.set(letter.id, { at: contents.deaths, letter: copyOfLetter(letter) })
}

function copyOfLetter(letter: StoredDeadLetter): StoredDeadLetter {
  return { ...letter, message: copyOf(letter.message) }
}

function listLetters(
  { letters }: Contents,
  filter: DeadLetterFilter,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
): { letters: StoredDeadLetter[]; next: string | undefined } {
  const found = [...letters.values()].filter(({ at, letter }) => at > Number(after ?? 0) && matches(letter, filter))
  const page = found.slice(0, limit)
  const next = found.length > limit ? String(page.at(-1)?.at) : undefined
  return { letters: page.map(({ letter }) => copyOfLetter(letter)), next }
}

function matches(letter: StoredDeadLetter, filter: DeadLetterFilter): boolean {
  const { message, diedAt } = letter
  return (
    (filter.handler === undefined || filter.handler === letter.subscription) &&
    (filter.type === undefined || filter.type === message.type) &&
    (filter.key === undefined || filter.key === message.key) &&
    (filter.messageId === undefined || filter.messageId === message.id) &&
    (filter.correlationId === undefined || filter.correlationId === letter.correlationId) &&
    (filter.error === undefined || filter.error === letter.error) &&
    (filter.since === undefined || diedAt >= filter.since.getTime()) &&
    (filter.before === undefined || diedAt < filter.before.getTime())
  )
}

function beginReplay({ letters }: Contents, id: string, edited: StoredMessage | undefined): boolean {
  const stored = letters.get(id)
  if (stored === undefined || stored.letter.isReplaying) return false
  stored.letter = { ...stored.letter, message: copyOf(edited ?? stored.letter.message), isReplaying: true }
  return true
}

function endReplay({ letters }: Contents, id: string): void {
  const stored = letters.get(id)
  if (stored !== undefined) stored.letter = { ...stored.letter, isReplaying: false }
}

function replaying({ letters }: Contents, subscription: string): StoredDeadLetter[] {
  return [...letters.values()]
    .filter(({ letter }) => letter.isReplaying && letter.subscription === subscription)
    .map(({ letter }) => copyOfLetter(letter))
}

function removeLetters({ letters }: Contents, ids: readonly string[]): string[] {
  return ids.filter((id) => letters.get(id)?.letter.isReplaying === false && letters.delete(id))
}
