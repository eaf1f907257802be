import type { DeadLetterFilter, DeadLetterStore, StoredLetter } from '../ports/dead-letters.ts'

/** Keeps the dead letters in memory. A map keeps the order of insertion; the cursor is the number of the death. */
export class MemoryDeadLetters implements DeadLetterStore {
  readonly #byId = new Map<string, { readonly at: number; letter: StoredLetter }>()
  #count = 0

  get size(): number {
    return this.#byId.size
  }

  get(id: string): StoredLetter | undefined {
    return this.#byId.get(id)?.letter
  }

  add(letter: StoredLetter): void {
    this.#byId.delete(letter.id)
    this.#count += 1
    this.#byId.set(letter.id, { at: this.#count, letter })
  }

  update(id: string, change: Partial<StoredLetter>): void {
    const stored = this.#byId.get(id)
    if (stored !== undefined) stored.letter = { ...stored.letter, ...change }
  }

  remove(id: string): void {
    this.#byId.delete(id)
  }

  *matching(filter: DeadLetterFilter, after?: string): Generator<StoredLetter> {
    const start = after === undefined ? 0 : Number(after)
    for (const { at, letter } of this.#byId.values()) if (at > start && matches(letter, filter)) yield letter
  }

  cursorOf({ id }: StoredLetter): string {
    return String(this.#byId.get(id)?.at ?? 0)
  }
}

function matches({ handler, envelope, error, diedAt }: StoredLetter, filter: DeadLetterFilter): boolean {
  const { code = error.name } = error as { code?: unknown }
  return (
    (filter.handler === undefined || filter.handler === handler) &&
    (filter.type === undefined || filter.type === envelope.type) &&
    (filter.key === undefined || filter.key === envelope.key) &&
    (filter.messageId === undefined || filter.messageId === envelope.id) &&
    (filter.correlationId === undefined || filter.correlationId === envelope.correlationId) &&
    (filter.error === undefined || filter.error === code) &&
    (filter.since === undefined || diedAt >= filter.since) &&
    (filter.before === undefined || diedAt < filter.before)
  )
}
