import { parse } from 'csv-parse/sync'
import type { Book } from './messages.ts'

/**
 * Reads one line of `books.csv`: title, author, year. Lines are parsed one by one, so that a stray quote spoils its own
 * and not the rest of the file.
 *
 * @throws {Error} whose message is the reason why the line is no book.
 */
export function readBook(line: string): Book {
  const fields = fieldsOf(line)
  if (fields.length !== 3) throw new Error(`${fields.length} fields instead of 3`)
  const [title, author, year] = fields as [string, string, string]
  if (title === '') throw new Error('no title')
  if (author === '') throw new Error('no author')
  if (!/^\d+$/.test(year)) throw new Error(`the year '${year}' is no whole number`)
  if (Number(year) > new Date().getFullYear()) throw new Error(`the year ${year} is in the future`)
  return { title, author, year: Number(year) }
}

function fieldsOf(line: string): string[] {
  try {
    return parse(line, { trim: true })[0] ?? []
  } catch (cause) {
    throw new Error('a quote that does not belong there', { cause })
  }
}
