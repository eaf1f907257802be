import { module, singleton } from '@iambus/core'
import { BookCreated, CreateBook } from './messages.ts'
import { Shelves } from './shelves.ts'

/** Opened once, by `dp.start()`, and closed by `dp.stop()`. */
const shelves = singleton('shelves', Shelves.open, { close: (opened) => opened.close() })

/**
 * A handler as a class: its constructor gets what `inject` names.
 *
 * It reads a shelf, adds the book and writes the shelf. Two of them at once at the same shelf, and a book would be lost.
 * The key of the command prevents that: one author's commands come one at a time, those of others side by side.
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

/** Keeps the books. Each that it takes is told to whoever is interested: `responseEvent` publishes what is returned. */
export const catalog = module('catalog', (m) => {
  m.commands.bind(CreateBook, CreateBookHandler, { inject: { shelves }, responseEvent: BookCreated })
})
