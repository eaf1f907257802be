import type { Waiter } from '../engine/delivery.ts'
import type { Outcome } from '../engine/outcome.ts'
import type { Dispatch } from '../engine/outlet.ts'
import { asError, InvalidOption } from '../errors.ts'
import type { Envelope } from '../message/envelope.ts'
import { channels, type Observer } from '../observe.ts'
import type { NewMessage } from '../ports/store.ts'
import { Join } from './join.ts'
import type { Persistence } from './persistence.ts'

const { accepted } = channels

/** Where messages enter whose handlers are durable: they are stored, and then they are accepted. */
export class StoredAdmission {
  readonly #persistence: Persistence
  readonly #observer: Observer
  readonly #deliver: (dispatch: Dispatch, waiter?: Waiter) => void

  /** @param of.deliver has a message run by the handlers of its route, in memory. */
  constructor(
    persistence: Persistence,
    of: { readonly observer: Observer; readonly deliver: (dispatch: Dispatch, waiter?: Waiter) => void },
  ) {
    this.#persistence = persistence
    this.#observer = of.observer
    this.#deliver = of.deliver
  }

  /** Stores a message; with `tx`, as a part of the caller's transaction. */
  tell(dispatch: Dispatch, tx: unknown): Promise<void> {
    const [envelope, stored] = this.#made(dispatch)
    if (tx !== undefined) {
      const notDurable = dispatch.route.handlers.find(({ isDurable }) => !isDurable)
      if (notDurable !== undefined) {
        throw new InvalidOption(
          `${notDurable.name} is not durable: what is published in a transaction would not reach it. Leave out tx, or have it durable.`,
        )
      }
    }
    return this.#append({ ...dispatch, of: envelope }, stored, tx)
  }

  /** Stores an event, and waits for what becomes of it at each handler of this process. */
  async publishAndWait(dispatch: Dispatch): Promise<Outcome[]> {
    const { store, waiters } = this.#persistence
    if (store.isShared) {
      const text =
        'Other nodes work on this store too: what becomes of an event is not known here. Leave out waitForResponse.'
      throw new InvalidOption(text)
    }
    const [envelope, stored] = this.#made(dispatch)
    const join = new Join(dispatch.route.handlers)
    waiters.set(envelope.id, join)
    try {
      await this.#accept(store.append([stored]), { ...dispatch, of: envelope }, join)
      return await join.outcomes
    } finally {
      waiters.delete(envelope.id)
    }
  }

  /** Stores what was caused by a handler that nobody keeps: whatever goes wrong is only a notice. */
  async store(dispatch: Dispatch): Promise<void> {
    const envelope = this.#persistence.envelopeOf(dispatch)
    try {
      const stored = this.#persistence.stored(envelope)
      await this.#append({ ...dispatch, of: envelope }, stored)
    } catch (thrown) {
      this.#observer.say('unstored', { envelope, error: asError(thrown) })
    }
  }

  #append(dispatch: Dispatch & { of: Envelope }, stored: NewMessage, tx?: unknown): Promise<void> {
    const { delays, store } = this.#persistence
    const { delay, route } = dispatch
    const later = delay && delays.take(dispatch, delay, tx)
    if (later === undefined) return this.#accept(store.append([stored], tx), dispatch)
    const handlers = route.handlers.filter(({ isDurable }) => !isDurable)
    if (handlers.length === 0) return later
    return later.then(() =>
      this.#persistence.release({ stored: [], local: [{ ...dispatch, route: { ...route, handlers } }] }),
    )
  }

  #made(dispatch: Dispatch): readonly [Envelope, NewMessage] {
    const envelope = this.#persistence.envelopeOf(dispatch)
    return [envelope, this.#persistence.stored(envelope)]
  }

  async #accept(
    appended: Promise<readonly boolean[]>,
    dispatch: Dispatch & { of: Envelope },
    join?: Join,
  ): Promise<void> {
    const { of: envelope, route } = dispatch
    const [isNew] = await appended
    if (isNew !== true) {
      this.#observer.say('duplicate', { id: envelope.id, type: envelope.type })
      return join?.skip()
    }
    const handlers = route.handlers.filter(({ isDurable }) => !isDurable)
    if (accepted.hasSubscribers)
      this.#observer.say('accepted', { envelope, handlers: route.handlers.map(({ name }) => name) })
    if (handlers.length > 0) this.#deliver({ ...dispatch, route: { ...route, handlers } }, join)
  }
}
