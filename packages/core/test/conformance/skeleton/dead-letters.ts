import type { DeadLetterFilter } from '../../../src/ports/dead-letters.ts'
import type { DeadLetterLog, StoredDeadLetter } from '../../../src/ports/store.ts'
import type { Database, Rows } from './database.ts'
import { contentOf } from './log.ts'

/** A letter is the newest death, whenever it dies. */
export function bury(rows: Rows, letter: StoredDeadLetter): void {
  const deaths = rows.meta.deaths + 1
  rows.meta = { ...rows.meta, deaths }
  rows.letters.delete(letter.id)
  rows.letters.set(letter.id, { at: deaths, letter: copyOf(letter) })
}

/** @param write as one transaction, in the order of the calls. */
export function deadLettersOf(
  read: () => Database['rows'],
  write: <T>(run: (rows: Rows) => T) => Promise<T>,
): DeadLetterLog {
  return {
    get: async (id) => {
      const row = read().letters.get(id)
      return row && copyOf(row.letter)
    },
    existing: async (ids) => ids.filter((id) => read().letters.has(id)),
    list: async (filter, { after, limit }) => {
      const found = [...read().letters.values()].filter(
        (row) => row.at > Number(after ?? 0) && isMeant(row.letter, filter),
      )
      const page = found.slice(0, limit)
      const next = found.length > limit ? String(page.at(-1)?.at) : undefined
      return { letters: page.map(({ letter }) => copyOf(letter)), next }
    },
    beginReplay: (id, edited) =>
      write(({ letters }) => {
        const row = letters.get(id)
        if (row === undefined || row.letter.isReplaying) return false
        const message = contentOf(edited ?? row.letter.message)
        letters.set(id, { ...row, letter: { ...row.letter, message, isReplaying: true } })
        return true
      }),
    endReplay: (id) =>
      write(({ letters }) => {
        const row = letters.get(id)
        if (row !== undefined) letters.set(id, { ...row, letter: { ...row.letter, isReplaying: false } })
      }),
    replaying: async (subscription) => {
      const all = [...read().letters.values()].map(({ letter }) => letter)
      return all.filter((letter) => letter.isReplaying && letter.subscription === subscription).map(copyOf)
    },
    remove: (ids) =>
      write(({ letters }) => ids.filter((id) => letters.get(id)?.letter.isReplaying === false && letters.delete(id))),
  }
}

/** What is left out asks for nothing. */
function isMeant({ message, diedAt, ...letter }: StoredDeadLetter, filter: DeadLetterFilter): boolean {
  const asked: readonly (readonly [asked: string | undefined, is: string | undefined])[] = [
    [filter.handler, letter.subscription],
    [filter.type, message.type],
    [filter.key, message.key],
    [filter.messageId, message.id],
    [filter.correlationId, letter.correlationId],
    [filter.error, letter.error],
  ]
  const { since, before } = filter
  return (
    asked.every(([one, is]) => one === undefined || one === is) &&
    (since === undefined || diedAt >= since.getTime()) &&
    (before === undefined || diedAt < before.getTime())
  )
}

function copyOf(letter: StoredDeadLetter): StoredDeadLetter {
  return { ...letter, message: contentOf(letter.message) }
}
