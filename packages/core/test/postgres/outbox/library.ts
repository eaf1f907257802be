export type Isolation = 'read committed' | 'repeatable read' | 'serializable'

/** A transaction of a library, as the cases use it. */
export interface LibraryTransaction {
  /** What `publish` takes. */
  readonly tx: object
  /** Writes a row to the table `orders`. */
  readonly write: (what: string) => Promise<unknown>
  /** Runs something after a savepoint, and goes back to it. */
  readonly undone: (run: (inner: LibraryTransaction) => Promise<void>) => Promise<unknown>
}

/** A library that holds transactions. */
export interface Library {
  readonly title: string
  /** Commits when the function has resolved; rolls back, and rejects, when it has rejected. */
  transaction(isolation: Isolation, run: (transaction: LibraryTransaction) => Promise<void>): Promise<unknown>
  /** What is no transaction, by what it is called. */
  readonly wrong: Readonly<Record<string, () => unknown>>
}

/** Thrown to have something rolled back. */
export class Undone extends Error {}

/** Runs something that ends by throwing `Undone`. */
export async function untilUndone(run: () => PromiseLike<unknown>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (!(error instanceof Undone)) throw error
  }
}
