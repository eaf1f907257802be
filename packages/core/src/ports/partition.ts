/**
 * In which partition of a log a message is: that of its key, or of its id where it has none. FNV-1a over UTF-8, 32 bits: the same
 * for the same text, for ever.
 */
export function partitionOf(
  { key, id }: { readonly key: string | undefined; readonly id: string },
  of: number,
): number {
  if (of === 1) return 0
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(key ?? id)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash % of
}
