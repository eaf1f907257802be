import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
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

  async all(): Promise<readonly Book[]> {
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith('.json'))
    const shelves = await Promise.all(names.map((name) => readShelf(join(this.#folder, name))))
    return shelves.flat()
  }

  read(author: string): Promise<readonly Book[]> {
    return readShelf(this.#fileOf(author))
  }

  /** Replaces a shelf as a whole: whoever reads it meanwhile gets the old one or the new one. */
  async write(author: string, books: readonly Book[]): Promise<void> {
    const draft = join(this.#folder, randomUUID())
    await writeFile(draft, JSON.stringify(books))
    await rename(draft, this.#fileOf(author))
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true })
  }

  #fileOf(author: string): string {
    return join(this.#folder, `${encodeURIComponent(author)}.json`)
  }
}

async function readShelf(file: string): Promise<readonly Book[]> {
  // The flag makes an empty file where there is none.
  const text = await readFile(file, { encoding: 'utf8', flag: 'a+' })
  return text === '' ? [] : (JSON.parse(text) as Book[]) // Only `write` writes here.
}
