import type { Engine } from '../engine/engine.ts'
import type { Outcome } from '../engine/outcome.ts'
import { DeadLetterUnavailable, InvalidMessage, InvalidOption, NotAccepting, shown } from '../errors.ts'
import { checkOf } from '../message/contract.ts'
import type { Envelope } from '../message/envelope.ts'
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
import type { DeadLetter, DeadLetterFilter, DeadLetterPage } from '../ports/dead-letters.ts'
import type { Awaitable } from '../routing/providers.ts'
import { checkEdit, checkFilter, checkWhich, type DeadLetterQuery, type Edit } from './dead-letter-query.ts'
import { beingReplayed, type LetterBox } from '../durability/letter-box.ts'
import { LettersInMemory } from './letters-in-memory.ts'
import type { LettersInStore } from '../durability/letters-in-store.ts'

type Message = object | string
type Editing<M extends Message> = (letter: DeadLetter<M>) => Awaitable<Edit<M>>

/** In front of a cursor: the page goes on in the store. */
const IN_STORE = 's'

/**
 * The deliveries that failed for good: `dp.deadLetters`. Each is kept until it has been replayed with success, or is
 * discarded: those of durable handlers in the store, all others in memory, as many as `deadLetterCapacity`.
 */
export class DeadLetters {
  /** Those of durable handlers, while the store is open. */
  #inStore: LettersInStore | undefined = undefined
  #isStoreClosed: boolean
  readonly #inMemory: LettersInMemory
  readonly #engine: Engine
  readonly #observer: Observer

  /** @param of.hasStore whether there will be some in a store, once that is open. */
  constructor(engine: Engine, { observer, hasStore }: { readonly observer: Observer; readonly hasStore: boolean }) {
    this.#isStoreClosed = hasStore
    this.#inMemory = new LettersInMemory(engine, observer)
    this.#engine = engine
    this.#observer = observer
  }

  /**
   * The dead letters that match, the oldest death first, a page at a time: those in memory, then those in the store.
   * @throws {InvalidOption} as a rejection.
   */
  async list(query: DeadLetterQuery = {}): Promise<DeadLetterPage> {
    checkObject('deadLetters.list()', query)
    const { limit = 100, after, ...filter } = query
    checkFilter('deadLetters.list()', filter)
    checkCount('limit', limit)
    if (after !== undefined && !/^s?\d*$/.test(after)) {
      throw new InvalidOption(`after is ${shown(after)}. Pass the 'next' of the page before.`)
    }
    const isInStore = after?.startsWith(IN_STORE) === true
    const page = isInStore ? nothing : this.#inMemory.list(filter, { after, limit })
    const inStore = this.#stored
    if (inStore === undefined || page.next !== undefined) return page
    const from = isInStore ? after.slice(IN_STORE.length) || undefined : undefined
    if (page.letters.length === limit) {
      const { letters } = await inStore.list(filter, { after: undefined, limit: 1 })
      return letters.length === 0 ? page : { ...page, next: IN_STORE }
    }
    const rest = await inStore.list(filter, { after: from, limit: limit - page.letters.length })
    const next = rest.next === undefined ? undefined : `${IN_STORE}${rest.next}`
    return { letters: [...page.letters, ...rest.letters], next }
  }

  /** The dead letter with this id, if there is one. */
  async get(id: string): Promise<DeadLetter | undefined> {
    return this.#inMemory.get(id) ?? (await this.#stored?.get(id))
  }

