import type { Dispatch } from '../engine/outlet.ts'
import { asError } from '../errors.ts'
import type { Envelope } from '../message/envelope.ts'
import { channels, type Observer } from '../observe.ts'
import type { DelayOptions } from '../options.ts'
import type { Clock } from '../ports/clock.ts'
import type { NewMessage, OpenStore } from '../ports/store.ts'
import { dueAtOf, envelopeOf } from './delays.ts'
import { DueTimer, LOOK_AGAIN_MS } from './due-timer.ts'
import { storeBackoffMs } from './store-backoff.ts'

/** What delays in a store work with. */
export interface StoredDelaysParts {
  readonly store: Pick<OpenStore, 'name' | 'now' | 'append' | 'appendDue' | 'cancel'>
  /** Whether other nodes work on it too: one may be gone that had the timer for what is due next. */
  readonly isShared: boolean
  readonly clock: Clock
  readonly observer: Observer
  /** Writes a message for the store. */
  readonly encode: (envelope: Envelope) => NewMessage
}

/** How many are appended in one transaction. */
const PAGE = 128

/** Delayed messages in a store: it appends them to its log when they are due. They outlive this process. */
export class StoredDelays {
  readonly #parts: StoredDelaysParts
  readonly #timer: DueTimer
  #failures = 0
  #isAppending = false
  /** Whether it was asked to look once more meanwhile. */
  #isWoken = false
  #isClosed = false

  constructor(parts: StoredDelaysParts) {
    this.#parts = parts
    const { clock, store } = parts
    this.#timer = new DueTimer(clock, { now: () => store.now(), run: () => this.wake() })
  }

  /** When it looks again what is due, in milliseconds since 1970; `undefined` where it waits for none. */
  get dueAt(): number | undefined {
    return this.#timer.dueAt
  }

  /**
   * Appends what is due, and finds out when the next is. To be called once at the start; and when a transaction of the caller's
   * own, or another node, may have stored one that is due sooner than all others.
   */
  wake(): void {
    this.#isWoken = true
    if (!this.#isAppending) void this.#appendDue()
  }

  /** Something was stored by others that is due at this time: what a handler caused, with its settlement. */
  expect(dueAt: number): void {
    if (!this.#isClosed) this.#timer.setBy(dueAt)
  }

  /**
   * Stores a message with its delay, unless it is due: then it gives nothing, and the message is to be appended now. Tells
   * whether it is new: one that repeats an id is not stored.
   *
   * @param tx a transaction of the caller's own, that it is to be a part of.
   */
  take(dispatch: Dispatch, delay: DelayOptions, tx?: unknown): Promise<boolean> | undefined {
    const now = this.#parts.store.now()
    const dueAt = dueAtOf(delay, now)
    if (dueAt <= now) return undefined
    return this.#store(envelopeOf(dispatch, this.#parts.clock), { dueAt, tx })
  }

  /** Takes back a message that is not due yet. Tells whether there was one. */
  cancel(id: string): Promise<boolean> {
    return this.#parts.store.cancel(id)
  }

  close(): void {
    this.#isClosed = true
    this.#timer.set(undefined)
  }

  async #store(envelope: Envelope, { dueAt, tx }: { readonly dueAt: number; readonly tx: unknown }): Promise<boolean> {
    const { store, encode, observer } = this.#parts
    const [isNew] = await store.append([{ ...encode(envelope), dueAt }], tx)
    if (isNew !== true) {
      observer.say('duplicate', { id: envelope.id, type: envelope.type })
      return false
    }
    this.expect(dueAt)
    if (channels.delayed.hasSubscribers) observer.say('delayed', { envelope, dueAt: new Date(dueAt) })
    return true
  }

  async #appendDue(): Promise<void> {
    const { store, isShared } = this.#parts
    this.#isAppending = true
    while (this.#isWoken && !this.#isClosed) {
      this.#isWoken = false
      try {
        const next = await store.appendDue(PAGE)
        this.#failures = 0
        if (next !== undefined && next <= store.now()) this.#isWoken = true
        else if (next !== undefined) this.expect(next)
        if (isShared) this.expect(store.now() + LOOK_AGAIN_MS)
      } catch (thrown) {
        this.#failed(asError(thrown))
      }
    }
    this.#isAppending = false
  }

  #failed(error: Error): void {
    if (this.#isClosed) return
    this.#failures += 1
    const { store, observer } = this.#parts
    const delayMs = storeBackoffMs(this.#failures)
    observer.say('storeFailed', { store: store.name, handler: undefined, error, delayMs })
    this.expect(store.now() + delayMs)
  }
}
