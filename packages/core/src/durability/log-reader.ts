import type { Deadlines } from '../engine/deadlines.ts'
import { asError } from '../errors.ts'
import type { Codec } from '../message/codec.ts'
import type { Envelope } from '../message/envelope.ts'
import type { Observer } from '../observe.ts'
import { READ_AHEAD } from '../options.ts'
import type { Clock } from '../ports/clock.ts'
import type { LoggedMessage, OpenStore, Page } from '../ports/store.ts'
import { Recent } from './recent.ts'
import { storeBackoffMs } from '../time/store-backoff.ts'
import { envelopeOf, intactEnvelopeOf, unreadableOf } from './stored-envelope.ts'
import { weightOf } from './weight.ts'

/** What there may be to read: what was appended here, and need not be read; or anything. */
type News = 'appended' | 'anything'

/** How many messages are read at a time: no more than there is room for, but so many at least; of heavy ones as many fewer. */
const PAGE = { most: 256, least: 32 }
/** How heavy they are taken to be before any were read. */
const HEAVY = 8

/** Takes what is read of one partition. */
export interface Reading {
  readonly partition: number
  /** Up to where it has been given the log. */
  readonly readPosition: number
  /** How many more messages it can take. */
  readonly room: number
  /** Messages after `after`, without gaps but for what is there no more. It takes as many of the first ones as it can. */
  offer(messages: readonly ReadMessage[]): void
}

/** A message as it was read: brought back once, for all that take it. */
export class ReadMessage {
  readonly stored: LoggedMessage
  readonly #codec: Codec
  readonly #clock: Clock
  /** Where it was not read, but just appended here: the copy of it, if there is one. */
  readonly #appended: { readonly copy: object | undefined } | undefined
  #envelope: Envelope | undefined
  /** Why it cannot be read; known once its envelope was asked for. */
  fault: Error | undefined = undefined

  constructor(stored: LoggedMessage, { codec, clock }: Reader, appended?: { readonly copy: object | undefined }) {
    this.stored = stored
    this.#codec = codec
    this.#clock = clock
    this.#appended = appended
  }

  get envelope(): Envelope {
    this.#envelope ??= this.#read()
    return this.#envelope
  }

