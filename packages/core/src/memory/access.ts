import type { NewMessage } from '../ports/store.ts'

/** How what an opening gives out gets at the contents, for as long as that is open. */
export interface Access {
  /** @throws {StoreFailed} `STORE_CLOSED` */
  readonly checkOpen: () => void
  readonly write: <T>(step: () => T) => Promise<T>
  /** Tells the other openings that dead letters are replayed, or were removed. */
  readonly lettersChanged: () => void
  /** Writes when none of these messages is in flight elsewhere. */
  readonly writeMessages: <T>(messages: readonly NewMessage[], step: () => T) => Promise<T>
}
