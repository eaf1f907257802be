import type { Kept } from '../engine/kept.ts'
import { asError } from '../errors.ts'
import type { Feed } from './feed.ts'
import type { ReadMessage } from './log-reader.ts'
import type { AsideEntry } from './set-aside.ts'
import { storeBackoffMs } from '../time/store-backoff.ts'
import { failuresOf } from './stored-failures.ts'
import { ProcessCrashed } from '../store-errors.ts'
import { OF_ONE_KEY } from './window.ts'

/** Reads again what a feed has set aside, when its lane is free; what is suspect, one at a time. */
export class Refill {
  readonly #feed: Feed
  readonly #underWay = new Set<string>()

  constructor(feed: Feed) {
    this.#feed = feed
  }

  /** Whether nothing is being read again. */
  get isIdle(): boolean {
    return this.#underWay.size === 0
  }

  /** Whether something of a key is being read again: nothing may overtake it. */
  isUnderWay(key: string): boolean {
    return this.#underWay.has(key)
  }

  /** Whatever is set aside of this key has its turn, as far as there is room. */
  key(key: string): void {
    const feed = this.#feed
    const { aside, window } = feed
    const first = aside.first(key)
    if (first === undefined || !feed.isOpen || this.#underWay.has(key) || feed.isHeld(key)) return
    const inMemory = window.of(key)
    if (inMemory > OF_ONE_KEY / 2) return
    this.#underWay.add(key)
    const whenDone = (): void => {
      this.#underWay.delete(key)
      this.key(key)
    }
    if (first.state !== 'aside') {
      aside.shift(key)
      this.alone(key, first, whenDone)
      return
    }
    const positions: number[] = []
    while (positions.length + inMemory < OF_ONE_KEY && aside.first(key)?.state === 'aside') {
      positions.push((aside.shift(key) as AsideEntry).position)
    }
    void this.#readAgain(key, positions).then(whenDone)
  }

  /** Everything that is set aside, and can go on. */
  all(): void {
    for (const key of this.#feed.aside.keys) this.key(key)
  }

  /** Runs what is suspect when no other suspect does. */
  alone(key: string | undefined, entry: AsideEntry, whenLeft: () => void = () => {}): void {
    this.#feed.parts.suspects.add(this.#feed, (ended) => {
      void this.#runAlone(key, entry, () => {
        ended()
        whenLeft()
      })
    })
  }

  async #readAgain(key: string, positions: readonly number[]): Promise<void> {
    const feed = this.#feed
    const { journal, engine } = feed.parts
    const messages = await this.#at(positions)
    if (!feed.isOpen) return
    const started = messages.map((message) => {
      const { position } = message.stored
      const kept: Kept = { keeper: feed.keeper, position, stored: message.stored, isException: true }
      feed.window.enter(key, kept)
      journal.except({ position, key, state: 'started', dueAt: undefined, note: undefined })
      return { message, kept }
    })
    const found = new Set(messages.map(({ stored }) => stored.position))
    for (const position of positions) if (!found.has(position)) journal.clear(position) // It was erased.
    await new Promise<void>((resolve) => journal.whenWritten(resolve))
    for (const { message, kept } of started) feed.submit(feed.deliveryOf(message, kept))
    engine.pump()
    feed.lessAside()
  }

  /** One that has crashed the process, alone, has failed by that. */
  async #runAlone(key: string | undefined, { position, state, note }: AsideEntry, whenLeft: () => void): Promise<void> {
    const feed = this.#feed
    const { journal, engine, handler } = feed.parts
    const [message] = await this.#at([position])
    if (!feed.isOpen) return
    if (message === undefined) {
      journal.clear(position)
      return whenLeft()
    }
    const kept: Kept = { keeper: feed.keeper, position, stored: message.stored, isException: true, whenLeft }
    feed.window.enter(key, kept)
    const delivery = feed.deliveryOf(message, kept, note === undefined ? undefined : failuresOf(note))
    if (state === 'alone') kept.fault ??= new ProcessCrashed(handler.name, message.stored.type)
    else {
      // Behind somebody else in its lane, a replay say, it is not what runs.
      const isFree = key === undefined || handler.lanes.of(key) === undefined
      journal.except({ position, key, state: isFree ? 'alone' : 'started', dueAt: undefined, note })
    }
    journal.whenWritten(() => {
      feed.submit(delivery)
      engine.pump()
    })
  }

  /** Tries until the store can. */
  async #at(positions: readonly number[]): Promise<ReadMessage[]> {
    const { reader, observer, store, engine, handler } = this.#feed.parts
    for (let failures = 1; ; failures += 1) {
      try {
        return await reader.at(this.#feed.partition, positions)
      } catch (thrown) {
        if (!this.#feed.isOpen) return []
        const error = asError(thrown)
        const delayMs = storeBackoffMs(failures)
        observer.say('storeFailed', { store: store.name, handler: handler.name, error, delayMs })
        await new Promise<void>((resolve) => engine.deadlines.after(delayMs, resolve))
      }
    }
  }
}
