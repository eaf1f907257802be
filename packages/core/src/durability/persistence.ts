import type { Delivery } from '../engine/delivery.ts'
import type { Engine } from '../engine/engine.ts'
import type { Handler } from '../engine/handler.ts'
import type { Dispatch } from '../engine/outlet.ts'
import { asError, CodecError, Stopped } from '../errors.ts'
import type { Codec } from '../message/codec.ts'
import { Envelope } from '../message/envelope.ts'
import { uuidV7 } from '../message/uuid.ts'
import { channels, type Observer } from '../observe.ts'
import type { NewMessage, OpenStore, Page, Store, StoredDeadLetter, Subscription } from '../ports/store.ts'
import type { Timer } from '../ports/clock.ts'
import { StoreFailed } from '../store-errors.ts'
import type { Route } from '../routing/handler-map.ts'
import { type Caused, type Causing, type LocalDispatch, type Told, Working } from '../engine/caused.ts'
import type { Feed } from './feed.ts'
import { Feeds } from './feeds.ts'
import type { Join } from '../engine/join.ts'
import { sayFinding } from './say-finding.ts'
import { dueAtOf } from '../time/delays.ts'
import { StoredDelays } from '../time/stored-delays.ts'
import { storedOf } from './stored-envelope.ts'
import { StoredLetters } from './stored-letters.ts'

/** What persistence is opened with. */
export interface PersistenceParts {
  readonly store: Store
  readonly service: string | undefined
  readonly engine: Engine
  readonly observer: Observer
  /** Of all types that the dispatcher knows. */
  readonly codec: Codec
  readonly subscriptions: readonly Subscription[]
  readonly maxDepth: number
  /** Delivers to handlers of this process alone what was stored for others, or was not to be stored. */
  readonly release: (local: readonly Dispatch[]) => void
}

/** What a dispatcher has of its store: it appends messages, and feeds the durable handlers from the log. */
export class Persistence implements Causing {
  readonly store: OpenStore
  readonly letters: StoredLetters
  readonly delays: StoredDelays
  /** Whoever waits for what becomes of a message, by its id. */
  readonly waiters: Map<string, Join> = new Map()
  /** Whoever waits for anything: told at the latest when the store is closed. */
  readonly joins: Set<Join> = new Set()
  readonly feeds: Feeds
  readonly #parts: PersistenceParts
  readonly #codec: Codec

  /** @throws {StoreFailed | ImproperlyConfigured} where the store cannot be opened. */
  static async open(parts: PersistenceParts): Promise<Persistence> {
    const { store, service, subscriptions, engine, observer } = parts
    let wake = (): void => {}
    let appended = (_page: Page): void => {}
    let claimsChanged = (): void => {}
    let lettersChanged = (): void => {}
    const opened = await store.open({
      service,
      subscriptions,
      clock: engine.clock,
      wake: () => wake(),
      appended: (page) => appended(page),
      claimsChanged: () => claimsChanged(),
      lettersChanged: () => lettersChanged(),
      failed: (error, delayMs) => {
        observer.say('storeFailed', { store: store.name, handler: undefined, error, delayMs })
      },
    })
    for (const finding of opened.findings) sayFinding(finding, { observer, store: store.name })
    const persistence = new Persistence(parts, opened)
    wake = persistence.feeds.wake
    appended = persistence.feeds.appended
    claimsChanged = persistence.feeds.claimsChanged
    lettersChanged = persistence.feeds.lettersChanged
    return persistence
  }

