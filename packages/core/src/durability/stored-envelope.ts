import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { CodecError } from '../errors.ts'
import type { MessageHeaders } from '../message/augmentable.ts'
import type { Codec } from '../message/codec.ts'
import { type Cause, Envelope, noHeaders } from '../message/envelope.ts'
import type { Clock } from '../ports/clock.ts'
import { checkStorable } from '../ports/storable.ts'
import type { NewMessage, StoredMessage } from '../ports/store.ts'

/** How many of the deliveries that led to a message are stored with it: the latest. */
const CAUSES = 10

/** What else an envelope has, as it is stored; with short names, since every message has it. */
interface StoredParts {
  /** Headers. */
  readonly h?: MessageHeaders
  /** The correlation id, where it is not the message's own. */
  readonly c?: string
  /** The deliveries that led to it, the latest first: id, type and handler of each. */
  readonly by?: readonly (readonly [id: string, type: string, handler: string])[]
  /** How many there were in all. */
  readonly d?: number
}

/** A message that was stored, and cannot be read any more: what is left of it. */
export class Unreadable {
  static readonly type = 'iambus.unreadable'
  /** The message as it was stored. */
  readonly body: string
  /** Why it cannot be read. */
  readonly reason: string

  constructor(body: string, reason: string) {
    this.body = body
    this.reason = reason
  }
}

/** Why a message that cannot be read is not given to a handler. */
export function unreadable({ reason }: Unreadable): CodecError {
  return new CodecError('UNREADABLE', `The message cannot be read, and was not edited: ${reason}`)
}

/** An envelope as it is stored. @throws {CodecError} for a message that would not come back as it is. */
export function storedOf(envelope: Envelope, codec: Codec): NewMessage {
  const { id, type, key, time, givenId, message } = envelope
  checkStorable(envelope)
  const { text: body, copy } =
    message instanceof Unreadable ? { text: message.body, copy: undefined } : codec.write(message)
  const mayRepeat = givenId !== undefined
  const stored = { id, type, key, time, envelope: partsOf(envelope), body, crc: 0, mayRepeat, copy }
  stored.crc = checksumOf(stored)
  return stored
}

/**
 * The envelope of what was stored.
 * @throws {CodecError | ContractViolation} for a message that is damaged, or of a type or version that is not known here.
 */
export function envelopeOf(stored: StoredMessage, codec: Codec, clock: Clock): Envelope {
  if (checksumOf(stored) !== stored.crc) {
    const text = `The message '${stored.id}' of type '${stored.type}' is damaged: its checksum is another.`
    throw new CodecError('DAMAGED', `${text} Look at the file that it is stored in.`)
  }
  return read(stored, codec.decode(stored.body), clock)
}

/** The same of what has not left this process: it cannot be damaged, and there may be a copy of the message. */
export function intactEnvelopeOf(stored: StoredMessage, { codec, clock, copy }: Intact): Envelope {
  return read(stored, copy ?? codec.decode(stored.body), clock)
}

interface Intact {
  readonly codec: Codec
  readonly clock: Clock
  readonly copy: object | undefined
}

/** The envelope of a message that cannot be read: with all that can be read of it. */
export function unreadableOf(stored: StoredMessage, reason: Error, clock: Clock): Envelope {
  return read(stored, new Unreadable(stored.body, reason.message), clock)
}

function read(stored: StoredMessage, message: object | string, clock: Clock): Envelope {
  const { id, type, key, time } = stored
  const { h: headers, c: correlationId, by = [], d = 0 } = parsedParts(stored.envelope)
  const cause = by.reduceRight<Cause | undefined>((before, [causeId, causeType, handler], index) => {
    return { id: causeId, type: causeType, handler, depth: d - index, cause: before }
  }, undefined)
  return new Envelope({
    message,
    type,
    clock,
    key,
    headers: headers && Object.freeze(headers),
    ownId: id,
    correlationId,
    cause,
    time,
  })
}

/**
 * The id of a message that a delivery causes: the same each time that it is tried.
 *
 * @param place which of its messages it is, or of its requests.
 */
export function causedId(causeId: string, handler: string, place: number | string): string {
  const digest = hash('sha256', `${causeId}\n${handler}\n${place}`, 'hex')
  // A UUID of version 8 (RFC 9562): what is in it is its maker's own matter.
  const variant = ((Number.parseInt(digest[16] as string, 16) & 0x3) | 0x8).toString(16)
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`
}

function partsOf({ id, headers, correlationId, cause }: Envelope): string {
  if (headers === noHeaders && cause === undefined && correlationId === id) return ''
  const parts: { -readonly [N in keyof StoredParts]: StoredParts[N] } = {}
  if (headers !== noHeaders) parts.h = headers
  if (correlationId !== id) parts.c = correlationId
  if (cause !== undefined) {
    const by: [string, string, string][] = []
    for (let link: Cause | undefined = cause; link !== undefined && by.length < CAUSES; link = link.cause) {
      by.push([link.id, link.type, link.handler])
    }
    parts.by = by
    parts.d = cause.depth
  }
  return JSON.stringify(parts)
}

function parsedParts(text: string): StoredParts {
  if (text === '') return {}
  try {
    const parsed: unknown = JSON.parse(text)
    return isParts(parsed) ? parsed : {}
  } catch {
    return {} // It is damaged, as the checksum has told.
  }
}

/** Whether it is what was written: where the checksum is another, it may be anything. */
function isParts(parsed: unknown): parsed is StoredParts {
  if (typeof parsed !== 'object' || parsed === null) return false
  const { h = {}, c = '', by = [], d = 0 } = parsed as { readonly [N in keyof StoredParts]: unknown }
  const isCause = (link: unknown): boolean => {
    return Array.isArray(link) && link.length === 3 && link.every((part) => typeof part === 'string')
  }
  const hasCauses = Array.isArray(by) && by.every(isCause) && typeof d === 'number'
  return hasCauses && typeof c === 'string' && typeof h === 'object' && h !== null
}

function checksumOf({ id, type, key, time, envelope, body }: StoredMessage): number {
  return crc32(`${id}\n${type}\n${key === undefined ? '' : `=${key}`}\n${time}\n${envelope}\n${body}`)
}
