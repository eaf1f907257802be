import type { Dispatch } from './outlet.ts'
import type { Envelope } from '../message/envelope.ts'
import type { NewMessage } from '../ports/store.ts'

/** What a delivery has caused, ready to be written. */
export interface Caused {
  readonly stored: readonly NewMessage[]
  /** The same, to be told when it is stored; nothing where nobody listens. */
  readonly told: readonly Told[]
  /** What is for handlers of this process alone: it leaves when the rest is written. */
  readonly local: readonly LocalDispatch[]
}

/** What is for handlers of this process alone. */
export interface LocalDispatch extends Dispatch {
  /** Where it is in `stored`, if it is stored for others. */
  readonly index?: number | undefined
}

/** A message that was stored: for these handlers, or for when it is due. */
export interface Told {
  /** Where it is in `stored`. */
  readonly index: number
  readonly envelope: Envelope
  readonly handlers: readonly string[]
  readonly dueAt: number | undefined
}

/** Something to be stored by `work`: what it has caused leaves when that is stored. */
export class Working {
  caused: Caused | undefined = undefined
  readonly #work: (tx: unknown) => Caused | Promise<Caused>

  constructor(work: (tx: unknown) => Caused | Promise<Caused>) {
    this.#work = work
  }

  /** As a settlement has it. */
  readonly work = (tx: unknown): Caused['stored'] | Promise<Caused['stored']> => {
    const made = this.#work(tx)
    return made instanceof Promise ? made.then(this.#remember) : this.#remember(made)
  }

  readonly #remember = (made: Caused): Caused['stored'] => {
    this.caused = made
    return made.stored
  }
}

/** Makes what is caused ready, and lets it go. */
export interface Causing {
  /** @throws {CodecError} for a message that cannot be stored. */
  caused(recorded: readonly Dispatch[]): Caused
  /**
   * It is written: tells of it, lets go what is for handlers of this process, and waits for what is due later.
   *
   * @param isNew what the store has told of each that is stored: one that is not new is a duplicate, and is not run again. All
   *   are new where it is left out.
   */
  release(caused: Caused, isNew?: readonly boolean[]): void
}
