import { types } from 'node:util'
import type { CodecBounds } from './codec-bounds.ts'

// Most messages hold nothing but what JSON writes and reads as it is. To see that, and leave the rest to JSON, takes a third of the
// time of writing or reading each field. Whatever else is in a message, or is wrong with it, is for the encoder and the decoder.

/** Where a message's own fields are in its text: inside of two brackets. */
const FIELDS_DEPTH = 2

/**
 * Whether JSON writes the fields of a message as the encoder would: without a tag, and with nothing to refuse. It is false
 * also where that is not certain.
 */
export function isWrittenAsItIs(message: object, bounds: CodecBounds): boolean {
  // What is behind these, JSON would write in the place of their fields.
  if (types.isProxy(message) || types.isBoxedPrimitive(message) || Object.hasOwn(message, '~kind')) return false
  return new Writing(bounds).isPlain(message, FIELDS_DEPTH)
}

/** Whether what JSON has read are the fields as they were written: there is no tag in them, and nothing to refuse. */
export function isReadAsItIs(json: object, depth: number, maxDepth: number): boolean {
  if (depth > maxDepth) return false
  for (const name of Object.keys(json)) {
    if (!Array.isArray(json) && !isPlainName(name)) return false
    const value = (json as Readonly<Record<string, unknown>>)[name]
    if (typeof value === 'number' && !Number.isFinite(value)) return false
    if (typeof value === 'object' && value !== null && !isReadAsItIs(value, depth + 1, maxDepth)) return false
  }
  return true
}

/** Whether it is written as it is: neither reserved, nor like the name of a tag. */
function isPlainName(name: string): boolean {
  return !name.startsWith('$') && name !== '__proto__'
}

/** Looks at a message before it is written, and no further than it may be long. */
class Writing {
  readonly #maxDepth: number
  /** How many characters are left of those that it may have. */
  #left: number

  constructor({ maxDepth, maxBytes }: CodecBounds) {
    this.#maxDepth = maxDepth
    this.#left = maxBytes
  }

  isPlain(value: object, depth: number): boolean {
    if (depth > this.#maxDepth || 'toJSON' in value) return false
    if (Object.getOwnPropertySymbols(value).length > 0) return false
    for (const name of Object.getOwnPropertyNames(value)) {
      if (!isPlainName(name)) return false
      this.#left -= name.length
      if (!this.#isPlainField(value, name, depth)) return false
    }
    return true
  }

  #isPlainField(of: object, name: string, depth: number): boolean {
    // That of a getter has no value, and that of a hole is none.
    const field = Object.getOwnPropertyDescriptor(of, name)
    const value: unknown = field?.value
    this.#left -= typeof value === 'string' ? value.length : 1
    if (field?.enumerable !== true || this.#left < 0) return false
    if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true
    if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0)
    return typeof value === 'object' && this.#isPlainObject(value, depth + 1)
  }

  #isPlainObject(value: object, depth: number): boolean {
    if (types.isProxy(value)) return false
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype) return this.isPlain(value, depth)
    return prototype === Array.prototype && Array.isArray(value) && this.#isPlainList(value, depth)
  }

  #isPlainList(list: readonly unknown[], depth: number): boolean {
    if (depth > this.#maxDepth || 'toJSON' in list) return false
    // Its `length` is a property too.
    if (Object.getOwnPropertyNames(list).length !== list.length + 1) return false
    if (Object.getOwnPropertySymbols(list).length > 0) return false
    for (let index = 0; index < list.length; index += 1) {
      if (!this.#isPlainField(list, String(index), depth)) return false
    }
    return true
  }
}
