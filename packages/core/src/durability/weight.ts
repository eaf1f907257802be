import type { StoredMessage } from '../ports/store.ts'

/** So many characters of text count as one message: 512 have 8 MiB. */
const CHARACTERS = 16_384

/** For how many messages one counts where their number is bounded, and with it the memory that they take: a large one for several. */
export function weightOf(stored: StoredMessage | undefined): number {
  return stored === undefined ? 1 : 1 + Math.floor((stored.envelope.length + stored.body.length) / CHARACTERS)
}
