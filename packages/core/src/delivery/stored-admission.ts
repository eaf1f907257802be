import type { Census } from '../engine/census.ts'
import type { Waiter } from '../engine/delivery.ts'
import type { Handler } from '../engine/handler.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Dispatch } from '../engine/outlet.ts'
import { asError, InvalidOption } from '../errors.ts'
import type { Envelope } from '../message/envelope.ts'
import { channels, type Observer } from '../observe.ts'
import type { NewMessage } from '../ports/store.ts'
import type { Route } from '../routing/handler-map.ts'
import type { Capacity } from './capacity.ts'
import { Join } from '../engine/join.ts'
import { durableNames, type Persistence } from '../durability/persistence.ts'

const { accepted } = channels

/** What it works with. */
export interface StoredAdmissionParts {
  readonly observer: Observer
  readonly census: Census
  readonly capacity: Capacity
  /** Has a message run by the handlers of its route, in memory. */
  readonly deliver: (dispatch: Dispatch, waiter?: Waiter) => void
}

/** Where messages enter whose handlers are durable: they are stored, and then they are accepted. */
export class StoredAdmission {
  readonly #persistence: Persistence
  readonly #observer: Observer
  readonly #deliver: StoredAdmissionParts['deliver']
  readonly #census: Census
  readonly #capacity: Capacity

  constructor(persistence: Persistence, { observer, deliver, census, capacity }: StoredAdmissionParts) {
    this.#persistence = persistence
    this.#observer = observer
    this.#deliver = deliver
    this.#census = census
    this.#capacity = capacity
  }

  /** Stores a message; with `tx`, as a part of the caller's transaction. */
  tell(dispatch: Dispatch, tx: unknown): Promise<void> {
    const accepting = this.#accepting(dispatch)
    const stored = this.#persistence.stored(accepting.of)
    if (tx !== undefined) {
      const notDurable = dispatch.route.handlers.find(({ isDurable }) => !isDurable)
      if (notDurable !== undefined) {
        throw new InvalidOption(
          `${notDurable.name} is not durable: what is published in a transaction would not reach it. Leave out tx, or have it durable.`,
        )
      }
    }
    return this.#append(accepting, stored, tx)
  }

  /** Stores an event, and waits for what becomes of it at each handler of this process. */
  async publishAndWait(dispatch: Dispatch): Promise<Outcome[]> {
    const { store, waiters, joins } = this.#persistence
    if (store.isShared) {
      const text =
        'Other nodes work on this store too: what becomes of an event is not known here. Leave out waitForResponse.'
      throw new InvalidOption(text)
    }
    const accepting = this.#accepting(dispatch)
    const { id } = accepting.of
    const stored = this.#persistence.stored(accepting.of)
    const join = new Join(dispatch.route.handlers)
    const isFirst = !waiters.has(id) // Of two with one id, the second is not stored.
    if (isFirst) waiters.set(id, join)
    joins.add(join)
    try {
      this.#accept(await this.#counted([stored]), accepting, join)
      return await join.outcomes
    } finally {
      if (isFirst) waiters.delete(id)
      joins.delete(join)
    }
  }

  /** Stores what was caused by a handler that nobody keeps: whatever goes wrong is only a notice. */
  async store(dispatch: Dispatch): Promise<void> {
    const accepting = this.#accepting(dispatch)
    try {
      await this.#append(accepting, this.#persistence.stored(accepting.of))
    } catch (thrown) {
      this.#observer.say('unstored', { envelope: accepting.of, error: asError(thrown) })
    }
  }

  #append(accepting: Accepting, stored: NewMessage, tx?: unknown): Promise<void> {
    const { delays, store } = this.#persistence
    const { delay } = accepting
    const later = delay && delays.take(accepting, delay, tx)
    if (later === undefined) {
      const appended = tx === undefined ? this.#counted([stored]) : store.append([stored], tx)
      return appended.then((given) => this.#accept(given, accepting))
    }
    return later.then((isNew) => this.#acceptLater(isNew, accepting))
  }

  /** It is stored until it is due. For handlers that run in memory, it waits there. */
  #acceptLater(isNew: boolean, accepting: Accepting): void {
    const { route } = accepting
    const handlers = localOf(route)
    if (!isNew || handlers.length === 0) return
    this.#persistence.release({ stored: [], told: [], local: [{ ...accepting, route: { ...route, handlers } }] })
  }

  /** Stores messages; until then they wait, as far as the capacity is concerned. */
  #counted(messages: readonly NewMessage[]): Promise<readonly boolean[]> {
    const census = this.#census
    const appended = this.#persistence.store.append(messages)
    if (this.#capacity.marks.high === Number.POSITIVE_INFINITY) return appended
    census.waiting += 1
    return appended.finally(() => census.fewerWait())
  }

  #accepting(dispatch: Dispatch): Accepting {
    const { message, route, delay } = dispatch
    return { message, route, of: this.#persistence.envelopeOf(dispatch), delay }
  }

  #accept([isNew]: readonly boolean[], accepting: Accepting, join?: Join): void {
    const { of: envelope, route } = accepting
    if (isNew !== true) {
      this.#observer.say('duplicate', { id: envelope.id, type: envelope.type })
      join?.skip()
      return
    }
    if (accepted.hasSubscribers) this.#observer.say('accepted', { envelope, handlers: durableNames(route) })
    const handlers = localOf(route)
    if (handlers.length > 0) this.#deliver({ ...accepting, route: { ...route, handlers } }, join)
  }
}

/** A message on its way into the store, with its envelope. */
interface Accepting extends Dispatch {
  readonly of: Envelope
}

const none: readonly Handler[] = []

/** The handlers that run in memory. Mostly there are none: then nothing is made for that. */
function localOf({ handlers }: Route<Handler>): readonly Handler[] {
  return handlers.every(({ isDurable }) => isDurable) ? none : handlers.filter(({ isDurable }) => !isDurable)
}
