/** The ids that callers gave to their messages, each remembered for a time, so that a message sent twice is run once. */
export class SeenIds {
  readonly #windowMs: number
  /** When each id is forgotten; the oldest first, since a map keeps the order of insertion. */
  readonly #until = new Map<string, number>()

  /** Ids that are taken for as long as they are in there, however long that is: those of delayed messages. */
  held: { has(id: string): boolean } | undefined

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  delete(id: string): void {
    this.#until.delete(id)
  }

  /** Remembers the id. Tells whether it is new. */
  add(id: string, now: number): boolean {
    for (const [old, until] of this.#until) {
      if (until > now) break
      this.#until.delete(old)
    }
    if (this.#until.has(id) || this.held?.has(id) === true) return false
    this.#until.set(id, now + this.#windowMs)
    return true
  }
}
