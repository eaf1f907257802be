import { factory, module } from '@iambus/core'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { AuthorImported, type Book, BookCreated, BookQuery } from './messages.ts'
import { WordIndex } from './word-index.ts'

interface Deps {
  readonly index: WordIndex
}

/** Opened for an attempt of the handler that needs it, and closed when the attempt ends. */
const stopWords = factory('stop-words.txt', () => open(join(import.meta.dirname, 'stop-words.txt')), {
  close: (file) => file.close(),
})

/** Learns which words are too common to be worth finding, before the first book comes. */
async function learnStopWords(_event: string, { index, file }: Deps & { readonly file: FileHandle }): Promise<void> {
  const count = index.leaveOut(await file.readFile('utf8'))
  console.log(`Search leaves out ${count} words that too many titles have, such as 'the'.`)
}

/** One handler of two events: a book is found by its title at once, and by its author when they have all their books. */
function indexBook(event: BookCreated | AuthorImported, { index }: Deps): void {
  if (event instanceof BookCreated) return index.add(event.book.title, event.book)
  for (const book of event.books) index.add(event.author, book)
}

function findBooks({ word }: BookQuery, { index }: Deps): readonly Book[] {
  return index.find(word)
}

/** Finds books by a word. What it knows of the catalog, it has heard from events. */
export const search = module('search', (m) => {
  const index = new WordIndex()
  m.events.bind('on startup', learnStopWords, { name: 'learn-stop-words', inject: { index, file: stopWords } })
  m.events.bind([BookCreated, AuthorImported], indexBook, { name: 'index-book', inject: { index } })
  m.queries.bind(BookQuery, findBooks, { name: 'find-books', inject: { index } })
})
