import type { Envelope } from '../message/envelope.ts'
import type { Observer } from '../observe.ts'

/** Of so many types: beyond that, nobody reads the warnings. */
const MAX_TYPES = 1_000

/** Says which events nobody handles: loudly for the first of a type. */
export class Unhandled {
  readonly #observer: Observer
  readonly #types = new Set<string>()

  constructor(observer: Observer) {
    this.#observer = observer
  }

  say(envelope: Envelope, hasNamesake: boolean): void {
    const first = !this.#types.has(envelope.type) && this.#types.size < MAX_TYPES
    if (first) this.#types.add(envelope.type)
    this.#observer.say('unhandled', { envelope, first, hasNamesake })
  }
}
