import { types } from 'node:util'
import { CodecError, IambusError, shown } from '../errors.ts'
import type { CodecBounds } from './codec-bounds.ts'
import { shownPath, pathOf } from './path.ts'
import type { CodecType } from './revive.ts'
import { tags } from './tags.ts'

/** Stands in a list where nothing does. */
const HOLE = '{"$hole":true}'

/**
 * Writes one message as text. Whatever JSON would change on the way is written with a tag, or refused. It recurses as deep as
 * the message nests, in few frames: the deepest `maxDepth` has to fit the stack.
 */
export class Encoder {
  readonly #typeOf: (prototype: object) => CodecType | undefined
  readonly #bounds: CodecBounds
  readonly #path: PropertyKey[] = []
  /** The objects that are being written, each inside the one before. */
  readonly #within = new Set<object>()
  #depth = 0
  #length = 0

  constructor(typeOf: (prototype: object) => CodecType | undefined, bounds: CodecBounds) {
    this.#typeOf = typeOf
    this.#bounds = bounds
  }

  /** Not to be used again once it has thrown: it is in the middle of something then. @throws {CodecError} */
  encode(message: object): string {
    this.#length = 0
    try {
      return this.#message(message, this.#typeOf(Object.getPrototypeOf(message) as object) as CodecType)
    } catch (error) {
      if (error instanceof IambusError) throw error
      // What is left that throws: a buffer whose memory was transferred away.
      throw this.#refusal('UNENCODABLE', 'could not be read', { remedy: "See the error's cause.", cause: error })
    }
  }

  #message(message: object, { name, contract }: CodecType): string {
    this.#within.add(message)
    this.#enter()
    const data = this.#fields(message, '~kind')
    this.#depth -= 1
    this.#within.delete(message)
    return `{"type":${JSON.stringify(name)},"version":${contract.version},"data":${data}}`
  }

  #value(value: unknown): string {
    if (value === null || typeof value === 'boolean') return this.#took(String(value))
    if (typeof value === 'string') return this.#took(JSON.stringify(value))
    if (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0)) return this.#took(String(value))
    if (typeof value !== 'object') return this.#tagged(value)
    if (this.#within.has(value)) {
      const remedy = 'Name the object by an id instead.'
      throw this.#refusal('UNENCODABLE', 'is an object that this field is inside of', { remedy })
    }
    this.#within.add(value)
    const text = this.#object(value)
    this.#within.delete(value)
    return text
  }

  #object(value: object): string {
    if (types.isProxy(value)) throw this.#refusal('UNENCODABLE', 'is a proxy', { remedy: 'Pass what is behind it.' })
    const prototype = Object.getPrototypeOf(value) as object | null
    if (prototype === Object.prototype) return this.#fields(value)
    if (prototype === Array.prototype && Array.isArray(value)) return this.#list(value)
    const type = prototype === null ? undefined : this.#typeOf(prototype)
    return type === undefined ? this.#tagged(value) : this.#tag('message', value, type)
  }

  #tagged(value: unknown): string {
    for (const { name, partsOf } of tags) {
      const parts = partsOf(value)
      if (parts !== undefined) return this.#tag(name, parts)
    }
    const remedy = remedyFor(value)
    throw this.#refusal('UNENCODABLE', `is ${shown(value)}, which cannot be brought back`, { remedy })
  }

  #tag(name: string, parts: unknown, type?: CodecType): string {
    this.#enter()
    const written = type === undefined ? this.#value(parts) : this.#message(parts as object, type)
    this.#depth -= 1
    return this.#took(`{"$${name}":`) + written + '}'
  }

  #fields(value: object, reserved?: string): string {
    this.#enter()
    let text = ''
    for (const key of Reflect.ownKeys(value)) {
      this.#path.push(key)
      const field = this.#fieldOf(value, key)
      if (key === '__proto__' || key === reserved) {
        throw this.#refusal('UNENCODABLE', 'has a name that is reserved', { remedy: 'Rename it, or use a Map.' })
      }
      // A name that begins as a tag does has one sign more.
      const name = JSON.stringify(String(key).startsWith('$') ? `$${String(key)}` : key)
      text += `${text === '' ? '' : ','}${this.#took(name)}:${this.#value(field)}`
      this.#path.pop()
    }
    this.#depth -= 1
    return `{${text}}`
  }

  #list(list: readonly unknown[]): string {
    this.#enter()
    let text = ''
    let found = 1 // Its `length` is a property too.
    for (let index = 0; index < list.length; index += 1) {
      if (index > 0) text += ','
      if (Object.hasOwn(list, index)) {
        found += 1
        this.#path.push(index)
        text += this.#value(this.#fieldOf(list, String(index)))
        this.#path.pop()
      } else text += this.#took(HOLE)
    }
    if (Reflect.ownKeys(list).length !== found) {
      throw this.#refusal('UNENCODABLE', 'is a list with fields of its own', { remedy: 'Put them beside the list.' })
    }
    this.#depth -= 1
    return `[${text}]`
  }

  /** What is in a field: it has to be one that another object could have by a plain assignment. */
  #fieldOf(value: object, key: string | symbol): unknown {
    const field = Object.getOwnPropertyDescriptor(value, key) as PropertyDescriptor
    if (typeof key === 'symbol') {
      throw this.#refusal('UNENCODABLE', 'is named by a symbol', { remedy: 'Name it by a string.' })
    }
    if (!('value' in field)) {
      throw this.#refusal('UNENCODABLE', 'is a getter', { remedy: 'Make it a plain field, or move it to the class.' })
    }
    if (field.enumerable !== true) {
      throw this.#refusal('UNENCODABLE', 'is not enumerable', { remedy: 'Assign it plainly.' })
    }
    return field.value
  }

  /** One bracket more. */
  #enter(): void {
    this.#depth += 1
    if (this.#depth <= this.#bounds.maxDepth) return
    const remedy = `Nest it less, or give the codec a larger maxDepth (it is ${this.#bounds.maxDepth}).`
    throw this.#refusal('TOO_DEEP', 'is nested too deep', { remedy })
  }

  /** Counts what was written, to stop long before a message exhausts the memory. */
  #took(text: string): string {
    this.#length += text.length
    if (this.#length <= this.#bounds.maxBytes) return text
    const remedy = `Send less, or give the codec larger maxBytes (it is ${this.#bounds.maxBytes}).`
    throw this.#refusal('TOO_LARGE', 'makes the message too large', { remedy })
  }

  #refusal(code: string, what: string, more: { readonly remedy: string; readonly cause?: unknown }): CodecError {
    const path = pathOf(this.#path)
    const subject = path === '' ? 'The message' : `The field ${shownPath(path)}`
    const cause = 'cause' in more ? { cause: more.cause } : {}
    return new CodecError(code, `${subject} ${what}. ${more.remedy}`, { path, ...cause })
  }
}

function remedyFor(value: unknown): string {
  if (typeof value !== 'object') return 'Leave it out of the message.'
  if (types.isNativeError(value)) return 'Keep of the error what is needed, such as its name, message and code.'
  return (
    'Name its class in new Codec([...]) or the `messages` of the dispatcher, if its fields are all there is to it; ' +
    'else keep plain data in the message.'
  )
}
