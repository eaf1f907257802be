import { Delivery } from '../engine/delivery.ts'
import type { Engine } from '../engine/engine.ts'
import { Failures } from '../engine/failures.ts'
import type { Handler } from '../engine/handler.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Envelope } from '../message/envelope.ts'
import type { Observer } from '../observe.ts'
import type { DeadLetter, DeadLetterFilter, DeadLetterPage, StoredLetter } from '../ports/dead-letters.ts'
import { Join } from '../engine/join.ts'
import { beingReplayed, type LetterBox, notBound } from '../durability/letter-box.ts'

/** The dead letters in memory: whatever is asked of them happens within the call. */
export class LettersInMemory implements LetterBox {
  readonly #engine: Engine
  readonly #observer: Observer

  constructor(engine: Engine, observer: Observer) {
    this.#engine = engine
    this.#observer = observer
  }

  list(filter: DeadLetterFilter, page: { readonly after: string | undefined; readonly limit: number }): DeadLetterPage {
    const found: StoredLetter[] = []
    for (const letter of this.#store.matching(filter, page.after)) {
      if (found.push(letter) > page.limit) break
    }
    const letters = found.slice(0, page.limit)
    const last = letters.at(-1)
    const next = found.length > page.limit && last !== undefined ? this.#store.cursorOf(last) : undefined
    return { letters: letters.map((letter) => this.#shown(letter)), next }
  }

  get(id: string): DeadLetter | undefined {
    const letter = this.#store.get(id)
    return letter && this.#shown(letter)
  }

  /** @param check is called where there is something to replay. @throws {DeadLetterUnavailable}, and what `check` throws. */
  replay(which: string | DeadLetterFilter, check: () => void): Promise<Outcome[]>[] {
    const letters = this.#found(which)
    if (letters.length > 0) check()
    for (const letter of letters) this.#handlerOf(letter)
    return letters.flatMap(({ id }) => {
      const letter = this.#store.get(id) // Another replay, or its end, may have come before.
      return letter === undefined || letter.isReplaying ? [] : [this.#replay(letter, this.#handlerOf(letter))]
    })
  }

  replayEdited(id: string, envelope: Envelope): Promise<Outcome[]>[] {
    const [letter] = this.#found(id)
    if (letter === undefined) throw beingReplayed(id)
    const handler = this.#handlerOf(letter)
    // What is kept is redacted; what is replayed is not.
    this.#store.update(id, { envelope: this.#engine.letters.redacted({ ...letter, envelope }).envelope })
    return [this.#replay({ ...letter, envelope }, handler)]
  }

  /** Gives how many. @throws {DeadLetterUnavailable} */
  discard(which: string | DeadLetterFilter): number {
    const letters = this.#found(which).filter(({ isReplaying }) => !isReplaying)
    for (const letter of letters) {
      const { envelope, handler, error } = letter
      const head = this.#engine.letters.headOf(letter)
      this.#store.remove(letter.id)
      this.#observer.say('dropped', { envelope, handler, error, by: 'deadLetters' })
      if (head !== undefined) this.#engine.held.free(head)
    }
    this.#engine.pump()
    return letters.length
  }

  erase(key: string): { readonly letters: number; readonly parked: number } {
    let parked = 0
    const letters = [...this.#store.matching({ key })].filter(({ isReplaying }) => !isReplaying)
    for (const letter of letters) {
      const head = this.#engine.letters.headOf(letter)
      this.#store.remove(letter.id)
      if (head !== undefined) parked += this.#engine.letters.dropBehind(head).length
    }
    return { letters: letters.length, parked }
  }

  get #store(): Engine['letters']['store'] {
    return this.#engine.letters.store
  }

  #shown(letter: StoredLetter): DeadLetter {
    const head = this.#engine.letters.headOf(letter)
    return { ...letter, parked: head === undefined ? 0 : this.#engine.held.parking.behind(head).length }
  }

  /** @throws {DeadLetterUnavailable} for an id that is being replayed. */
  #found(which: string | DeadLetterFilter): StoredLetter[] {
    if (typeof which !== 'string') return [...this.#store.matching(which)]
    const letter = this.#store.get(which)
    if (letter?.isReplaying) throw beingReplayed(which)
    return letter === undefined ? [] : [letter]
  }

  /** @throws {DeadLetterUnavailable} where the handler is bound no more. */
  #handlerOf({ id, handler: name }: StoredLetter): Handler {
    const handler = this.#engine.handlers.get(name)
    if (handler === undefined) throw notBound(id, name)
    return handler
  }

  async #replay(letter: StoredLetter, handler: Handler): Promise<Outcome[]> {
    const { id, envelope } = letter
    const join = new Join([handler])
    const delivery = new Delivery(handler, envelope.message, envelope, join)
    delivery.rest = { replays: id, failures: new Failures(letter.attempts) }
    const dead = this.#engine.letters.headOf(letter)
    this.#store.update(id, { isReplaying: true })
    this.#observer.say('replayed', { envelope, handler: handler.name, letterId: id })
    this.#engine.held.replay(delivery, dead)
    return join.outcomes
  }
}
