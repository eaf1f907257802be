import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'

/**
 * How many changes a file has had, in eight bytes beside it, `<file>.changes`. They are written after each commit, and never
 * synced: that costs two microseconds, and outlives the process. So whoever opens the file after a crash knows what has to be in
 * it, write-ahead log or not. After a power cut it may be behind, and says less.
 */
export class ChangesFile {
  readonly #path: string
  readonly #bytes = Buffer.alloc(8)
  #descriptor: number | undefined

  constructor(path: string) {
    this.#path = `${path}.changes`
  }

  /** What was written last; 0 where there is nothing. */
  get last(): number {
    try {
      const bytes = readFileSync(this.#path)
      return bytes.length === 8 ? Number(bytes.readBigUInt64LE()) : 0
    } catch {
      return 0 // Then nothing is known, and nothing can be said.
    }
  }

  open(changes: number): void {
    this.#descriptor ??= openSync(this.#path, 'w')
    this.write(changes)
  }

  write(changes: number): void {
    if (this.#descriptor === undefined) return
    this.#bytes.writeBigUInt64LE(BigInt(changes))
    try {
      writeSync(this.#descriptor, this.#bytes, 0, 8, 0)
    } catch {
      // The disk is full: the transaction is in the file, and this only says so.
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  remove(): void {
    this.close()
    rmSync(this.#path, { force: true })
  }
}
