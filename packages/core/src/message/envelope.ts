import type { Clock } from '../ports/clock.ts'
import type { MessageHeaders } from './augmentable.ts'
import { nextId } from './id.ts'

/** A delivery that caused messages, and what had caused it: the chain back to the first message. */
export interface Cause {
  readonly id: string
  readonly type: string
  readonly handler: string
  readonly depth: number
  readonly cause: Cause | undefined
}

/** What an {@link Envelope} is made of. */
export interface EnvelopeFields<M extends object | string = object | string> {
  readonly message: M
  readonly type: string
  readonly clock: Clock
  readonly key?: string | undefined
  readonly headers?: MessageHeaders | undefined
  /** The id that its caller gave it. */
  readonly id?: string | undefined
  /** The id that was made for it. */
  readonly ownId?: string | undefined
  readonly correlationId?: string | undefined
  readonly cause?: Cause | undefined
  readonly time?: number | undefined
}

/** A message with what the bus knows about it. One envelope serves all its deliveries. */
export class Envelope<M extends object | string = object | string> {
  readonly message: M
  /** The name of the message's type. */
  readonly type: string
  /** Messages of one key reach one handler in the order of the calls. */
  readonly key: string | undefined
  readonly headers: MessageHeaders
  readonly cause: Cause | undefined
  /** The id that the caller gave it, if it did. */
  readonly givenId: string | undefined
  readonly #clock: Clock
  #time: number | undefined
  #id: string | undefined
  #correlationId: string | undefined

  constructor(fields: EnvelopeFields<M>) {
    this.message = fields.message
    this.type = fields.type
    this.key = fields.key
    this.headers = fields.headers ?? noHeaders
    this.cause = fields.cause
    this.#clock = fields.clock
    this.#time = fields.time
    this.givenId = fields.id
    this.#id = fields.id ?? fields.ownId
    this.#correlationId = fields.correlationId
  }

  /** The same envelope with another message or other headers: what was edited, or made unreadable. */
  with({ message, headers }: { readonly message: object | string; readonly headers: MessageHeaders }): Envelope {
    const { type, key, cause, id, correlationId, time } = this
    return new Envelope({ message, type, clock: this.#clock, key, headers, id, correlationId, cause, time })
  }

  /** Made when first read: most messages in one process are never asked. */
  get id(): string {
    this.#id ??= nextId()
    return this.#id
  }

  /** The same for all messages of one chain: the id of the first, unless it was given. */
  get correlationId(): string {
    return this.#correlationId ?? this.id
  }

  /** The id of the message whose handler caused this one. */
  get causationId(): string | undefined {
    return this.cause?.id
  }

  /**
   * When the message was accepted, in milliseconds since 1970. Taken when it has to wait, else when it is first read:
   * what starts within the call of its publication reads it in time.
   */
  get time(): number {
    this.#time ??= this.#clock.now()
    return this.#time
  }
}

export const noHeaders: MessageHeaders = Object.freeze({})

/** What is given, over what is inherited. Handlers share them: so they are frozen. */
export function headersOf(given: MessageHeaders | undefined, inherited: MessageHeaders = noHeaders): MessageHeaders {
  if (given === undefined) return inherited
  return Object.freeze(inherited === noHeaders ? { ...given } : { ...inherited, ...given })
}
