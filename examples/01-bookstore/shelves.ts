import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Book } from './messages.ts'

/** Where the catalog keeps its books: a temporary folder, with a file for each author. */
export class Shelves {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  static async open(): Promise<Shelves> {
    return new Shelves(await mkdtemp(join(tmpdir(), 'bookstore-')))
  }

  async read(author: string): Promise<readonly Book[]> {
    // The flag makes an empty file where there is none.
    const text = await readFile(this.#fileOf(author), { encoding: 'utf8', flag: 'a+' })
    return text === '' ? [] : (JSON.parse(text) as Book[]) // Only `write` writes here.
  }

  async write(author: string, books: readonly Book[]): Promise<void> {
    await writeFile(this.#fileOf(author), JSON.stringify(books))
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true })
  }

  #fileOf(author: string): string {
    return join(this.#folder, `${encodeURIComponent(author)}.json`)
  }
}
