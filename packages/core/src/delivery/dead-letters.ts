import { Delivery } from '../engine/delivery.ts'
import type { Engine } from '../engine/engine.ts'
import { Failures } from '../engine/failures.ts'
import type { Handler } from '../engine/handler.ts'
import type { Outcome } from '../engine/outcome.ts'
import { DeadLetterUnavailable, InvalidMessage, InvalidOption, NotAccepting, shown } from '../errors.ts'
import { checkOf } from '../message/contract.ts'
import { messageTypeOf, typeName } from '../message/message-type.ts'
import type { Observer } from '../observe.ts'
import {
  checkCount,
  checkMessageOptions,
  checkNames,
  checkObject,
  type NotWaiting,
  type PerhapsWaiting,
  type Waiting,
} from '../options.ts'
import type { DeadLetter, DeadLetterFilter, DeadLetterPage, StoredLetter } from '../ports/dead-letters.ts'
import type { Awaitable } from '../routing/providers.ts'
import { checkEdit, checkFilter, checkWhich, type DeadLetterQuery, type Edit } from './dead-letter-query.ts'
import { Join } from './join.ts'
import type { Persistence } from './persistence.ts'

type Message = object | string
type Editing<M extends Message> = (letter: DeadLetter<M>) => Awaitable<Edit<M>>

/**
 * The deliveries that failed for good: `dp.deadLetters`. Each is kept until it has been replayed with success, or is
 * discarded; in memory, as many as `deadLetterCapacity`.
 */
export class DeadLetters {
  /** The durable side, while there is one. */
  persistence: Persistence | undefined = undefined
  readonly #engine: Engine
  readonly #observer: Observer

  constructor(engine: Engine, observer: Observer) {
    this.#engine = engine
    this.#observer = observer
  }