  /**
   * Runs the dead letter with this id again, or all that match, the oldest death first: with all attempts anew, and with
   * `context.replayed`. One whose later messages are parked behind it runs in its place, and they follow when it succeeds;
   * any other runs as the next of its key. It is there until it has succeeded; if it fails, it has a new cause. Where several
   * nodes share a store, the one that works for its key runs it; then nobody can wait for what becomes of it elsewhere.
   *
   * @returns how many; with `waitForResponse`, what became of each.
   * @throws {DeadLetterUnavailable | NotAccepting | InvalidOption} as a rejection. Those of a filter that are being replayed
   *   already are passed over.
   */
  replay(which: string | DeadLetterFilter, options: Waiting): Promise<Outcome[]>
  replay(which: string | DeadLetterFilter, options?: NotWaiting): Promise<number>
  async replay(which: string | DeadLetterFilter, options: PerhapsWaiting = {}): Promise<number | Outcome[]> {
    checkWhich('deadLetters.replay()', which)
    checkNames('deadLetters.replay()', options, ['waitForResponse'])
    const inStore = this.#stored
    const outcomes = this.#inMemory.replay(which, () => this.#checkAccepting())
    if (inStore !== undefined && (typeof which !== 'string' || outcomes.length === 0)) {
      this.#checkAccepting()
      outcomes.push(...(await inStore.replay(which, { isAwaited: options.waitForResponse === true })))
    }
    if (typeof which === 'string' && outcomes.length === 0) throw unknown(which)
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
    checkWhich('deadLetters.editAndReplay()', id)
    if (typeof edit !== 'function')
      throw new InvalidOption(`edit is ${shown(edit)}. Pass a function that gives { message }.`)
    const box: LetterBox | undefined = this.#inMemory.get(id) === undefined ? this.#stored : this.#inMemory
    const letter = await box?.get(id)
    if (box === undefined || letter === undefined) throw unknown(id)
    if (letter.isReplaying) throw beingReplayed(id)
    const edited: unknown = await edit(letter as DeadLetter<never>)
    checkEdit(edited)
    checkNames('deadLetters.editAndReplay()', options, ['waitForResponse'])
    const envelope = editedEnvelope(letter, edited)
    this.#checkAccepting()
    const outcome = await box.replayEdited(id, envelope) // It may have gone meanwhile, or have failed again.
    if (options.waitForResponse) return (await outcome[0])?.[0]
  }

  /**
   * Gives up the dead letter with this id, or all that match. What is parked behind it goes on.
   * @returns how many.
   * @throws {DeadLetterUnavailable | InvalidOption} as a rejection.
   */
  async discard(which: string | DeadLetterFilter): Promise<number> {
    checkWhich('deadLetters.discard()', which)
    const stored = this.#stored
    const inMemory = this.#inMemory.discard(which)
    if (typeof which === 'string' && inMemory > 0) return inMemory
    const inStore = (await stored?.discard(which)) ?? 0
    if (typeof which === 'string' && inStore === 0) throw unknown(which)
    return inMemory + inStore
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
    const stored = this.#stored
    const inMemory = this.#inMemory.erase(key)
    const inStore = (await stored?.erase(key)) ?? { letters: 0, parked: 0 }
    const letters = inMemory.letters + inStore.letters
    const parked = inMemory.parked + inStore.parked
    if (letters > 0) this.#observer.say('erased', { letters, parked })
    this.#engine.pump()
    return letters + parked
  }

  /** The store is open, and these are in it; or it is not any more. */
  set inStore(letters: LettersInStore | undefined) {
    if (letters !== undefined) this.#isStoreClosed = false
    else if (this.#inStore !== undefined) this.#isStoreClosed = true
    this.#inStore = letters
  }

  /** @throws {NotAccepting} where there is a store, and it is not open: nobody knows what is in it. */
  get #stored(): LettersInStore | undefined {
    if (!this.#isStoreClosed) return this.#inStore
    throw new NotAccepting('The store is not open: `await dp.start()` before looking at dead letters.')
  }

  #checkAccepting(): void {
    if (!this.#engine.stopping) return
    throw new NotAccepting('The dispatcher is not started: `await dp.start()` before replaying dead letters.')
  }
}

const nothing: DeadLetterPage = { letters: [], next: undefined }

function unknown(id: string): DeadLetterUnavailable {
  return new DeadLetterUnavailable(`There is no dead letter with the id ${shown(id)}. See dp.deadLetters.list().`)
}

function editedEnvelope(letter: DeadLetter, { message, headers = letter.envelope.headers }: Edit): Envelope {
  checkMessageOptions({ headers })
  const messageType = messageTypeOf(message)
  const type = typeName(messageType)
  if (type !== letter.envelope.type) {
    const text = `The dead letter is of '${letter.envelope.type}', and was edited to be '${type}'. Give a message of its type.`
    throw new InvalidMessage(text)
  }
  if (typeof message === 'object') checkOf(messageType)?.(message)
  return letter.envelope.with({ message, headers: Object.freeze({ ...headers }) })
}
