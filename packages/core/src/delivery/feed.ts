import { Delivery, type Waiter } from '../engine/delivery.ts'
import type { Engine } from '../engine/engine.ts'
import { Failures } from '../engine/failures.ts'
import type { Handler } from '../engine/handler.ts'
import type { Keeper, Kept } from '../engine/kept.ts'
import { CodecError } from '../errors.ts'
import type { Envelope } from '../message/envelope.ts'
import { AHEAD } from '../ports/progress.ts'
import type { Observer } from '../observe.ts'
import type { Claim, LoggedMessage, OpenStore, StoredDeadLetter } from '../ports/store.ts'
import type { Causing } from './caused.ts'
import type { Journal } from './journal.ts'
import { Keeping } from './keeping.ts'
import type { LogReader, ReadMessage, Reading } from './log-reader.ts'
import { maxDepthExceeded } from './max-depth.ts'
import { Refill } from './refill.ts'
import { SetAside } from './set-aside.ts'
import { attemptsOf } from './stored-failures.ts'
import type { StoredLetters } from './stored-letters.ts'
import type { Suspects } from './suspects.ts'
import { OF_ONE_KEY, Window } from './window.ts'

/** What a feed works with. */
export interface FeedParts {
  readonly handler: Handler
  readonly claim: Claim
  readonly store: OpenStore
  readonly journal: Journal
  readonly engine: Engine
  readonly observer: Observer
  readonly reader: LogReader
  readonly suspects: Suspects
  readonly causing: Causing
  readonly letters: StoredLetters
  readonly maxDepth: number
  /** How many messages may be set aside, retrying, or dead in their lanes, before nothing more is read. */
  readonly scanAhead: number
  /** Whoever waits for what becomes of a message, by its id. */
  readonly waiters: ReadonlyMap<string, Waiter>
}

/**
 * Feeds one handler from one partition of the log.
 *
 * A message is read, then it is written that it may start, then it takes its place in its lane: so after a crash it is known
 * what may have been started. What is behind a held or crowded lane is set aside: the cursor passes it, and it is read again
 * when its lane is free ({@link Refill}). So there are never more than some hundred messages in memory, and other keys flow.
 * What becomes of them, {@link Keeping} writes down.
 */
export class Feed implements Reading {
  readonly parts: FeedParts
  readonly window: Window
  readonly aside: SetAside = new SetAside()
  /** By the ids of their letters: the dead deliveries that hold their lanes. */
  readonly dead: Map<string, Delivery> = new Map()
  /** How many wait for their next attempt. */
  retrying = 0
  isOpen = true
  /** Up to where the log has been offered to it. */
  readPosition: number
  readonly keeper: Keeper
  readonly refill: Refill
  /** Positions whose deliveries are being committed. */
  readonly #committing = new Set<number>()
  #waitsForCommit = false
  #isFull = false

  constructor(parts: FeedParts) {
    this.parts = parts
    this.window = new Window(parts.reader.wake)
    this.keeper = new Keeping(this)
    this.refill = new Refill(this)
    const { progress } = parts.journal
    this.readPosition = parts.claim.isClean ? progress.cursor : progress.reach
  }

  get partition(): number {
    return this.parts.claim.partition
  }

