import { factory, module } from '@iambus/core'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { AuthorImported, type Book, BookCreated, BookQuery } from './messages.ts'
import { WordIndex } from './word-index.ts'

interface Deps {
  readonly index: WordIndex
}

/** Opened for one attempt of one handler, and closed when that ends: nobody else needs the file. */
const stopWords = factory('stop-words.txt', () => open(join(import.meta.dirname, 'stop-words.txt')), {
  close: (file) => file.close(),
})

/** Learns, before the first book comes, which words are too common to be worth finding. */
async function learnStopWords(_: string, { index, file }: Deps & { readonly file: FileHandle }): Promise<void> {
  const text = await file.readFile('utf8')
  const count = index.leaveOut(text)
  console.log(`Search leaves out ${count} words that are in too many titles, such as 'the'.`)
}

/** One handler for two messages: a book is found by its title at once, by its author when all of theirs are there. */
function indexBook(event: BookCreated | AuthorImported, { index }: Deps): void {
  if (event instanceof BookCreated) return index.add(event.book.title, event.book)
  for (const book of event.books) index.add(event.author, book)
}

function findBooks({ word }: BookQuery, { index }: Deps): readonly Book[] {
  return index.find(word)
}

/** Finds books by a word. What it knows of the catalog, it has from events. */
export const search = module('search', (m) => {
  const index = new WordIndex()
  m.events.bind('on startup', learnStopWords, { inject: { index, file: stopWords } })
  m.events.bind([BookCreated, AuthorImported], indexBook, { inject: { index } })
  m.queries.bind(BookQuery, findBooks, { inject: { index } })
})
