import { Delivery, type Waiter } from '../engine/delivery.ts'
import { Failures } from '../engine/failures.ts'
import type { Kept } from '../engine/kept.ts'
import type { Envelope } from '../message/envelope.ts'
import type { StoredDeadLetter } from '../ports/store.ts'
import type { Feed } from './feed.ts'
import { Unreadable, unreadable } from './stored-envelope.ts'
import { attemptsOf } from './stored-failures.ts'

/** What a replay goes with. */
export interface Replaying {
  readonly waiter?: Waiter
  /** To be called when it leaves memory. */
  readonly whenLeft?: () => void
  /** Whether its message is another than that of the letter. */
  readonly isEdited?: boolean
}

/** The dead deliveries of a feed that hold their lanes, by the ids of their letters; and what is done to dead letters. */
export class DeadHeads {
  readonly #feed: Feed
  readonly #byLetter = new Map<string, Delivery>()
  /** The ids of the letters that are being replayed here, or are about to be: until it is stored what came of it. */
  readonly replaying: Set<string> = new Set()
  /** The ids of the letters whose replays have ended since somebody began to watch. */
  #ended: Set<string> | undefined

  constructor(feed: Feed) {
    this.#feed = feed
  }

  get size(): number {
    return this.#byLetter.size
  }

  get ids(): readonly string[] {
    return [...this.#byLetter.keys()]
  }

  has(letterId: string): boolean {
    return this.#byLetter.has(letterId)
  }

  add(letterId: string, dead: Delivery): void {
    this.#byLetter.set(letterId, dead)
  }

  /** It is a dead letter no more. */
  remove(letterId: string): void {
    this.#byLetter.delete(letterId)
  }

  /** It is stored what came of a replay. */
  replayEnded(letterId: string): void {
    this.replaying.delete(letterId)
    this.#ended?.add(letterId)
  }

  /** For as long as the store is asked what is being replayed: what ends meanwhile, it may say all the same. */
  watchEnds(): void {
    this.#ended = new Set()
  }

  unwatchEnds(): void {
    this.#ended = undefined
  }

  /** Whether a replay has ended since `watchEnds`. */
  hasEnded(letterId: string): boolean {
    return this.#ended?.has(letterId) === true
  }

  /** Runs a dead letter once more: in the place that it holds, or as the next of its key. Its letter says that it does. */
  replay(letter: StoredDeadLetter, envelope: Envelope, of: Replaying): void {
    const { handler, engine } = this.#feed.parts
    this.replaying.add(letter.id)
    const dead = this.#byLetter.get(letter.id)
    // One that ran out of time holds its lane by itself until its handler ends; then the lane goes on, with this one.
    const holds = dead?.state === 'dead'
    if (!holds) this.#byLetter.delete(letter.id)
    const delivery = new Delivery(handler, envelope.message, envelope, of.waiter)
    const position = dead?.rest?.kept?.position
    const { whenLeft } = of
    const kept: Kept = {
      keeper: this.#feed.keeper,
      position,
      isException: dead !== undefined,
      stored: of.isEdited ? undefined : letter.message,
      whenLeft,
    }
    delivery.rest = { replays: letter.id, failures: new Failures(attemptsOf(letter.attempts)), kept }
    const { message } = envelope
    this.#feed.refuse(kept, message instanceof Unreadable ? unreadable(message) : this.#feed.unfit(envelope.type))
    this.#feed.window.enter(delivery.key, kept)
    engine.held.replay(delivery, holds ? dead : undefined)
  }

  /** A dead letter is none any more: if it holds its lane, that goes on. */
  discard(letterId: string): void {
    const dead = this.#byLetter.get(letterId)
    if (dead === undefined) return
    const { engine, journal } = this.#feed.parts
    this.#byLetter.delete(letterId)
    journal.clear(dead.rest?.kept?.position as number)
    if (dead.state === 'dead') engine.held.free(dead) // Else its handler, which ran out of time, has it.
    engine.pump()
    if (dead.key !== undefined) this.#feed.refill.key(dead.key)
    this.#feed.lessAside()
  }

  /** How many messages wait behind a dead letter. */
  parkedBehind(letterId: string): number {
    const key = this.#parkedKey(letterId)
    return key === undefined ? 0 : this.#feed.aside.count(key)
  }

  /** Takes what waits behind a dead letter out of the store, as if it was done. Gives how many. */
  dropBehind(letterId: string): number {
    const key = this.#parkedKey(letterId)
    let dropped = 0
    if (key === undefined) return dropped
    for (let entry = this.#feed.aside.shift(key); entry !== undefined; entry = this.#feed.aside.shift(key)) {
      this.#feed.parts.journal.clear(entry.position)
      dropped += 1
    }
    return dropped
  }

  /** Lets go of the lanes that dead deliveries hold: they hold them in the store. */
  letGo(): void {
    for (const dead of this.#byLetter.values()) if (dead.state === 'dead') this.#feed.parts.engine.held.free(dead)
    this.#byLetter.clear()
  }

  /** The key that a dead letter has parked: not while its handler, which ran out of time, still runs. */
  #parkedKey(letterId: string): string | undefined {
    const dead = this.#byLetter.get(letterId)
    return dead?.state === 'dead' ? dead.key : undefined
  }
}
