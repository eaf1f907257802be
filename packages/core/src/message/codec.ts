import { CodecError, ImproperlyConfigured, shown } from '../errors.ts'
import { type CodecBounds, codecBounds, type CodecOptions } from './codec-bounds.ts'
import { contractOf } from './contract.ts'
import { Decoder } from './decoder.ts'
import { Encoder } from './encoder.ts'
import {
  checkMessageTypes,
  type MessageOf,
  messageTypeOf,
  type MessageType,
  sharedNames,
  typeName,
} from './message-type.ts'
import { copyOfPlain } from './plain.ts'
import type { CodecType } from './revive.ts'

/**
 * A message as a text.
 * @internal
 */
export interface WrittenText {
  readonly text: string
  /** What the text says, with nothing in it that anybody else has; `undefined` where it has to be read for that. */
  readonly copy: object | undefined
}

/**
 * Writes messages as text, and brings each back as an instance of its class, or not at all.
 *
 * ```ts
 * const codec = new Codec([BookCreated, CreateBook])
 * const text = codec.encode(new BookCreated({ title: 'Emma', at: new Date() }))
 * codec.decode(text) // a BookCreated, with a Date in it
 * ```
 *
 * The text is JSON: `{ "type": "library.book-created", "version": 1, "data": { ... } }`. What JSON has no form for is
 * written with a tag, or refused; nothing comes back as something else.
 */
export class Codec<T extends MessageType = MessageType> {
  readonly #bounds: CodecBounds
  readonly #byName = new Map<string, CodecType | string>()
  readonly #byPrototype = new Map<unknown, CodecType>()
  #idle: Encoder | undefined

  /**
   * @param types the classes of the messages, and of whatever else is an instance of a class inside them; also strings.
   * @throws {InvalidOption} for what is no message type, or bounds that cannot be.
   * @throws {ImproperlyConfigured} for two types of one name, or a class with a faulty version, upcast, revive or schema.
   */
  constructor(types: readonly T[], options: CodecOptions = {}) {
    this.#bounds = codecBounds(options)
    const all = new Set(checkMessageTypes('The types of a codec', types))
    for (const { text } of sharedNames(all)) throw new ImproperlyConfigured('TYPE_TAKEN', text)
    for (const type of all) {
      const name = typeName(type)
      const known = typeof type === 'string' ? type : { name, type, contract: contractOf(type) }
      this.#byName.set(name, known)
      if (typeof known === 'object') this.#byPrototype.set(known.type.prototype, known)
    }
  }

  /**
   * The text of a message.
   *
   * @throws {InvalidMessage} for what is no message.
   * @throws {CodecError} for a type that the codec does not know, for a value that would not come back as it is, and for a
   *   message that is nested too deep or too large; with the `path` to it.
   */
  encode(message: object | string): string {
    return this.write(message).text
  }

  /**
   * The same, with what `decode` would make of the text, where that is known without reading it.
   * @internal
   */
  write(message: object | string): WrittenText {
    const type = messageTypeOf(message)
    const known = typeof type === 'string' ? this.#byName.get(type) : this.#byPrototype.get(type.prototype)
    if (known === undefined || (typeof message === 'string' && typeof known === 'object')) {
      const what = typeof type === 'string' ? 'the string' : `the class ${type.name} of type`
      throw new CodecError(
        'UNKNOWN_TYPE',
        `The codec does not know ${what} '${typeName(type)}'. Name it in new Codec([...]), or in the \`messages\` of the dispatcher.`,
      )
    }
    const written = typeof known === 'string' ? nameInText(known) : this.#written(message as object, known)
    this.#checkSize(written.text, 'message')
    return written
  }

  /**
   * The message of a text.
   *
   * @throws {CodecError} for a text that no codec writes, of a type or version that this one does not know, nested too deep
   *   or too large.
   * @throws {ContractViolation} for data of an older version that, upcast, does not fit the schema of its class.
   */
  decode(text: string): MessageOf<T> {
    if (typeof text !== 'string') {
      throw new CodecError('MALFORMED', `A codec was given ${shown(text)} to decode. Pass a text that one has written.`)
    }
    this.#checkSize(text, 'text')
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch (cause) {
      throw new CodecError('MALFORMED', `The text ${shown(text)} is no JSON. Look at who wrote it: no codec does.`, {
        cause,
      })
    }
    // It is of one of the types that the decoder knows.
    return new Decoder((name) => this.#byName.get(name), this.#bounds).decode(parsed) as MessageOf<T>
  }

  #written(message: object, known: CodecType): WrittenText {
    const { name, type, contract } = known
    const copy = copyOfPlain(message, type.prototype as object, this.#bounds)
    if (copy === undefined) return { text: this.#encoded(message), copy }
    const text = JSON.stringify({ type: name, version: contract.version, data: copy })
    return { text, copy: contract.revive === undefined ? copy : undefined }
  }

  /** One encoder after the other, for as long as none of them throws: then it is in the middle of something. */
  #encoded(message: object): string {
    const encoder = this.#idle ?? new Encoder((prototype) => this.#byPrototype.get(prototype), this.#bounds)
    this.#idle = undefined
    const text = encoder.encode(message)
    this.#idle = encoder
    return text
  }

  #checkSize(text: string, what: string): void {
    const { maxBytes } = this.#bounds
    // No character takes more than three bytes; so most texts need not be counted.
    const isLarge = text.length > maxBytes || (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes)
    if (!isLarge) return
    throw new CodecError(
      'TOO_LARGE',
      `The ${what} is larger than ${maxBytes} bytes. Send less, or give the codec larger maxBytes.`,
    )
  }
}

function nameInText(name: string): WrittenText {
  return { text: JSON.stringify({ type: name }), copy: undefined }
}