  #read(): Envelope {
    const codec = this.#codec
    const clock = this.#clock
    try {
      if (this.#appended === undefined) return envelopeOf(this.stored, codec, clock)
      return intactEnvelopeOf(this.stored, { codec, clock, copy: this.#appended.copy })
    } catch (thrown) {
      this.fault = asError(thrown)
      return unreadableOf(this.stored, this.fault, clock)
    }
  }
}

type Reader = Pick<LogReaderParts, 'codec' | 'clock'>

/** What a reader works with. */
export interface LogReaderParts {
  readonly store: OpenStore
  readonly codec: Codec
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly observer: Observer
}

/** Reads the log, once for all handlers of this node that have come equally far: when there may be something new, never else. */
export class LogReader {
  readonly #parts: LogReaderParts
  readonly #readings: Reading[] = []
  /** By partition. */
  readonly #recents = new Map<number, Recent>()
  /** The partitions that are read at this time, and what has come about in them meanwhile. */
  readonly #underWay = new Map<number, News | undefined>()
  /** Up to where it was told what was appended here. */
  readonly #appendedUpTo = new Map<number, number>()
  /** How often it has failed in a row. */
  #failures = 0
  /** Whether it waits after a failure: whatever is published meanwhile, it reads no sooner. */
  #isWaiting = false
  /** About how heavy the heaviest are that are read at this time: of large ones, fewer are read at a time. */
  #heaviest = HEAVY
  /** Not before everything that is left from before has come back. */
  #isOpen = false

  constructor(parts: LogReaderParts) {
    this.#parts = parts
  }

  add(reading: Reading): void {
    this.#readings.push(reading)
  }

  remove(reading: Reading): void {
    const index = this.#readings.indexOf(reading)
    if (index !== -1) this.#readings.splice(index, 1)
    if (this.#readingsOf(reading.partition).length > 0) return
    this.#recents.delete(reading.partition)
    this.#appendedUpTo.delete(reading.partition)
  }

  /** There may be something to read, or room for it. */
  readonly wake = (): void => {
    for (const { partition } of this.#readings) this.#wake(partition, 'anything')
  }

  /** The store has told what was appended here. */
  readonly appended = ({ partition, after, messages, copies }: Page): void => {
    const readings = this.#readingsOf(partition)
    if (this.#isWaiting || !this.#isOpen || readings.length === 0) return
    const recent = this.#recent(partition)
    if (recent.last !== after && !readings.some(({ readPosition }) => readPosition >= after)) {
      this.#wake(partition, 'anything') // All are further behind, and keep what they have next.
      return
    }
    const read = messages.map((stored, n) => new ReadMessage(stored, this.#parts, { copy: copies?.[n] }))
    recent.add(after, read)
    this.#appendedUpTo.set(partition, messages.at(-1)?.position ?? after)
    this.#wake(partition, 'appended')
  }

  #wake(partition: number, news: News): void {
    if (this.#isWaiting || !this.#isOpen) return
    const isUnderWay = this.#underWay.has(partition)
    if (this.#underWay.get(partition) !== 'anything') this.#underWay.set(partition, news)
    if (!isUnderWay) queueMicrotask(() => void this.#readAll(partition))
  }

  begin(): void {
    this.#isOpen = true
    this.wake()
  }

  stop(): void {
    this.#isOpen = false
  }

  /** The messages at these positions, as they are brought back. */
  async at(partition: number, positions: readonly number[]): Promise<ReadMessage[]> {
    return (await this.#parts.store.readAt(partition, positions)).map((stored) => new ReadMessage(stored, this.#parts))
  }

  /** One partition does not wait for another one. */
  async #readAll(partition: number): Promise<void> {
    try {
      for (let news = this.#news(partition); news !== undefined && this.#isOpen; news = this.#news(partition)) {
        while (await this.#readSome(partition, news));
      }
    } catch (thrown) {
      this.#fail(asError(thrown))
    } finally {
      this.#underWay.delete(partition)
    }
  }

  #news(partition: number): News | undefined {
    const news = this.#underWay.get(partition)
    this.#underWay.set(partition, undefined)
    return news
  }

  /** Tells whether there may be more. */
  async #readSome(partition: number, news: News): Promise<boolean> {
    const all = this.#readingsOf(partition)
    const readings = all.filter((reading) => reading.room > 0)
    if (readings.length === 0 || !this.#isOpen) return false
    const after = Math.min(...readings.map(({ readPosition }) => readPosition))
    const room = Math.max(...readings.map((reading) => reading.room))
    let limit = Math.min(Math.max(room, PAGE.least), PAGE.most)
    const recent = this.#recent(partition)
    let messages = recent.after(after, limit)
    const isKnown = messages.length > 0
    if (!isKnown) {
      limit = Math.ceil(limit / this.#heaviest)
      if (news === 'appended' && after >= (this.#appendedUpTo.get(partition) ?? 0)) return false
      messages = await this.#after(partition, after, limit)
      if (messages.length === 0 || !this.#isOpen) return false
    }
    const last = (messages.at(-1) as ReadMessage).stored.position
    for (const reading of readings) if (reading.readPosition < last) reading.offer(messages)
    recent.passed(Math.min(...this.#readingsOf(partition).map(({ readPosition }) => readPosition)))
    return isKnown || messages.length === limit
  }

  async #after(partition: number, after: number, limit: number): Promise<readonly ReadMessage[]> {
    const messages = (await this.#parts.store.read(partition, after, limit)).map(
      (stored) => new ReadMessage(stored, this.#parts),
    )
    this.#failures = 0
    this.#heaviest = Math.max(Math.ceil(this.#heaviest / 2), ...messages.map(({ stored }) => weightOf(stored)))
    this.#recent(partition).add(after, messages)
    return messages
  }

  #readingsOf(partition: number): Reading[] {
    return this.#readings.filter((reading) => reading.partition === partition)
  }

  #recent(partition: number): Recent {
    let recent = this.#recents.get(partition)
    if (recent === undefined)
      this.#recents.set(partition, (recent = new Recent(this.#parts.store.readAhead ?? READ_AHEAD)))
    return recent
  }

  #fail(error: Error): void {
    // Of several that fail at a time, the first one says so.
    if (!this.#isOpen || this.#isWaiting) return
    const { observer, deadlines, store } = this.#parts
    this.#failures += 1
    this.#isWaiting = true
    const delayMs = storeBackoffMs(this.#failures)
    observer.say('storeFailed', { store: store.name, handler: undefined, error, delayMs })
    deadlines.after(delayMs, () => {
      this.#isWaiting = false
      this.wake()
    })
  }
}
