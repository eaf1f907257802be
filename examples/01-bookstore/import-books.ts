import type { Dispatcher } from '@iambus/core'
import { readFile } from 'node:fs/promises'
import { AuthorImported, type Book, CreateBook } from './messages.ts'
import { readBook } from './read-book.ts'

export interface RejectedRow {
  readonly line: number
  readonly reason: string
}

const rowsPerProgressLine = 50

/** Sends each row of a CSV file to the catalog. Resolves when all modules have dealt with all books. */
export async function importBooks(dp: Dispatcher, path: string): Promise<RejectedRow[]> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split(/\r?\n/)
  const rows = lines.map((text, index) => ({ text, line: index + 1 })).slice(1)
  const rejected: RejectedRow[] = []
  let done = 0

  // All commands are on their way before the first one is answered. What order they need, their keys keep.
  const created = await Promise.all(
    rows.map(async ({ text, line }) => {
      try {
        const book = readBook(text)
        await dp.request(new CreateBook(book), { key: book.author })
        return book
      } catch (error) {
        rejected.push({ line, reason: (error as Error).message })
        return undefined
      } finally {
        done += 1
        if (done % rowsPerProgressLine === 0 || done === rows.length) console.log(`  ${done} of ${rows.length} rows`)
      }
    }),
  )

  await announceAuthors(
    dp,
    created.filter((book) => book !== undefined),
  )
  return rejected.sort((a, b) => a.line - b.line)
}

/**
 * The catalog has answered, but search and statistics may still be reading. Behind the books of an author, in the same
 * lane, comes an event that is waited for: when its handlers are done with it, they are done with the books.
 */
async function announceAuthors(dp: Dispatcher, created: readonly Book[]): Promise<void> {
  const authors = [...Map.groupBy(created, ({ author }) => author)]
  await Promise.all(
    authors.map(([author, books]) =>
      dp.publish(new AuthorImported({ author, books }), { key: author, waitForResponse: true }),
    ),
  )
}
