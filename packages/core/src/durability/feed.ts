import { Delivery, type Waiter } from '../engine/delivery.ts'
import type { Engine } from '../engine/engine.ts'
import type { Failures } from '../engine/failures.ts'
import type { Handler } from '../engine/handler.ts'
import type { Keeper, Kept } from '../engine/kept.ts'
import { CodecError, LaneParked } from '../errors.ts'
import { AHEAD } from '../ports/progress.ts'
import type { Observer } from '../observe.ts'
import type { Lack } from '../ports/share.ts'
import type { Claim, OpenStore, Subscription, TypeRange } from '../ports/store.ts'
import type { Causing } from '../engine/caused.ts'
import { DeadHeads } from './dead-heads.ts'
import type { Journal } from './journal.ts'
import { Keeping } from './keeping.ts'
import type { LogReader, ReadMessage, Reading } from './log-reader.ts'
import { maxDepthExceeded } from '../engine/max-depth.ts'
import { Refill } from './refill.ts'
import { SetAside } from './set-aside.ts'
import type { StoredLetters } from './stored-letters.ts'
import type { Suspects } from './suspects.ts'
import { hasWaited, UnknownMessages, withoutWaiting } from './unknown-messages.ts'
import { OF_ONE_KEY, Window } from './window.ts'

const none: readonly TypeRange[] = []

/** What a feed works with. */
export interface FeedParts {
  readonly handler: Handler
  readonly claim: Claim
  /** What this node knows of it. */
  readonly subscription: Subscription
  readonly store: OpenStore
  readonly journal: Journal
  readonly engine: Engine
  readonly observer: Observer
  readonly reader: LogReader
  readonly suspects: Suspects
  readonly causing: Causing
  readonly letters: StoredLetters
  readonly maxDepth: number
  /** How many messages may be in memory at a time. */
  readonly readAhead: number
  /** How many messages may be set aside, retrying, or dead in their lanes, before nothing more is read. */
  readonly scanAhead: number
  /** Whoever waits for what becomes of a message, by its id. */
  readonly waiters: ReadonlyMap<string, Waiter>
  /** To be called with what this node does not know, and another one may. */
  readonly lacks: (lack: Lack) => void
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
  readonly dead: DeadHeads
  /** How many wait for their next attempt, by their weight: they do so in memory. */
  retrying = 0
  isOpen = true
  /** To be called, while it is brought to rest, when the attempt of one of its deliveries has ended. */
  whenOneEnds: (() => void) | undefined
  /** Up to where the log has been offered to it. */
  readPosition: number
  readonly keeper: Keeper
  readonly refill: Refill
  /** Which messages are its, as the claim has said last; and the same by type. */
  #takes: readonly TypeRange[] = none
  #taken: ReadonlyMap<string, readonly TypeRange[]> = new Map()
  readonly #unknown: UnknownMessages
  #isFull = false
  /** Whether the cursor has to wait for what is being committed. */
  #awaitsCommit = false

  constructor(parts: FeedParts) {
    this.parts = parts
    this.window = new Window(parts.readAhead, parts.reader.wake)
    this.keeper = new Keeping(this)
    this.refill = new Refill(this)
    this.dead = new DeadHeads(this)
    this.#unknown = new UnknownMessages(parts)
    const { progress } = parts.journal
    this.readPosition = parts.claim.isClean ? progress.cursor : progress.reach
  }

  /** Whether it is brought to rest, for another node to go on with. */
  get isLeaving(): boolean {
    return this.whenOneEnds !== undefined
  }

  get partition(): number {
    return this.parts.claim.partition
  }

