import { module } from '@iambus/core'
import { AuthorImported, type AuthorStatistics, type Book, BookCreated, StatisticsQuery } from './messages.ts'

interface Deps {
  readonly authors: Map<string, AuthorStatistics>
}

/** Counts a book; and behind the last one of an author, checks that they came in the order of the file. */
function countBook(event: BookCreated | AuthorImported, { authors }: Deps): void {
  if (event instanceof BookCreated) {
    const { author } = event.book
    const books = authors.get(author)?.books ?? []
    authors.set(author, { author, books: [...books, event.book], inOrder: false })
  } else {
    const { author } = event
    const books = authors.get(author)?.books ?? []
    authors.set(author, { author, books, inOrder: titles(books) === titles(event.books) })
  }
}

function titles(books: readonly Book[]): string {
  return books.map(({ title }) => title).join('\n')
}

function rankAuthors(_query: StatisticsQuery, { authors }: Deps): AuthorStatistics[] {
  const byName = [...authors.values()].sort((a, b) => a.author.localeCompare(b.author, 'en'))
  return byName.sort((a, b) => b.books.length - a.books.length)
}

/** Counts books. Like search, it has heard of them from events and knows no other module. */
export const statistics = module('statistics', (m) => {
  const authors: Deps['authors'] = new Map()
  m.events.bind([BookCreated, AuthorImported], countBook, { name: 'count-book', inject: { authors } })
  m.queries.bind(StatisticsQuery, rankAuthors, { name: 'rank-authors', inject: { authors } })
})
