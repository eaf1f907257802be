import type { Causing } from '../engine/caused.ts'
import type { Engine } from '../engine/engine.ts'
import type { Waiter } from '../engine/delivery.ts'
import { asError, ImproperlyConfigured } from '../errors.ts'
import type { Codec } from '../message/codec.ts'
import type { Observer } from '../observe.ts'
import { SCAN_AHEAD } from '../options.ts'
import type { Claim, OpenStore, Page, StoredDeadLetter } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'
import { ClaimKeeper } from './claim-keeper.ts'
import { Feed } from './feed.ts'
import { bringToRest, GivingBack } from './hand-over.ts'
import { Journal } from './journal.ts'
import { LogReader } from './log-reader.ts'
import { recover } from './recovery.ts'
import type { StoredLetters } from './stored-letters.ts'
import { Suspects } from './suspects.ts'

/** What feeds work with. */
export interface FeedsParts {
  readonly store: OpenStore
  readonly engine: Engine
  readonly observer: Observer
  readonly codec: Codec
  readonly letters: StoredLetters
  readonly causing: Causing
  /** Whoever waits for what becomes of a message, by its id. */
  readonly waiters: ReadonlyMap<string, Waiter>
  readonly maxDepth: number
}

/** The feeds of a node: one for each claim that it has. They come and go with the claims. */
export class Feeds {
  readonly #parts: FeedsParts
  /** By handler and partition. */
  readonly #byName = new Map<string, Feed>()
  readonly #journals = new Set<Journal>()
  readonly #suspects = new Suspects()
  readonly #reader: LogReader
  readonly #keeper: ClaimKeeper
  /** What may be given back in order: claims of which nothing is left from before that is not written. */
  readonly #inOrder = new Set<Claim>()
  readonly #givingBack: GivingBack
  #isPaused = false