  get room(): number {
    if (!this.isOpen || this.#waitsForCommit) return 0
    this.#isFull = this.aside.size + this.retrying + this.dead.size >= this.parts.scanAhead
    return this.#isFull ? 0 : this.window.room
  }

  /** Something that the cursor had passed is finished: there may be room again. */
  lessAside(): void {
    if (!this.#isFull) return
    this.#isFull = false
    this.parts.reader.wake()
  }

  offer(messages: readonly ReadMessage[]): void {
    const { journal } = this.parts
    const taken: { readonly message: ReadMessage; readonly kept: Kept }[] = []
    for (const message of messages) {
      const { position, key } = message.stored
      if (position <= this.readPosition) continue
      if (this.room === 0 || this.#isHeldBack(position)) break
      this.#skipTo(position)
      if (!this.takes(message.stored) || journal.progress.isFinished(position)) {
        journal.pass([position, position])
        continue
      }
      journal.reach(position)
      if (key !== undefined && this.#isCrowded(key)) {
        this.putAside(key, position)
        continue
      }
      const kept: Kept = { keeper: this.keeper, position, isException: false }
      this.window.enter(key, kept)
      taken.push({ message, kept })
    }
    if (taken.length === 0) return
    journal.whenWritten(() => {
      for (const { message, kept } of taken) this.submit(this.deliveryOf(message, kept))
      this.parts.engine.pump()
    })
  }

  /** Until that ends it is nothing else: an exception written behind it would have it run again. */
  beginCommit(position: number): void {
    this.#committing.add(position)
  }

  endCommit(position: number): void {
    this.#committing.delete(position)
    if (!this.#waitsForCommit) return
    this.#waitsForCommit = false
    this.parts.reader.wake()
  }

  /** A message that waits or runs takes its place. */
  submit(delivery: Delivery): void {
    if (this.isOpen) this.parts.engine.submit(delivery)
  }

  takes({ type, position }: { readonly type: string; readonly position: number }): boolean {
    return this.parts.claim.takes.some(
      (range) => range.type === type && position > range.after && (range.upTo === undefined || position <= range.upTo),
    )
  }

  deliveryOf(message: ReadMessage, kept: Kept): Delivery {
    const { handler, waiters, maxDepth } = this.parts
    const { envelope, fault, stored } = message
    const delivery = new Delivery(handler, envelope.message, envelope, waiters.get(stored.id))
    delivery.rest = { kept }
    const unfit = fault ?? this.#unfit(stored)
    if (unfit !== undefined) {
      kept.fault = unfit
      kept.isUnreadable = true
    }
    const tooDeep = envelope.cause === undefined ? undefined : maxDepthExceeded(delivery, maxDepth)
    if (tooDeep !== undefined) delivery.rest.fault = tooDeep
    return delivery
  }

  /** It waits in the store, behind others of its key. */
  putAside(key: string, position: number): void {
    this.parts.journal.except({ position, key, state: 'aside', dueAt: undefined, note: undefined })
    this.aside.add(key, { position, state: 'aside', note: undefined })
  }

  /** Runs a dead letter once more: in the place that it holds, or as the next of its key. Its letter says that it does. */
  replay(
    letter: StoredDeadLetter,
    envelope: Envelope,
    of: { readonly waiter?: Waiter; readonly whenLeft?: () => void },
  ): void {
    const { handler, engine } = this.parts
    const dead = this.dead.get(letter.id)
    // One that ran out of time holds its lane by itself until its handler ends; then the lane goes on, with this one.
    const holds = dead?.state === 'dead'
    if (!holds) this.dead.delete(letter.id)
    const delivery = new Delivery(handler, envelope.message, envelope, of.waiter)
    const position = dead?.rest?.kept?.position
    const { whenLeft } = of
    const kept: Kept = { keeper: this.keeper, position, isException: dead !== undefined, whenLeft }
    delivery.rest = { replays: letter.id, failures: new Failures(attemptsOf(letter.attempts)), kept }
    this.window.enter(delivery.key, kept)
    engine.held.replay(delivery, holds ? dead : undefined)
  }

  /** A dead letter is none any more: if it holds its lane, that goes on. */
  discard(letterId: string): void {
    const dead = this.dead.get(letterId)
    if (dead === undefined) return
    const { engine, journal } = this.parts
    this.dead.delete(letterId)
    journal.clear(dead.rest?.kept?.position as number)
    if (dead.state === 'dead') engine.held.free(dead) // Else its handler, which ran out of time, has it.
    engine.pump()
    if (dead.key !== undefined) this.refill.key(dead.key)
    this.lessAside()
  }

  /** How many messages wait behind a dead letter. */
  parkedBehind(letterId: string): number {
    const key = this.dead.get(letterId)?.key
    return key === undefined ? 0 : this.aside.count(key)
  }

  /** Takes what waits behind a dead letter out of the store, as if it was done. Gives how many. */
  dropBehind(letterId: string): number {
    const key = this.dead.get(letterId)?.key
    let dropped = 0
    if (key === undefined) return dropped
    for (let entry = this.aside.shift(key); entry !== undefined; entry = this.aside.shift(key)) {
      this.parts.journal.clear(entry.position)
      dropped += 1
    }
    return dropped
  }

  /** Lets go of the lanes that dead deliveries hold: they hold them in the store. */
  letGo(): void {
    for (const dead of this.dead.values()) if (dead.state === 'dead') this.parts.engine.held.free(dead)
    this.dead.clear()
  }

  /** Whether a lane is held, by one that waits for its next attempt or is dead. */
  isHeld(key: string): boolean {
    const head = this.parts.handler.lanes.of(key)?.head.state
    return head === 'retrying' || head === 'dead'
  }

  #isCrowded(key: string): boolean {
    return this.isHeld(key) || this.aside.has(key) || this.refill.isUnderWay(key) || this.window.of(key) >= OF_ONE_KEY
  }

  /** The fault of a message of a type that its handler was bound to once, and is no more. */
  #unfit({ type, position }: LoggedMessage): Error | undefined {
    const isTaken = this.parts.claim.takes.some(
      (range) => range.type === type && range.upTo === undefined && position > range.after,
    )
    if (isTaken) return undefined
    const text = `${this.parts.handler.name} is not bound to '${type}' any more. Bind it again and replay, or discard.`
    return new CodecError('TYPE_REMOVED', text)
  }

  /** Whether way would have to be made where something is being committed. */
  #isHeldBack(position: number): boolean {
    const first = position - AHEAD
    if (this.parts.journal.progress.cursor >= first) return false
    this.#waitsForCommit = [...this.#committing].some((committing) => committing <= first)
    return this.#waitsForCommit
  }

  /** What is between is there no more. */
  #skipTo(position: number): void {
    for (let from = this.readPosition + 1; from < position;) {
      const to = Math.min(position - 1, from + AHEAD / 2)
      this.#makeWay(to)
      this.parts.journal.pass([from, to])
      from = to + 1
    }
    this.#makeWay(position)
    this.readPosition = position
  }

  /** Has the cursor pass what has been running for long, so that it is never too far behind. */
  #makeWay(to: number): void {
    const { journal } = this.parts
    while (to - journal.progress.cursor > AHEAD) {
      const position = journal.progress.cursor + 1
      const { kept, key } = this.window.at(position) as { readonly kept: Kept; readonly key: string | undefined }
      journal.except({ position, key, state: 'started', dueAt: undefined, note: undefined })
      kept.isException = true
      this.window.becameException(position)
    }
  }
}
