import { module, singleton } from '@iambus/core'
import { type Book, BookCreated, CatalogQuery, CreateBook } from './messages.ts'
import { Shelves } from './shelves.ts'

/** Opened once, by `dp.start()`, and closed by `dp.stop()`. */
const shelves = singleton('shelves', () => Shelves.open(), { close: (opened) => opened.close() })

/**
 * A handler as a class: its constructor gets what `inject` names.
 *
 * It reads an author's shelf, adds the book and writes the shelf. Two at once at the same shelf would lose a book. The
 * key of the command prevents that: commands of one author come one at a time, those of others side by side.
 */
class CreateBookHandler {
  readonly #shelves: Shelves

  constructor(deps: { shelves: Shelves }) {
    this.#shelves = deps.shelves
  }

  async handle({ title, author, year }: CreateBook): Promise<BookCreated> {
    const shelf = await this.#shelves.read(author)
    if (shelf.some((other) => other.title === title)) throw new Error('the catalog has this book already')
    const book = { title, author, year }
    await this.#shelves.write(author, [...shelf, book])
    return new BookCreated({ book })
  }
}

/** A handler as a function: what `inject` names is in its second argument. */
function allBooks(_query: CatalogQuery, deps: { shelves: Shelves }): Promise<readonly Book[]> {
  return deps.shelves.all()
}

/** Keeps the books. `responseEvent` publishes what the handler returns: whoever is interested hears of a new book. */
export const catalog = module('catalog', (m) => {
  m.commands.bind(CreateBook, CreateBookHandler, {
    name: 'create-book',
    inject: { shelves },
    responseEvent: BookCreated,
  })
  m.queries.bind(CatalogQuery, allBooks, { name: 'all-books', inject: { shelves } })
})
