import { module } from '@iambus/core'
import { AuthorImported, type AuthorStatistics, BookCreated, StatisticsQuery } from './messages.ts'

type Authors = Map<string, AuthorStatistics>

/** Counts a book; and behind an author's last one, checks that they came in the order of the file. */
function countBook(event: BookCreated | AuthorImported, { authors }: { authors: Authors }): void {
  if (event instanceof BookCreated) {
    const { author, year } = event.book
    const years = authors.get(author)?.years ?? []
    authors.set(author, { author, years: [...years, year], inOrder: false })
  } else {
    const { author } = event
    const years = authors.get(author)?.years ?? []
    const expected = event.books.map(({ year }) => year)
    authors.set(author, { author, years, inOrder: String(years) === String(expected) })
  }
}

function rankAuthors(_: StatisticsQuery, { authors }: { authors: Authors }): AuthorStatistics[] {
  return [...authors.values()].sort(
    (a, b) => b.years.length - a.years.length || a.author.localeCompare(b.author, 'en'),
  )
}

/** Counts books. Like search it has heard of them by events, and knows nothing of the other two modules. */
export const statistics = module('statistics', (m) => {
  const authors: Authors = new Map()
  m.events.bind([BookCreated, AuthorImported], countBook, { inject: { authors } })
  m.queries.bind(StatisticsQuery, rankAuthors, { inject: { authors } })
})
