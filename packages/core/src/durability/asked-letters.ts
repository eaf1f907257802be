import type { Deadlines } from '../engine/deadlines.ts'
import { asError } from '../errors.ts'
import type { Observer } from '../observe.ts'
import type { OpenStore, StoredDeadLetter } from '../ports/store.ts'
import { storeBackoffMs } from '../time/store-backoff.ts'
import type { Feed } from './feed.ts'

interface AskedParts {
  readonly store: OpenStore
  readonly observer: Observer
  readonly deadlines: Deadlines
  /** What this node works for: what is being brought back is looked at then. */
  readonly feeds: () => readonly Feed[]
}

/** Does with the dead letters of this node's claims what was asked for elsewhere: they are replayed, or are none any more. */
export class AskedLetters {
  readonly #parts: AskedParts
  #isOpen = false
  #isLooking = false
  /** Whether there may be something to do. */
  #isWanted = false
  #failures = 0

  constructor(parts: AskedParts) {
    this.#parts = parts
  }

  begin(): void {
    this.#isOpen = true
    if (this.#isWanted) this.wake()
  }

  stop(): void {
    this.#isOpen = false
  }

  /** Another node has begun replays, or has removed letters; or this one has, of what is not its own. */
  readonly wake = (): void => {
    this.#isWanted = true
    if (this.#isOpen && !this.#isLooking && this.#failures === 0) void this.#look()
  }

  async #look(): Promise<void> {
    const { store, observer, deadlines } = this.#parts
    this.#isLooking = true
    try {
      while (this.#isWanted && this.#isOpen) {
        this.#isWanted = false
        await this.#removed()
        await this.#replaying()
      }
      this.#failures = 0
    } catch (thrown) {
      this.#isWanted = true
      this.#failures += 1
      const delayMs = storeBackoffMs(this.#failures)
      if (!this.#isOpen) return
      observer.say('storeFailed', { store: store.name, handler: undefined, error: asError(thrown), delayMs })
      deadlines.after(delayMs, () => void this.#look())
    } finally {
      this.#isLooking = false
    }
  }

  /** Lanes go on whose dead letters were discarded. */
  async #removed(): Promise<void> {
    const { store, feeds } = this.#parts
    const asked = feeds().flatMap((feed) => feed.dead.ids.map((id) => ({ feed, id })))
    if (asked.length === 0) return
    // All of them have been stored then.
    for (const { parts } of new Set(asked.map(({ feed }) => feed))) await parts.journal.settled()
    const existing = new Set(await store.deadLetters.existing(asked.map(({ id }) => id)))
    for (const { feed, id } of asked) {
      const { dead } = feed
      // One that is being replayed is removed by what comes of that, and by nobody else.
      if (!existing.has(id) && isWorking(feed) && dead.has(id) && !dead.replaying.has(id)) dead.discard(id)
    }
  }

  async #replaying(): Promise<void> {
    const { store, feeds } = this.#parts
    for (const [subscription, own] of Map.groupBy(feeds(), ({ parts }) => parts.claim.subscription)) {
      for (const { dead } of own) dead.watchEnds()
      try {
        for (const letter of await store.deadLetters.replaying(subscription)) {
          const feed = own.find(({ partition }) => partition === letter.partition)
          if (feed !== undefined) this.#replay(feed, letter)
        }
      } finally {
        for (const { dead } of own) dead.unwatchEnds()
      }
    }
  }

  #replay(feed: Feed, letter: StoredDeadLetter): void {
    if (!isWorking(feed) || feed.dead.replaying.has(letter.id)) return
    if (feed.dead.hasEnded(letter.id)) {
      // It may have been said before its end; or it was asked for once more since.
      this.#isWanted = true
      return
    }
    const { handler, letters } = feed.parts
    const envelope = letters.envelope(letter)
    this.#parts.observer.say('replayed', { envelope, handler: handler.name, letterId: letter.id })
    feed.dead.replay(letter, envelope, {})
  }
}

function isWorking({ isOpen, isLeaving }: Feed): boolean {
  return isOpen && !isLeaving
}
