/** What FNV-1a begins with. */
const START = 0x811c9dc5

/**
 * FNV-1a over UTF-8, 32 bits, unsigned: the same for the same text, for ever.
 *
 * @param start another one for each purpose: the same hash taken modulo twice spreads badly.
 */
export function stableHash(text: string, start: number = START): number {
  let hash = start
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash
}

/** In which partition messages of this key are. One without a key goes by its id. */
export function partitionOf(key: string, partitions: number): number {
  return stableHash(key) % partitions
}
