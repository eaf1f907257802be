import { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { freshFile } from '../fresh-file.ts'

/** How many rows a transaction has: as many as one of ours. */
export const BATCH = 128

const text = `{"type":"bench.order","version":1,"data":{"n":1,"text":"${'x'.repeat(200)}"}}`
const id = '019ad2f0-5c8e-7000-8f3a-0123456789ab'

/** What by hand would be written: a table of the shape of the log, full sync, prepared statements, and no JSON made or read. */
export class RawLog {
  readonly #database = new DatabaseSync(freshFile())
  readonly #begin
  readonly #commit
  readonly #insert
  readonly #delete
  readonly #deleteRange
  readonly #remember
  readonly #read
  readonly #claim
  #tail = 0

  constructor() {
    const database = this.#database
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    database.exec(`CREATE TABLE message (position INTEGER PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL, key TEXT,
      time INTEGER NOT NULL, envelope TEXT NOT NULL, body TEXT NOT NULL, crc INTEGER NOT NULL)`)
    database.exec('CREATE TABLE seen (id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID')
    database.exec(
      'CREATE TABLE claim (id INTEGER PRIMARY KEY, cursor INTEGER NOT NULL); INSERT INTO claim VALUES (1, 0)',
    )
    this.#remember = database.prepare('INSERT INTO seen VALUES (?, ?) ON CONFLICT (id) DO NOTHING')
    this.#read = database.prepare('SELECT * FROM message WHERE position > ? ORDER BY position LIMIT ?')
    this.#read.setReturnArrays(true)
    this.#claim = database.prepare('UPDATE claim SET cursor = ? WHERE id = 1')
    this.#begin = database.prepare('BEGIN IMMEDIATE')
    this.#commit = database.prepare('COMMIT')
    this.#insert = database.prepare('INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
    this.#delete = database.prepare('DELETE FROM message WHERE position = ?')
    this.#deleteRange = database.prepare('DELETE FROM message WHERE position > ? AND position <= ?')
  }

  /** One row, in a transaction of its own. */
  insertOne(): void {
    this.#add()
  }

  /** So many rows, in one transaction. */
  insert(count: number): void {
    this.#transact(() => {
      for (let row = 0; row < count; row += 1) this.#add()
    })
  }

  /** The last rows, in one transaction: each by itself, or as a range. */
  delete(count: number, how: 'each' | 'range'): void {
    const after = this.#tail - count
    this.#transact(() => {
      if (how === 'range') this.#deleteRange.run(after, this.#tail)
      else for (let position = after + 1; position <= this.#tail; position += 1) this.#delete.run(position)
    })
  }

  /**
   * The same with what is promised: each id is remembered, the message is written as text with a checksum over it, read back,
   * checked and parsed, and how far that has come is written. No handler is called, nobody waits, nothing is ordered.
   */
  complete(count: number): void {
    const after = this.#tail
    this.#transact(() => {
      for (let row = 0; row < count; row += 1) {
        this.#tail += 1
        const own = `order-1764000000000-${process.pid}-${this.#tail}`
        const body = JSON.stringify({ type: 'bench.order', version: 1, data: { n: this.#tail, text: 'x'.repeat(200) } })
        this.#remember.run(own, 1_764_000_000_000)
        this.#insert.run(
          this.#tail,
          own,
          'bench.order',
          'key-17',
          1_764_000_000_000,
          '',
          body,
          crc32(`${own}\n${body}`),
        )
      }
    })
    for (const [, own, , , , , body, crc] of this.#read.all(after, count) as unknown as string[][]) {
      if (crc32(`${own}\n${body}`) !== Number(crc)) throw new Error('The checksum is another.')
      JSON.parse(body as string)
    }
    this.#transact(() => {
      this.#deleteRange.run(after, this.#tail)
      this.#claim.run(this.#tail)
    })
  }

  #add(): void {
    this.#tail += 1
    this.#insert.run(this.#tail, id, 'bench.order', 'key-17', 1_764_000_000_000, '', text, 3_735_928_559)
  }

  #transact(work: () => void): void {
    this.#begin.run()
    work()
    this.#commit.run()
  }
}
