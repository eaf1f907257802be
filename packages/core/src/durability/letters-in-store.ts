import type { Engine } from '../engine/engine.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Envelope } from '../message/envelope.ts'
import type { Observer } from '../observe.ts'
import type { DeadLetter, DeadLetterFilter, DeadLetterPage } from '../ports/dead-letters.ts'
import type { StoredDeadLetter, StoredMessage } from '../ports/store.ts'
import type { Feed } from './feed.ts'
import { Join } from '../engine/join.ts'
import { Stopped } from '../errors.ts'
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

  /**
   * Replays those of other nodes' lanes too: they are told.
   *
   * @param of.isAwaited whether somebody waits for what becomes of them: that is only known where it happens.
   * @returns what becomes of each; of what happens elsewhere, only that.
   * @throws {DeadLetterUnavailable} before any replay has begun.
   */
  async replay(
    which: string | DeadLetterFilter,
    { isAwaited }: { readonly isAwaited: boolean },
  ): Promise<Promise<Outcome[]>[]> {
    const letters = await this.#found(which)
    for (const letter of letters) if (isAwaited) this.#feedOf(letter)
    for (const { id, subscription } of letters)
      if (!this.#engine.handlers.has(subscription)) throw notBound(id, subscription)
    const outcomes: Promise<Outcome[]>[] = []
    for (const letter of letters) {
      const feed = this.#feedHere(letter)
      if (!(await this.#beginReplay(letter, feed))) continue
      outcomes.push(this.#begin(feed, letter))
    }
    return outcomes
  }

  /** From then on it is being replayed: nobody else here begins it, also if what the store says comes before its answer. */
  async #beginReplay({ id }: StoredDeadLetter, feed: Feed | undefined, edited?: StoredMessage): Promise<boolean> {
    const isOther = feed?.dead.replaying.has(id) === true
    feed?.dead.replaying.add(id)
    let hasBegun = false
    try {
      hasBegun = await this.#persistence.store.deadLetters.beginReplay(id, edited)
    } finally {
      if (!hasBegun && !isOther) {
        feed?.dead.replaying.delete(id)
        // Another node may have begun it for this one, which took it for this one's own meanwhile.
        this.#persistence.feeds.lettersChanged()
      }
    }
    return hasBegun
  }

  /** @throws {DeadLetterUnavailable | CodecError} */
  async replayEdited(id: string, envelope: Envelope): Promise<Promise<Outcome[]>[]> {
    const { letters } = this.#persistence
    const [letter] = await this.#found(id)
    if (letter === undefined) throw beingReplayed(id)
    const feed = this.#feedOf(letter)
    const { name: handler } = feed.parts.handler
    // What is kept is redacted; what is replayed is not.
    const redacted = this.#engine.letters.redacted({ envelope, handler, attempts: attemptsOf(letter.attempts) })
    letters.message(envelope)
    const message: StoredMessage = letters.kept(redacted.envelope)
    if (!(await this.#beginReplay(letter, feed, message))) throw beingReplayed(id)
    return [this.#begin(feed, letter, envelope)]
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

  /** @throws {DeadLetterUnavailable} where one of another node's lanes has others parked behind it: then nothing is erased. */
  async erase(key: string): Promise<{ readonly letters: number; readonly parked: number }> {
    const found = await this.#found({ key })
    // What is parked behind them, only that node can take away.
    for (const letter of found)
      if (this.#engine.handlers.get(letter.subscription)?.onDead === 'park') this.#feedOf(letter)
    const removed = await this.#remove(found)
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
    const feed = this.#feedHere(letter)
    if (feed !== undefined) return feed
    const isBound = this.#engine.handlers.has(letter.subscription)
    throw isBound ? notHere(letter.id, letter.subscription) : notBound(letter.id, letter.subscription)
  }

  #feedHere(letter: StoredDeadLetter): Feed | undefined {
    const feed = this.#persistence.feedOf(letter)
    return feed?.isLeaving === true ? undefined : feed
  }

  /** @param feed that which had its lane before its replay began, if that was here. */
  #begin(feed: Feed | undefined, letter: StoredDeadLetter, edited?: Envelope): Promise<Outcome[]> {
    if (feed === undefined || this.#feedHere(letter) !== feed) {
      // Whoever has it now is told by the store; that may be this node.
      this.#persistence.feeds.lettersChanged()
      const error = new Stopped(`Another node works for the key of the dead letter '${letter.id}', and replays it.`)
      return Promise.resolve([{ handler: letter.subscription, status: 'stopped', error }])
    }
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
