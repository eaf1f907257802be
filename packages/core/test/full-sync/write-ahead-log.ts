import { readFileSync } from 'node:fs'

// sqlite.org/fileformat2.html#the_write_ahead_log: a header, then frames, each with a header of its own and a page.
const HEADER = 32
const FRAME_HEADER = 24

/** How many transactions are committed in a write-ahead log, since it last began from its start. */
export function commitsIn(path: string): number {
  const bytes = readFileSync(path)
  const pageSize = bytes.readUInt32BE(8)
  const salts = bytes.subarray(16, 24)
  let commits = 0
  for (let at = HEADER; at + FRAME_HEADER + pageSize <= bytes.length; at += FRAME_HEADER + pageSize) {
    if (!bytes.subarray(at + 8, at + 16).equals(salts)) break
    // The last frame of a transaction says how long the file is after it.
    if (bytes.readUInt32BE(at + 4) !== 0) commits += 1
  }
  return commits
}
