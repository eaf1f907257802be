import type { Engine } from '../engine/engine.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Envelope } from '../message/envelope.ts'
import type { Observer } from '../observe.ts'
import type { DeadLetter, DeadLetterFilter, DeadLetterPage } from '../ports/dead-letters.ts'
import type { StoredDeadLetter, StoredMessage } from '../ports/store.ts'
import type { Feed } from './feed.ts'
import { Join } from '../engine/join.ts'
import { beingReplayed, type LetterBox, notBound, notHere } from './letter-box.ts'
import type { Persistence } from './persistence.ts'
import { attemptsOf } from './stored-failures.ts'

/** How many letters are looked at in one go. */
const PAGE = 100

/** The dead letters of durable handlers, in the store. */
export class LettersInStore implements LetterBox {
  readonly #persistence: Persistence
  readonly #engine: Engine
  readonly #observer: Observer

  constructor(persistence: Persistence, of: { readonly engine: Engine; readonly observer: Observer }) {
    this.#persistence = persistence
    this.#engine = of.engine
    this.#observer = of.observer
  }

  async list(
    filter: DeadLetterFilter,
    page: { readonly after: string | undefined; readonly limit: number },
  ): Promise<DeadLetterPage> {
    const { letters, next } = await this.#persistence.store.deadLetters.list(filter, page)
    return { letters: letters.map((letter) => this.#shown(letter)), next }
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    const letter = await this.#persistence.store.deadLetters.get(id)
    return letter && this.#shown(letter)
  }

  /** @throws {DeadLetterUnavailable} */
  async replay(which: string | DeadLetterFilter): Promise<Promise<Outcome[]>[]> {
    const letters = await this.#found(which)
    for (const letter of letters) this.#feedOf(letter)
    const outcomes: Promise<Outcome[]>[] = []
    for (const letter of letters) {
      if (!(await this.#persistence.store.deadLetters.beginReplay(letter.id))) continue
      outcomes.push(this.#begin(await this.#feedStill(letter), letter))
    }
    return outcomes
  }

  /** @throws {DeadLetterUnavailable | CodecError} */
  async replayEdited(id: string, envelope: Envelope): Promise<Promise<Outcome[]>[]> {
    const { store, letters } = this.#persistence
    const [letter] = await this.#found(id)
    if (letter === undefined) throw beingReplayed(id)
    const { name: handler } = this.#feedOf(letter).parts.handler
    // What is kept is redacted; what is replayed is not.
    const redacted = this.#engine.letters.redacted({ envelope, handler, attempts: attemptsOf(letter.attempts) })
    letters.message(envelope)
    const message: StoredMessage = letters.kept(redacted.envelope)
    if (!(await store.deadLetters.beginReplay(id, message))) throw beingReplayed(id)
    return [this.#begin(await this.#feedStill(letter), letter, envelope)]
  }

  /** Gives how many. @throws {DeadLetterUnavailable} */
  async discard(which: string | DeadLetterFilter): Promise<number> {
    const letters = await this.#found(which)
    const removed = await this.#remove(letters)
    for (const letter of removed) {
      const { envelope, handler, error } = this.#shown(letter)
      this.#observer.say('dropped', { envelope, handler, error, by: 'deadLetters' })
      this.#persistence.feedOf(letter)?.dead.discard(letter.id)
    }
    return removed.length
  }

  async erase(key: string): Promise<{ readonly letters: number; readonly parked: number }> {
    const removed = await this.#remove(await this.#found({ key }))
    let parked = 0
    for (const letter of removed) {
      const feed = this.#persistence.feedOf(letter)
      parked += feed?.dead.dropBehind(letter.id) ?? 0
      feed?.dead.discard(letter.id)
      await feed?.parts.journal.settled()
    }
    return { letters: removed.length, parked }
  }

  #shown(letter: StoredDeadLetter): DeadLetter {
    const parked = this.#persistence.feedOf(letter)?.dead.parkedBehind(letter.id) ?? 0
    return this.#persistence.letters.shown(letter, parked)
  }

  /** Those that are not being replayed. @throws {DeadLetterUnavailable} for an id that is. */
  async #found(which: string | DeadLetterFilter): Promise<StoredDeadLetter[]> {
    const { deadLetters } = this.#persistence.store
    if (typeof which === 'string') {
      const letter = await deadLetters.get(which)
      if (letter?.isReplaying) throw beingReplayed(which)
      return letter === undefined ? [] : [letter]
    }
    const found: StoredDeadLetter[] = []
    let after: string | undefined
    do {
      const page = await deadLetters.list(which, { after, limit: PAGE })
      found.push(...page.letters.filter(({ isReplaying }) => !isReplaying))
      after = page.next
    } while (after !== undefined)
    return found
  }

  async #remove(letters: readonly StoredDeadLetter[]): Promise<StoredDeadLetter[]> {
    if (letters.length === 0) return []
    const removed = new Set(await this.#persistence.store.deadLetters.remove(letters.map(({ id }) => id)))
    return letters.filter(({ id }) => removed.has(id))
  }

  /** @throws {DeadLetterUnavailable} where its handler does not run here, or another node is about to go on with its lane. */
  #feedOf(letter: StoredDeadLetter): Feed {
    const feed = this.#persistence.feedOf(letter)
    if (feed !== undefined && !feed.isLeaving) return feed
    const isBound = this.#engine.handlers.has(letter.subscription)
    throw isBound ? notHere(letter.id, letter.subscription) : notBound(letter.id, letter.subscription)
  }

  /** The same, when its replay has begun: where its lane has left meanwhile, it is dead as it was before. */
  async #feedStill(letter: StoredDeadLetter): Promise<Feed> {
    try {
      return this.#feedOf(letter)
    } catch (error) {
      await this.#persistence.store.deadLetters.endReplay(letter.id)
      throw error
    }
  }

  #begin(feed: Feed, letter: StoredDeadLetter, edited?: Envelope): Promise<Outcome[]> {
    const envelope = edited ?? this.#persistence.letters.envelope(letter)
    const join = new Join([feed.parts.handler])
    const { joins } = this.#persistence
    joins.add(join)
    void join.outcomes.then(() => joins.delete(join))
    this.#observer.say('replayed', { envelope, handler: letter.subscription, letterId: letter.id })
    feed.dead.replay(letter, envelope, { waiter: join, isEdited: edited !== undefined })
    return join.outcomes
  }
}
