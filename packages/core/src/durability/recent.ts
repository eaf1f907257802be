import type { ReadMessage } from './log-reader.ts'
import { weightOf } from './weight.ts'

const none: readonly ReadMessage[] = []

/**
 * What was read last, until every handler has had it: those that are nearly equally far are given the same messages, and each
 * is read and brought back once. It is one run of the log: whatever is not between two of them is there no more.
 */
export class Recent {
  /** How many messages are kept at most, by their weight. */
  readonly #limit: number
  /** Behind which position they begin. */
  #from = 0
  #messages: readonly ReadMessage[] = none
  #weight = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** The first ones after a position; none where there may be others before them. */
  after(position: number, limit: number): readonly ReadMessage[] {
    if (position < this.#from) return none
    const first = this.#messages.findIndex(({ stored }) => stored.position > position)
    return first === -1 ? none : this.#messages.slice(first, first + limit)
  }

  /** The position of the last one. */
  get last(): number | undefined {
    return this.#messages.at(-1)?.stored.position
  }

  /** Adds what follows a position. */
  add(after: number, messages: readonly ReadMessage[]): void {
    if (this.last !== after) {
      this.#from = after
      this.#messages = none
      this.#weight = 0
    }
    const all = [...this.#messages, ...messages]
    for (const { stored } of messages) this.#weight += weightOf(stored)
    let first = 0
    for (; this.#weight > this.#limit; first += 1) {
      const { stored } = all[first] as ReadMessage
      this.#weight -= weightOf(stored)
      this.#from = stored.position
    }
    this.#messages = first > 0 ? all.slice(first) : all
  }

  /** All have had what is up to there. */
  passed(position: number): void {
    if (this.last === undefined || this.last <= position) this.#messages = none
  }
}