  private constructor(parts: PersistenceParts, store: OpenStore) {
    const { engine, observer } = parts
    this.#parts = parts
    this.store = store
    this.#codec = parts.codec
    this.letters = new StoredLetters(this.#codec, engine.clock)
    const { clock } = engine
    const { isShared } = store
    this.delays = new StoredDelays({ store, isShared, clock, observer, encode: (envelope) => this.stored(envelope) })
    const { letters, waiters } = this
    this.feeds = new Feeds({ ...parts, store, letters, waiters, causing: this })
  }

  /** Brings back what is left from before, and begins to read. */
  async start(): Promise<void> {
    await this.feeds.start()
    this.delays.wake()
  }

  /** Whether messages of this type are stored. */
  isFor(route: Route<Handler>): boolean {
    return this.store.takes(route.type) || route.handlers.some(({ isDurable }) => isDurable)
  }

  /** The envelope of a message that is stored, or is caused by one that is. */
  envelopeOf({ message, route, of }: Dispatch): Envelope {
    if (typeof of === 'object') return of
    const { clock } = this.#parts.engine
    const time = clock.now()
    return new Envelope({ message, type: route.type, clock, key: of, ownId: uuidV7(time), time })
  }

  /** @throws {CodecError} for a message that would not come back as it is. */
  stored(envelope: Envelope): NewMessage {
    try {
      return storedOf(envelope, this.#codec)
    } catch (thrown) {
      if (!(thrown instanceof CodecError)) throw thrown
      throw new CodecError(thrown.code, `'${envelope.type}' cannot be stored. ${thrown.message}`, {
        cause: thrown,
        path: thrown.path,
      })
    }
  }

  caused(recorded: readonly Dispatch[]): Caused {
    const stored: NewMessage[] = []
    const told: Told[] = []
    const local: LocalDispatch[] = []
    for (const dispatch of recorded) {
      const { route } = dispatch
      const isStored = this.isFor(route)
      const index = isStored ? stored.length : undefined
      if (index !== undefined) {
        const envelope = this.envelopeOf(dispatch)
        const dueAt = this.#dueAt(dispatch)
        stored.push({ ...this.stored(envelope), dueAt })
        if (isHeard()) told.push({ index, envelope, handlers: durableNames(route), dueAt })
      }
      const handlers = isStored ? route.handlers.filter(({ isDurable }) => !isDurable) : route.handlers
      if (!isStored || handlers.length > 0) local.push({ ...dispatch, route: { ...route, handlers }, index })
    }
    return { stored, told, local }
  }

  release(caused: Caused, isNew?: readonly boolean[]): void {
    const { stored, told, local } = isNew === undefined ? caused : this.#withoutDuplicates(caused, isNew)
    for (const one of told) this.#tell(one)
    if (local.length > 0) this.#parts.release(local)
    for (const { dueAt } of stored) if (dueAt !== undefined) this.delays.expect(dueAt)
  }

  #withoutDuplicates({ stored, told, local }: Caused, isNew: readonly boolean[]): Caused {
    for (const [index, { id, type }] of stored.entries()) {
      if (isNew[index] !== true) this.#parts.observer.say('duplicate', { id, type })
    }
    const isLeft = ({ index }: Pick<LocalDispatch, 'index'>): boolean => index === undefined || isNew[index] === true
    return { stored: stored.filter((_, index) => isNew[index]), told: told.filter(isLeft), local: local.filter(isLeft) }
  }

  #tell({ envelope, handlers, dueAt }: Told): void {
    const { observer } = this.#parts
    if (dueAt === undefined) observer.say('accepted', { envelope, handlers })
    else observer.say('delayed', { envelope, dueAt: new Date(dueAt) })
  }

  /** When it is due, if it is not at once. */
  #dueAt({ delay }: Dispatch): number | undefined {
    const now = this.store.now()
    const dueAt = delay === undefined ? now : dueAtOf(delay, now)
    return dueAt > now ? dueAt : undefined
  }

  /** Stores what a handler does and causes, and that its delivery is done, as one. */
  async commit(delivery: Delivery, work: (tx: unknown) => Caused | Promise<Caused>): Promise<void> {
    const { kept } = delivery.more()
    if (kept !== undefined) return kept.keeper.commit(delivery, work)
    const working = new Working(work)
    const isNew = await this.store.settle(undefined, { work: working.work })
    if (working.caused !== undefined) this.release(working.caused, isNew)
  }

  /** Where a dead letter came from, if that is run here. */
  feedOf(letter: StoredDeadLetter): Feed | undefined {
    return this.feeds.of(letter)
  }

  /** Reads no more, and starts nothing more. */
  pause(): void {
    this.feeds.pause()
    this.delays.close()
  }

  /** Resolves when all that was said so far is written. What is for handlers of this process alone has left then. */
  async written(): Promise<void> {
    // What is called first is stored first: so when this, which is nothing, has been stored, all before it has been.
    const accepted = async (): Promise<void> => void (await this.store.append([]))
    await Promise.allSettled([accepted(), this.feeds.written()])
  }

  /** Writes what is left to be written, gives the claims back, and closes the store, each within so many milliseconds. */
  async close(deadlineMs: number): Promise<void> {
    const { store } = this
    this.feeds.letDeadGo()
    await this.#try(deadlineMs, async () => {
      await this.written()
      await this.feeds.release()
    })
    this.feeds.giveUp()
    await this.#try(deadlineMs, () => store.close())
    const stopped = new Stopped('The dispatcher stopped before it was known what became of it: it is in the store.')
    for (const join of this.joins) join.stop(stopped)
  }

  /** What fails in closing, or takes too long, is only a notice. */
  async #try(deadlineMs: number, run: () => Promise<void>): Promise<void> {
    const { engine, observer } = this.#parts
    const { name } = this.store
    let timer: Timer | undefined
    const late = new Promise<never>((_, reject) => {
      if (deadlineMs === Number.POSITIVE_INFINITY) return
      const error = new StoreFailed('STORE_FAILED', `It could not be closed within ${deadlineMs} ms.`)
      timer = engine.clock.after(deadlineMs, () => reject(error))
    })
    try {
      await Promise.race([run(), late])
    } catch (thrown) {
      observer.say('storeCloseFailed', { store: name, error: asError(thrown) })
    } finally {
      timer?.cancel()
    }
  }
}

/** The names of the handlers that get a message from the store. */
export function durableNames({ handlers }: Route<Handler>): string[] {
  return handlers.filter(({ isDurable }) => isDurable).map(({ name }) => name)
}

function isHeard(): boolean {
  return channels.accepted.hasSubscribers || channels.delayed.hasSubscribers
}