  constructor(parts: FeedsParts) {
    const { store, codec, engine, observer } = parts
    const { clock, deadlines } = engine
    this.#parts = parts
    this.#reader = new LogReader({ store, codec, clock, deadlines, observer })
    const take = (claims: readonly Claim[]): Promise<void> => this.#take(claims)
    const handOver = (claim: Claim): void => void this.#handOver(claim)
    const lose = (claim: Claim): void => this.#lose(claim, claimEnded(claim))
    this.#keeper = new ClaimKeeper({ store, deadlines, observer, take, handOver, lose })
    this.#givingBack = new GivingBack({
      store,
      deadlines,
      observer,
      isHeld: (claim) => this.#inOrder.has(claim),
      given: (claim) => this.#forget(claim),
    })
  }

  /** To be called when there may be something new to read. */
  get wake(): () => void {
    return this.#reader.wake
  }

  /** To be called with what was appended here. */
  get appended(): (page: Page) => void {
    return this.#reader.appended
  }

  /** To be called when other nodes have given claims back, have come or gone. */
  get claimsChanged(): () => void {
    return this.#keeper.changed
  }

  /** Brings back what is left from before, and begins to read. */
  async start(): Promise<void> {
    const { store } = this.#parts
    const feeds = (await store.claim()).map((claim) => this.#open(claim))
    for (const { parts } of feeds) if (parts.claim.isClean) this.#inOrder.add(parts.claim)
    let suspects = 0
    for (const feed of feeds) suspects += await this.#bringBack(feed)
    this.#saySuspects(suspects)
    this.#reader.begin()
    this.#keeper.begin(feeds.filter(({ isOpen }) => isOpen).map(({ parts }) => parts.claim))
  }

  /** Where a dead letter came from, if that is run here. */
  of(letter: StoredDeadLetter): Feed | undefined {
    return this.#byName.get(feedName(letter))
  }

  [Symbol.iterator](): Iterator<Feed> {
    return this.#byName.values()
  }

  /** Reads no more, and starts nothing more. */
  pause(): void {
    this.#isPaused = true
    this.#reader.stop()
    this.#keeper.takeNoMore()
    this.#suspects.stop()
    for (const feed of this) feed.isOpen = false
  }

  /** Resolves when all that was said so far is written. */
  async written(): Promise<void> {
    await Promise.allSettled([...this.#journals].map((journal) => journal.idle()))
  }

  /** Lets go of the lanes that dead deliveries hold. */
  letDeadGo(): void {
    for (const feed of this) feed.dead.letGo()
  }

  /** Gives the claims back. */
  release(): Promise<void> {
    this.#keeper.stop()
    return this.#parts.store.release([...this.#inOrder])
  }

  /** Writes no more, whatever is left. */
  giveUp(): void {
    this.#keeper.stop()
    for (const journal of this.#journals) journal.giveUp()
  }

  /** What is left from before comes first, then what is new. Gives how many are suspect. */
  async #bringBack(feed: Feed): Promise<number> {
    const suspects = await recover(feed)
    if (!feed.isOpen) {
      // It was lost meanwhile, or the node stops.
      this.#letGo(feed)
      if (this.#feedOf(feed.parts.claim) === feed) this.#nothingStarted(feed.parts.claim)
      return 0
    }
    this.#inOrder.add(feed.parts.claim)
    this.#reader.add(feed)
    return suspects
  }

  /** Nobody had them any more. */
  async #take(claims: readonly Claim[]): Promise<void> {
    for (const claim of claims) {
      // It may have been this node's own, and not renewed in time.
      const before = this.#byName.get(feedName(claim))
      if (before !== undefined) this.#lose(before.parts.claim, claimEnded(claim))
    }
    let suspects = 0
    for (const claim of claims) {
      if (this.#isPaused) {
        this.#nothingStarted(claim)
        continue
      }
      const feed = this.#open(claim)
      try {
        suspects += await this.#bringBack(feed)
      } catch (thrown) {
        // It is not renewed, and when it has ended somebody takes it anew.
        this.#lose(claim, asError(thrown))
        this.#letGo(feed)
      }
    }
    this.#saySuspects(suspects)
    this.#reader.wake()
  }

  /** Another node should have it: it is given back when what runs has ended. */
  async #handOver(claim: Claim): Promise<void> {
    const feed = this.#feedOf(claim)
    if (feed?.isOpen !== true) return
    const isLost = (): boolean => this.#feedOf(claim) !== feed
    await bringToRest(feed, isLost)
    if (isLost()) return
    this.#remove(feed)
    this.#givingBack.add(claim)
  }

  /** It is given back as it was taken: in order only if it had been so before. */
  #nothingStarted(claim: Claim): void {
    if (claim.isClean) this.#inOrder.add(claim)
  }

  #lose(claim: Claim, error: Error): void {
    const feed = this.#feedOf(claim)
    this.#forget(claim)
    if (feed === undefined) return // It was about to be given back.
    feed.isOpen = false
    this.#remove(feed)
    this.#parts.observer.say('claimLost', { store: this.#parts.store.name, handler: claim.subscription, error })
    feed.parts.journal.giveUp()
    this.#letGo(feed)
    feed.whenOneEnds?.()
  }

  /** It is this node's no more. */
  #forget(claim: Claim): void {
    this.#keeper.forget(claim)
    this.#inOrder.delete(claim)
  }

  /** Nothing more comes to it, or of it. */
  #remove(feed: Feed): void {
    this.#byName.delete(feedName(feed.parts.claim))
    this.#reader.remove(feed)
    this.#journals.delete(feed.parts.journal)
  }

  /** The feed of this very claim. */
  #feedOf(claim: Claim): Feed | undefined {
    const feed = this.#byName.get(feedName(claim))
    return feed?.parts.claim === claim ? feed : undefined
  }

  /** What was brought into memory leaves it, and its lanes go on. */
  #letGo(feed: Feed): void {
    feed.dead.letGo()
    this.#suspects.leave(feed)
    this.#parts.engine.leaveTo(feed.keeper, 'Another node has taken over')
  }

  #saySuspects(count: number): void {
    const { observer, store } = this.#parts
    if (count > 0) observer.say('suspects', { store: store.name, count })
  }

  #open(claim: Claim): Feed {
    const { store, engine, observer } = this.#parts
    const { scanAhead = SCAN_AHEAD } = store
    const handler = engine.handlers.get(claim.subscription)
    if (handler === undefined) {
      throw new ImproperlyConfigured(
        'UNKNOWN_CLAIM',
        `The store gave a claim of ${claim.subscription}, which is not bound.`,
      )
    }
    const whenLost = (error: Error): void => this.#lose(claim, error)
    const journal = new Journal({ store, claim, observer, deadlines: engine.deadlines, whenLost })
    const parts = { ...this.#parts, handler, claim, journal, scanAhead, reader: this.#reader }
    const feed = new Feed({ ...parts, suspects: this.#suspects })
    this.#journals.add(journal)
    this.#byName.set(feedName(claim), feed)
    return feed
  }
}

function claimEnded({ subscription }: Claim): StoreFailed {
  const what = `The claim of ${subscription} has ended: it was not renewed in time.`
  return new StoreFailed(
    'CLAIM_LOST',
    `${what} Another node has it, or will; what runs here can store nothing any more.`,
  )
}

function feedName({ subscription, partition }: { readonly subscription: string; readonly partition: number }): string {
  return `${subscription}#${partition}`
}
