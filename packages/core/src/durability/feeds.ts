import type { Causing } from '../engine/caused.ts'
import type { Engine } from '../engine/engine.ts'
import type { Waiter } from '../engine/delivery.ts'
import { asError, ImproperlyConfigured } from '../errors.ts'
import type { Codec } from '../message/codec.ts'
import type { Observer } from '../observe.ts'
import { READ_AHEAD, SCAN_AHEAD } from '../options.ts'
import type { Lack } from '../ports/share.ts'
import type { Claim, OpenStore, Page, StoredDeadLetter, Subscription } from '../ports/store.ts'
import { AskedLetters } from './asked-letters.ts'
import { claimEnded } from './claim-ended.ts'
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
  /** What this node knows of its claims. */
  readonly subscriptions: readonly Subscription[]
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
  readonly #asked: AskedLetters
  /** What may be given back in order: claims of which nothing is left from before that is not written. */
  readonly #inOrder = new Set<Claim>()
  readonly #givingBack: GivingBack
  /** Claims that are being brought back, or wait for that. */
  readonly #recovering = new Set<Claim>()
  /** Resolves when all of them have been. */
  #recovered: Promise<void> = Promise.resolve()
  /** Whether some of them should have been handed over meanwhile. */
  #isOwing = false
  #isPaused = false

  constructor(parts: FeedsParts) {
    const { store, codec, engine, observer } = parts
    const { clock, deadlines } = engine
    this.#parts = parts
    this.#reader = new LogReader({ store, codec, clock, deadlines, observer })
    const take = (claims: readonly Claim[]): void => this.#take(claims)
    const handOver = (claim: Claim): void => void this.#handOver(claim)
    const lose = (claim: Claim): void => this.#lose(claim, claimEnded(claim))
    const writeProgress = (): void => this.#journals.forEach((journal) => journal.writePassed())
    this.#keeper = new ClaimKeeper({ store, deadlines, observer, writeProgress, take, handOver, lose })
    const recovered = (): Feed[] => [...this].filter((feed) => !this.#recovering.has(feed.parts.claim))
    this.#asked = new AskedLetters({ store, observer, deadlines, feeds: recovered })
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

  /** To be called when dead letters are replayed, or were removed, without whoever has their claims. */
  get lettersChanged(): () => void {
    return this.#asked.wake
  }

  /** Brings back what is left from before, and begins to read. */
  async start(): Promise<void> {
    const { store } = this.#parts
    const claims = await store.claim()
    for (const claim of claims) {
      this.#recovering.add(claim)
      if (claim.isClean) this.#inOrder.add(claim)
    }
    this.#keeper.begin(claims)
    const recovered = this.#bringAllBack(claims, (claim) => this.#bringBack(claim))
    this.#recovered = recovered.catch(() => {}) // Whoever starts is told.
    await recovered
    this.#reader.begin()
    this.#asked.begin()
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
    this.#asked.stop()
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
  async #bringBack(claim: Claim): Promise<number> {
    const feed = this.#open(claim)
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
  #take(claims: readonly Claim[]): void {
    for (const claim of claims) {
      // It may have been this node's own, and not renewed in time.
      const before = this.#byName.get(feedName(claim))?.parts.claim
      const waiting = [...this.#recovering].find((one) => feedName(one) === feedName(claim))
      for (const own of [before, waiting]) if (own !== undefined) this.#lose(own, claimEnded(own))
    }
    for (const claim of claims) this.#recovering.add(claim)
    this.#recovered = this.#recovered.then(() => this.#bringAllBack(claims, (claim) => this.#tryToBringBack(claim)))
  }

  /** One after the other. */
  async #bringAllBack(claims: readonly Claim[], bringBack: (claim: Claim) => Promise<number>): Promise<void> {
    let suspects = 0
    for (const claim of claims) {
      if (!this.#recovering.has(claim)) continue // It was lost meanwhile.
      suspects += await bringBack(claim)
      this.#recovering.delete(claim)
    }
    this.#saySuspects(suspects)
    this.#reader.wake()
    if (this.#parts.store.isShared) this.#asked.wake() // What was asked for while they were brought back.
    if (!this.#isOwing) return
    this.#isOwing = false
    this.#keeper.changed()
  }

  async #tryToBringBack(claim: Claim): Promise<number> {
    if (this.#isPaused) {
      this.#nothingStarted(claim)
      return 0
    }
    try {
      return await this.#bringBack(claim)
    } catch (thrown) {
      // It is not renewed, and when it has ended somebody takes it anew.
      const feed = this.#feedOf(claim)
      this.#lose(claim, asError(thrown))
      if (feed !== undefined) this.#letGo(feed)
      return 0
    }
  }

  /** Another node should have it: it is given back when what runs has ended. */
  async #handOver(claim: Claim): Promise<void> {
    const feed = this.#feedOf(claim)
    if (this.#recovering.has(claim)) this.#isOwing = true
    if (feed?.isOpen !== true || this.#recovering.has(claim)) return
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
    const isWaiting = this.#recovering.delete(claim)
    if (feed === undefined && !isWaiting) return // It was about to be given back.
    this.#parts.observer.say('claimLost', { store: this.#parts.store.name, handler: claim.subscription, error })
    if (feed === undefined) return
    feed.isOpen = false
    this.#remove(feed)
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
    const { scanAhead = SCAN_AHEAD, readAhead = READ_AHEAD } = store
    const handler = engine.handlers.get(claim.subscription)
    const subscription = this.#parts.subscriptions.find(({ name }) => name === claim.subscription)
    if (handler === undefined || subscription === undefined) {
      throw new ImproperlyConfigured(
        'UNKNOWN_CLAIM',
        `The store gave a claim of ${claim.subscription}, which is not bound.`,
      )
    }
    const whenLost = (error: Error): void => this.#lose(claim, error)
    const journal = new Journal({ store, claim, observer, deadlines: engine.deadlines, whenLost })
    const lacks = (lack: Lack): void => this.#keeper.lacks(lack)
    const parts = { ...this.#parts, handler, claim, subscription, journal, scanAhead, readAhead, lacks }
    const feed = new Feed({ ...parts, reader: this.#reader, suspects: this.#suspects })
    this.#journals.add(journal)
    this.#byName.set(feedName(claim), feed)
    return feed
  }
}

function feedName({ subscription, partition }: { readonly subscription: string; readonly partition: number }): string {
  return `${subscription}#${partition}`
}