  /**
   * The dead letters that match, the oldest death first, a page at a time.
   * @throws {InvalidOption} as a rejection.
   */
  async list(query: DeadLetterQuery = {}): Promise<DeadLetterPage> {
    checkObject('deadLetters.list()', query)
    const { limit = 100, after, ...filter } = query
    checkFilter('deadLetters.list()', filter)
    checkCount('limit', limit)
    if (after !== undefined && !/^\d+$/.test(after)) {
      throw new InvalidOption(`after is ${shown(after)}. Pass the 'next' of the page before.`)
    }
    const found: StoredLetter[] = []
    for (const letter of this.#store.matching(filter, after)) {
      if (found.push(letter) > limit) break
    }
    const letters = found.slice(0, limit)
    const last = letters.at(-1)
    const next = found.length > limit && last !== undefined ? this.#store.cursorOf(last) : undefined
    return { letters: letters.map((letter) => this.#shown(letter)), next }
  }

  /** The dead letter with this id, if there is one. */
  async get(id: string): Promise<DeadLetter | undefined> {
    const letter = this.#store.get(id)
    return letter && this.#shown(letter)
  }

  /**
   * Runs the dead letter with this id again, or all that match, the oldest death first: with all attempts anew, and with
   * `context.replayed`. One whose later messages are parked behind it runs in its place, and they follow when it succeeds;
   * any other runs as the next of its key. It is there until it has succeeded; if it fails, it has a new cause.
   *
   * @returns how many; with `waitForResponse`, what became of each.
   * @throws {DeadLetterUnavailable | NotAccepting | InvalidOption} as a rejection. Those of a filter that are being replayed
   *   already are passed over.
   */
  replay(which: string | DeadLetterFilter, options: Waiting): Promise<Outcome[]>
  replay(which: string | DeadLetterFilter, options?: NotWaiting): Promise<number>
  async replay(which: string | DeadLetterFilter, options: PerhapsWaiting = {}): Promise<number | Outcome[]> {
    const letters = this.#found('replay', which)
    checkNames('deadLetters.replay()', options, ['waitForResponse'])
    this.#checkAccepting()
    for (const letter of letters) this.#handlerOf(letter)
    const outcomes = letters.flatMap(({ id }) => this.#replayIfThere(id))
    return options.waitForResponse ? (await Promise.all(outcomes)).flat() : outcomes.length
  }

  /**
   * Changes the message of a dead letter, and replays it so. The key stays: it is the place in the order.
   *
   * ```ts
   * await dp.deadLetters.editAndReplay(id, ({ envelope }: DeadLetter<Charge>) => {
   *   return { message: new Charge({ amount: envelope.message.amount, card: 'visa' }) }
   * })
   * ```
   *
   * @param edit is given the dead letter, and gives the message, and other headers where they are to change. Which type the
   *   message has, you know: `(letter: DeadLetter<Charge>) => ...`.
   * @throws {DeadLetterUnavailable | NotAccepting | InvalidMessage | InvalidOption | ContractViolation}, and what `edit`
   *   throws, as a rejection: then nothing has changed.
   */
  editAndReplay<M extends Message = Message>(id: string, edit: Editing<M>, options: Waiting): Promise<Outcome>
  editAndReplay<M extends Message = Message>(id: string, edit: Editing<M>, options?: NotWaiting): Promise<void>
  async editAndReplay(id: string, edit: Editing<never>, options: PerhapsWaiting = {}): Promise<Outcome | void> {
    if (typeof edit !== 'function')
      throw new InvalidOption(`edit is ${shown(edit)}. Pass a function that gives { message }.`)
    const edited: unknown = await edit(this.#shown(this.#letter(id)) as DeadLetter<never>)
    const letter = this.#letter(id) // It may have gone meanwhile, or have failed again.
    checkEdit(edited)
    const { message, headers = letter.envelope.headers } = edited
    checkNames('deadLetters.editAndReplay()', options, ['waitForResponse'])
    checkMessageOptions({ headers })
    const messageType = messageTypeOf(message)
    const type = typeName(messageType)
    if (type !== letter.envelope.type) {
      const text = `The dead letter is of '${letter.envelope.type}', and was edited to be '${type}'. Give a message of its type.`
      throw new InvalidMessage(text)
    }
    if (typeof message === 'object') checkOf(messageType)?.(message)
    this.#checkAccepting()
    const handler = this.#handlerOf(letter)
    const envelope = letter.envelope.with({ message, headers: Object.freeze({ ...headers }) })
    // What is kept is redacted; what is replayed is not.
    this.#store.update(id, { envelope: this.#engine.letters.redacted({ ...letter, envelope }).envelope })
    const outcome = this.#replay({ ...letter, envelope }, handler)
    if (options.waitForResponse) return (await outcome)[0]
  }

  /**
   * Gives up the dead letter with this id, or all that match. What is parked behind it goes on.
   * @returns how many.
   * @throws {DeadLetterUnavailable | InvalidOption} as a rejection.
   */
  async discard(which: string | DeadLetterFilter): Promise<number> {
    const letters = this.#found('discard', which).filter(({ isReplaying }) => !isReplaying)
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

  /**
   * Removes every dead letter of a key, and what is parked behind it, as if they had never been: for whoever has the right
   * to be forgotten. Those that are being replayed stay.
   *
   * @returns how many messages.
   * @throws {InvalidOption} as a rejection.
   */
  async erase(of: { readonly key: string }): Promise<number> {
    checkNames('deadLetters.erase()', of, ['key'])
    const { key } = of
    checkFilter('deadLetters.erase()', { key })
    let parked = 0
    const letters = [...this.#store.matching({ key })].filter(({ isReplaying }) => !isReplaying)
    for (const letter of letters) {
      const head = this.#engine.letters.headOf(letter)
      this.#store.remove(letter.id)
      if (head === undefined) continue
      parked += this.#engine.letters.dropBehind(head).length
    }
    if (letters.length > 0) this.#observer.say('erased', { letters: letters.length, parked })
    this.#engine.pump()
    return letters.length + parked
  }

  get #store(): Engine['letters']['store'] {
    return this.#engine.letters.store
  }

  #shown(letter: StoredLetter): DeadLetter {
    const head = this.#engine.letters.headOf(letter)
    return { ...letter, parked: head === undefined ? 0 : this.#engine.held.parking.behind(head).length }
  }

  #found(verb: string, which: string | DeadLetterFilter): StoredLetter[] {
    checkWhich(`deadLetters.${verb}()`, which)
    return typeof which === 'string' ? [this.#letter(which)] : [...this.#store.matching(which)]
  }

  /** @throws {DeadLetterUnavailable} for an id that is not there, or is being replayed. */
  #letter(id: string): StoredLetter {
    const letter = this.#store.get(id)
    if (letter === undefined) {
      throw new DeadLetterUnavailable(`There is no dead letter with the id ${shown(id)}. See dp.deadLetters.list().`)
    }
    if (!letter.isReplaying) return letter
    throw new DeadLetterUnavailable(`The dead letter '${id}' is being replayed. Wait for what becomes of it.`)
  }

  #checkAccepting(): void {
    if (!this.#engine.stopping) return
    throw new NotAccepting('The dispatcher is not started: `await dp.start()` before replaying dead letters.')
  }

  /** @throws {DeadLetterUnavailable} where the handler is bound no more. */
  #handlerOf({ id, handler: name }: StoredLetter): Handler {
    const handler = this.#engine.handlers.get(name)
    if (handler !== undefined) return handler
    throw new DeadLetterUnavailable(
      `The dead letter '${id}' is of ${name}, which is not bound. Discard it, or bind that.`,
    )
  }

  /** Another replay, or its end, may have come before. */
  #replayIfThere(id: string): Promise<Outcome[]>[] {
    const letter = this.#store.get(id)
    return letter === undefined || letter.isReplaying ? [] : [this.#replay(letter, this.#handlerOf(letter))]
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
