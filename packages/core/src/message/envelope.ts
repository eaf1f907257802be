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
export interface EnvelopeFields {
  readonly message: object | string
  readonly type: string
  readonly time: number
  readonly key: string | undefined
  readonly headers: MessageHeaders
  readonly id: string | undefined
  readonly correlationId: string | undefined
  readonly cause: Cause | undefined
}

/** A message with what the bus knows about it. One envelope serves all its deliveries. */
export class Envelope {
  readonly message: object | string
  /** The name of the message's type. */
  readonly type: string
  /** When the message was accepted, in milliseconds since 1970. */
  readonly time: number
  /** Messages of one key reach one handler in the order of the calls. */
  readonly key: string | undefined
  readonly headers: MessageHeaders
  readonly cause: Cause | undefined
  #id: string | undefined
  #correlationId: string | undefined

  constructor(fields: EnvelopeFields) {
    this.message = fields.message
    this.type = fields.type
    this.time = fields.time
    this.key = fields.key
    this.headers = fields.headers
    this.cause = fields.cause
    this.#id = fields.id
    this.#correlationId = fields.correlationId
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
}

export const noHeaders: MessageHeaders = Object.freeze({})
