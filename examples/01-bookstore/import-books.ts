import type { Dispatcher } from '@iambus/core'
import { readFile } from 'node:fs/promises'
import { AuthorImported, type Book, CreateBook } from './messages.ts'
import { readBook } from './read-book.ts'

export interface RejectedRow {
  readonly line: number
  readonly reason: string
}

const rowsPerProgressLine = 50

/** Brings the rows of a CSV file to the catalog. Resolves to the bad ones when every module has dealt with the good ones. */
export async function importBooks(dp: Dispatcher, path: string): Promise<RejectedRow[]> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split(/\r?\n/)
  const rows = lines.map((text, index) => ({ text, line: index + 1 })).slice(1)
  const rejected: RejectedRow[] = []
  let done = 0

  // All commands are on their way before the first is answered: the key keeps the order, where there is one to keep.
  const books = await Promise.all(
    rows.map(async ({ text, line }) => {
      try {
        const book = readBook(text)
        const created = await dp.request(new CreateBook(book), { key: book.author })
        return created.book
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
    books.filter((book) => book !== undefined),
  )
  return rejected.sort((a, b) => a.line - b.line)
}

/**
 * The catalog has answered, but search and statistics may not have heard of every book yet. A key is an order: this event
 * comes to them behind the books of its author, and it is waited for.
 */
async function announceAuthors(dp: Dispatcher, created: readonly Book[]): Promise<void> {
  const authors = [...Map.groupBy(created, ({ author }) => author)]
  await Promise.all(
    authors.map(([author, books]) =>
      dp.publish(new AuthorImported({ author, books }), { key: author, waitForResponse: true }),
    ),
  )
}