  get room(): number {
    if (!this.isOpen || this.#awaitsCommit) return 0
    this.#isFull = this.aside.size + this.retrying + this.dead.size >= this.parts.scanAhead
    return this.#isFull ? 0 : this.window.room
  }

  /** Something that the cursor had passed is finished: there may be room again. */
  lessAside(): void {
    if (!this.#isFull) return
    this.#isFull = false
    this.parts.reader.wake()
  }

  /** Something that was being committed is stored, or has failed. */
  committed(): void {
    if (!this.#awaitsCommit) return
    this.#awaitsCommit = false
    this.parts.reader.wake()
  }

  offer(messages: readonly ReadMessage[]): void {
    const { journal } = this.parts
    const taken: { readonly message: ReadMessage; readonly kept: Kept }[] = []
    for (const message of messages) {
      const { position, key } = message.stored
      if (position <= this.readPosition) continue
      if (this.room === 0 || !this.#skipTo(position)) break
      if (!this.takes(message.stored) || journal.progress.isFinished(position)) {
        journal.pass([position, position])
        continue
      }
      journal.reach(position)
      if (key !== undefined && this.#isCrowded(key)) {
        this.putAside(key, position, this.#whenParked(message))
        if (this.#isParked(key)) this.#sayParked(message)
        continue
      }
      const kept: Kept = { keeper: this.keeper, position, stored: message.stored, isException: false }
      this.window.enter(key, kept)
      taken.push({ message, kept })
    }
    if (taken.length === 0) return
    journal.whenWritten(() => {
      for (const { message, kept } of taken) this.submit(this.deliveryOf(message, kept))
      this.parts.engine.pump()
    })
  }

  /** A message that waits or runs takes its place. */
  submit(delivery: Delivery): void {
    if (this.isOpen) this.parts.engine.submit(delivery)
  }

  takes({ type, position }: { readonly type: string; readonly position: number }): boolean {
    for (const { after, upTo } of this.#rangesOf(type)) {
      if (position > after && (upTo === undefined || position <= upTo)) return true
    }
    return false
  }

  #rangesOf(type: string): readonly TypeRange[] {
    const { takes } = this.parts.claim
    if (takes !== this.#takes) {
      this.#takes = takes
      this.#taken = Map.groupBy(takes, (range) => range.type)
    }
    return this.#taken.get(type) ?? none
  }

  /** @param failures what has gone wrong with it so far. */
  deliveryOf(message: ReadMessage, kept: Kept, failures?: Failures): Delivery {
    const { handler, waiters, maxDepth } = this.parts
    const { envelope, fault, stored } = message
    // Mostly nobody waits for anything, and to look for an id takes as long as for its hash to be made.
    const waiter = waiters.size === 0 ? undefined : waiters.get(stored.id)
    const delivery = new Delivery(handler, envelope.message, envelope, waiter)
    delivery.rest = { kept }
    const reason = fault ?? this.unfit(stored.type)
    this.refuse(kept, reason)
    if (reason !== undefined) kept.waitMs = this.#unknown.waitMs(stored, reason)
    if (failures !== undefined) delivery.rest.failures = this.#past(kept, failures)
    if (kept.isUnreadable || envelope.cause === undefined) return delivery
    const tooDeep = maxDepthExceeded(delivery, maxDepth)
    if (tooDeep !== undefined) delivery.rest.fault = tooDeep
    return delivery
  }

  /** It fails with this when its turn comes, and its handler is not called. No other attempt would help. */
  refuse(kept: Kept, fault: Error | undefined): void {
    if (fault === undefined) return
    kept.fault = fault
    kept.isUnreadable = true
  }

  /** What has gone wrong so far, which is nothing where it has only waited for this node. */
  #past(kept: Kept, failures: Failures): Failures {
    if (!hasWaited(failures)) return failures
    if (!kept.isUnreadable) return withoutWaiting(failures)
    kept.waitMs = undefined
    return failures
  }

  /** The fault of a message of a type that its handler is not bound to: not any more, or on other nodes only. */
  unfit(type: string): Error | undefined {
    const { handler, subscription } = this.parts
    if (subscription.types.includes(type)) return undefined
    const isTaken = this.#rangesOf(type).some(({ upTo }) => upTo === undefined)
    const text = isTaken
      ? `${handler.name} is bound to '${type}' on other nodes, and not here. Update this program first.`
      : `${handler.name} is not bound to '${type}' any more. Bind it again and replay, or discard.`
    return new CodecError(isTaken ? 'UNKNOWN_TYPE' : 'TYPE_REMOVED', text)
  }

  /** It waits in the store, behind others of its key. */
  putAside(key: string, position: number, whenParked?: () => void): void {
    this.parts.journal.except({ position, key, state: 'aside', dueAt: undefined, note: undefined })
    this.aside.add(key, { position, state: 'aside', note: undefined, whenParked })
  }

  /** A lane is held by a dead delivery now: whoever waits for what is set aside behind it is told so. */
  parked(key: string): void {
    for (const { whenParked } of this.aside.of(key)) whenParked?.()
  }

  /** Whether a lane is held, by one that waits for its next attempt or is dead. */
  isHeld(key: string): boolean {
    const head = this.parts.handler.lanes.of(key)?.head.state
    return head === 'retrying' || head === 'dead'
  }

  #isParked(key: string): boolean {
    return this.parts.handler.lanes.of(key)?.head.state === 'dead'
  }

  /** What tells whoever waits for a message that it is parked; nothing where nobody does. */
  #whenParked(message: ReadMessage): (() => void) | undefined {
    const { handler, waiters } = this.parts
    const { id, key } = message.stored
    const waiter = waiters.get(id)
    if (waiter === undefined) return undefined
    return () => {
      const delivery = new Delivery(handler, message.envelope.message, message.envelope, waiter)
      waiter.failed(new LaneParked(handler.name, key), 'parked', delivery)
    }
  }

  #sayParked(message: ReadMessage): void {
    this.#whenParked(message)?.()
    this.parts.observer.say('parked', { envelope: message.envelope, handler: this.parts.handler.name })
  }

  #isCrowded(key: string): boolean {
    return this.isHeld(key) || this.aside.has(key) || this.refill.isUnderWay(key) || this.window.of(key) >= OF_ONE_KEY
  }

  /** What is between is there no more. Tells whether it came so far. */
  #skipTo(position: number): boolean {
    while (this.readPosition + 1 < position) {
      const from = this.readPosition + 1
      const to = Math.min(position - 1, from + AHEAD / 2)
      if (!this.#makeWay(to)) return false
      this.parts.journal.pass([from, to])
      this.readPosition = to
    }
    if (!this.#makeWay(position)) return false
    this.readPosition = position
    return true
  }

  /**
   * Has the cursor pass what has been running for long, so that it is never too far behind. What is being committed it cannot
   * pass: an exception that was written after the commit would have it run again. Tells whether it could.
   */
  #makeWay(to: number): boolean {
    const { journal } = this.parts
    while (to - journal.progress.cursor > AHEAD) {
      const position = journal.progress.cursor + 1
      const { kept, key } = this.window.at(position) as { readonly kept: Kept; readonly key: string | undefined }
      if (kept.isCommitting) {
        this.#awaitsCommit = true
        return false
      }
      journal.except({ position, key, state: 'started', dueAt: undefined, note: undefined })
      kept.isException = true
      this.window.becameException(position)
    }
    return true
  }
}
