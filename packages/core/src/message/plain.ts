import { types } from 'node:util'
import type { CodecBounds } from './codec-bounds.ts'
import { setField } from './revive.ts'

// Most messages hold nothing but what JSON writes and reads as it is. To see that, and leave the rest to JSON, takes a third of the
// time of writing or reading each field. Whatever else is in a message, or is wrong with it, is for the encoder and the decoder.

/** Where a message's own fields are in its text: inside of two brackets. */
const FIELDS_DEPTH = 2

/**
 * A copy of a message whose fields JSON writes as the encoder would, without a tag, and with nothing to refuse: as it would come
 * back. None also where that is not certain.
 *
 * @param prototype of its class.
 */
export function copyOfPlain(message: object, prototype: object, bounds: CodecBounds): object | undefined {
  // What is behind these, JSON would write in the place of their fields.
  if (types.isProxy(message) || types.isBoxedPrimitive(message) || Object.hasOwn(message, '~kind')) return undefined
  const copy = Object.create(prototype) as object
  return new Copying(bounds).copyFields(message, copy, FIELDS_DEPTH) ? copy : undefined
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

/** What is not written as it is. */
const other: unique symbol = Symbol('other')

/** Looks at a message before it is written, and no further than it may be long. */
class Copying {
  readonly #maxDepth: number
  /** How many characters are left of those that it may have. */
  #left: number

  constructor({ maxDepth, maxBytes }: CodecBounds) {
    this.#maxDepth = maxDepth
    this.#left = maxBytes
  }

  /** Tells whether all of them are written as they are. */
  copyFields(from: object, to: object, depth: number): boolean {
    if (depth > this.#maxDepth || 'toJSON' in from) return false
    if (Object.getOwnPropertySymbols(from).length > 0) return false
    for (const name of Object.getOwnPropertyNames(from)) {
      if (!isPlainName(name)) return false
      this.#left -= name.length
      const value = this.#copyField(from, name, depth)
      if (value === other) return false
      setField(to, name, value)
    }
    return true
  }

  #copyField(of: object, name: string, depth: number): unknown {
    // That of a getter has no value, and that of a hole is none.
    const field = Object.getOwnPropertyDescriptor(of, name)
    const value: unknown = field?.value
    this.#left -= typeof value === 'string' ? value.length : 1
    if (field?.enumerable !== true || this.#left < 0) return other
    if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
    if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? value : other
    return typeof value === 'object' ? this.#copyObject(value, depth + 1) : other
  }

  #copyObject(value: object, depth: number): unknown {
    if (types.isProxy(value)) return other
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Array.prototype && Array.isArray(value)) return this.#copyList(value, depth)
    if (prototype !== Object.prototype) return other
    const copy = {}
    return this.copyFields(value, copy, depth) ? copy : other
  }

  #copyList(list: readonly unknown[], depth: number): unknown {
    if (depth > this.#maxDepth || 'toJSON' in list) return other
    // Its `length` is a property too.
    if (Object.getOwnPropertyNames(list).length !== list.length + 1) return other
    if (Object.getOwnPropertySymbols(list).length > 0) return other
    const copy: unknown[] = []
    for (let index = 0; index < list.length; index += 1) {
      const value = this.#copyField(list, String(index), depth)
      if (value === other) return other
      copy.push(value)
    }
    return copy
  }
}
