import type { Book } from './messages.ts'

/** Books by the words that lead to them. */
export class WordIndex {
  readonly #books = new Map<string, Set<Book>>()
  readonly #stopWords = new Set<string>()

  /** Words that lead to no book from now on. Tells how many there are. */
  leaveOut(text: string): number {
    for (const word of wordsIn(text)) this.#stopWords.add(word)
    return this.#stopWords.size
  }

  add(text: string, book: Book): void {
    for (const word of wordsIn(text)) {
      if (this.#stopWords.has(word)) continue
      const books = this.#books.get(word) ?? new Set()
      this.#books.set(word, books.add(book))
    }
  }

  /** The oldest first, and those of one year by title: books of different authors have come in no fixed order. */
  find(word: string): Book[] {
    const books = [...(this.#books.get(word.toLowerCase()) ?? [])]
    return books.sort((a, b) => a.year - b.year || a.title.localeCompare(b.title, 'en'))
  }
}

function wordsIn(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
}
