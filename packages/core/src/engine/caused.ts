import type { Dispatch } from './outlet.ts'
import type { NewMessage } from '../ports/store.ts'

/** What a delivery has caused, ready to be written. */
export interface Caused {
  readonly stored: readonly NewMessage[]
  /** What is for handlers of this process alone: it leaves when the rest is written. */
  readonly local: readonly Dispatch[]
}

/** Makes what is caused ready, and lets it go. */
export interface Causing {
  /** @throws {CodecError} for a message that cannot be stored. */
  caused(recorded: readonly Dispatch[]): Caused
  /** It is written: lets go what is for handlers of this process, and waits for what is due later. */
  release(caused: Caused): void
}
