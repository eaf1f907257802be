import { defineCommand, defineEvent, defineQuery } from '@iambus/core'

export interface Book {
  readonly title: string
  readonly author: string
  readonly year: number
}

/** What statistics knows of an author. */
export interface AuthorStatistics {
  readonly author: string
  /** In the order in which statistics heard of them. */
  readonly books: readonly Book[]
  /** Whether that is the order of the file. */
  readonly inOrder: boolean
}

/** Puts a book into the catalog. Its key is the author: the books of one author keep their order. */
export class CreateBook extends defineCommand<Book, BookCreated>('catalog.create-book') {}

/** The catalog has a new book. It inherits the key of the command that caused it. */
export class BookCreated extends defineEvent<{ book: Book }>('catalog.book-created') {}

/** The import has come to the last book of an author. Of the same key, it arrives behind all of them. */
export class AuthorImported extends defineEvent<{ author: string; books: readonly Book[] }>('import.author-imported') {}

/** What stands on the catalog's shelves? */
export class CatalogQuery extends defineQuery<void, readonly Book[]>('catalog.catalog-query') {}

/** Which books have this word in their title, or as a name of their author? The oldest come first. */
export class BookQuery extends defineQuery<{ word: string }, readonly Book[]>('search.book-query') {}

/** Who wrote how much, and when? Those with most books come first. */
export class StatisticsQuery extends defineQuery<void, readonly AuthorStatistics[]>('statistics.statistics-query') {}
