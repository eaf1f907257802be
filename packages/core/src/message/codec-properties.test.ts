import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { difference } from '../../test/same.ts'
import {
  Codec,
  CodecError,
  ContractViolation,
  defineEvent,
  Event,
  HandlerDoesNotExist,
  InvalidOption,
} from '../index.ts'

class Noted extends defineEvent<{ value: unknown }>('noted') {}
class Pair extends Event {
  static readonly version = 2
  readonly left: unknown
  readonly right: unknown
  constructor(left: unknown, right: unknown) {
    super()
    this.left = left
    this.right = right
  }
  static upcast(data: object): object {
    return { left: undefined, ...data }
  }
}
class Point {
  readonly at: number
  constructor(at: number) {
    this.at = at
  }
  static revive({ at }: { at: number }): Point {
    return new Point(at)
  }
}

const codec = new Codec([Noted, Pair, Point, 'on startup'])

/** Names that are harmless, and such as somebody could trip over. */
const name = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '$',
    '$$',
    '$date',
    '$$date',
    '$hole',
    '$message',
    'constructor',
    'prototype',
    'toJSON',
    'then',
    '',
    '0',
  ),
)
const bytes = fc.uint8Array({ maxLength: 24 })
const buffer = fc.oneof(
  bytes,
  bytes.map((data) => Buffer.from(data)),
  bytes.map((data) => data.buffer),
  bytes.map((data) => new DataView(data.buffer)),
  fc.int8Array(),
  fc.uint8ClampedArray(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
)

/** Everything that a codec says it brings back, inside each other. */
const { value } = fc.letrec<{ value: unknown; record: Record<string, unknown> }>((tie) => ({
  record: fc.dictionary(name, tie('value'), { maxKeys: 4 }).filter((fields) => !Object.hasOwn(fields, '__proto__')),
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(
      fc.constantFrom(null, undefined, true, false, Number.NaN, Infinity, -Infinity, -0),
      fc.double(),
      fc.integer(),
      fc.string({ unit: 'binary' }),
      fc.bigInt(),
      fc.date({ noInvalidDate: false }),
      fc.webUrl().map((url) => new URL(url)),
      buffer,
      fc.integer().map((at) => new Point(at)),
    ),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.sparseArray(tie('value'), { maxLength: 6, maxNumElements: 3 }),
    tie('record'),
    fc
      .dictionary(fc.string(), tie('value'), { maxKeys: 4, noNullPrototype: false })
      .filter((f) => !Object.hasOwn(f, '__proto__')),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 3 }).map((values) => new Set(values)),
    fc.tuple(tie('value'), tie('value')).map(([left, right]) => new Pair(left, right)),
    fc
      .tuple(
        fc.constantFrom(Error, TypeError, RangeError, InvalidOption, HandlerDoesNotExist),
        fc.string(),
        tie('record'),
      )
      .map(([ErrorClass, text, fields]) => withFields(new ErrorClass(text), fields)),
    fc.tuple(fc.string(), tie('value')).map(([text, cause]) => new Error(text, { cause })),
  ),
}))

/** Defines, and does not assign: a name may be that of a setter. */
function withFields(error: Error, fields: object): Error {
  for (const [key, field] of Object.entries(fields)) {
    if (key === 'stack' || key === 'message' || key === 'name') continue
    Object.defineProperty(error, key, { value: field, enumerable: true, writable: true, configurable: true })
  }
  return error
}

test('whatever a codec writes, it brings back exactly', () => {
  fc.assert(
    fc.property(value, value, (left, right) => {
      const message = new Pair(left, right)
      const text = codec.encode(message)
      const back = codec.decode(text)
      expect(difference(back, message)).toBeUndefined()
      expect(codec.encode(back)).toBe(text)
    }),
  )
})

describe('a text of whatever make', () => {
  /** Everything that a text may begin with, contain, or be turned into. */
  const scraps = fc.constantFrom(
    ...'" \\ { } [ ] , : $ 0 - e 1e999 null "type" "data" "version" "__proto__" "constructor" "~kind"'.split(' '),
    ...'{"$hole":true} {"$map":[]} {"$error":{}} {"$message":{}}'.split(' '),
  )
  const cut = fc.tuple(fc.nat(), fc.nat({ max: 12 }), fc.oneof(scraps, fc.string({ maxLength: 3 })))
  const mutated = fc.tuple(value, value, fc.array(cut, { minLength: 1, maxLength: 4 })).map(([left, right, cuts]) =>
    cuts.reduce(
      (text, [at, length, scrap]) => {
        const start = at % (text.length + 1)
        return text.slice(0, start) + scrap + text.slice(start + length)
      },
      codec.encode(new Pair(left, right)),
    ),
  )
  const tag = fc.constantFrom(
    ...'$undefined $number $bigint $date $map $set $url $bytes $error $bare $message $hole $$date'.split(' '),
    ...'__proto__ constructor class hidden fields type version data ~kind noted Point'.split(' '),
  )
  /** JSON that knows the words. */
  const { json } = fc.letrec<{ json: unknown }>((tie) => ({
    json: fc.oneof(
      { maxDepth: 5 },
      fc.oneof(tag, fc.constantFrom(null, true, 1, 2, 3, '', 'Error', 'Uint8Array', 'AA==', '1'), fc.double()),
      fc.array(tie('json'), { maxLength: 3 }),
      fc.array(fc.tuple(tag, tie('json')), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
    ),
  }))
  const type = fc.constantFrom('noted', 'Pair', 'Point', 'on startup', 'Event', 'toString', '__proto__')
  const message = fc.record({ type, version: fc.constantFrom(0, 1, 2, 3), data: json })

  const registered = [Noted.prototype, Pair.prototype, Point.prototype]
  const others = [Object, Array, Date, Map, Set, URL, ArrayBuffer, Error].map(({ prototype }): object => prototype)

  const ownNames = (): unknown[] =>
    [...registered, ...others, Function.prototype].map((prototype) => Reflect.ownKeys(prototype))

  /** What is wrong with what a codec makes of a text. */
  function wrongWith(text: string): unknown {
    try {
      const back = codec.decode(text)
      const isMessage =
        typeof back === 'string' ? back === 'on startup' : registered.includes(Object.getPrototypeOf(back))
      return isMessage ? strangerIn(back) : back
    } catch (error) {
      const isItsOwn = error instanceof CodecError || error instanceof ContractViolation
      return isItsOwn && error.message.length < 2_000 ? undefined : error
    }
  }

  /** Whatever is neither plain nor an instance of a class that the codec knows. */
  function strangerIn(back: unknown): unknown {
    if (typeof back !== 'object' || back === null) return typeof back === 'function' ? back : undefined
    if (ArrayBuffer.isView(back)) return undefined
    const prototype = Object.getPrototypeOf(back) as object | null
    const isKnown = prototype === null || back instanceof Error || [...registered, ...others].includes(prototype)
    if (!isKnown) return back
    const content = back instanceof Map || back instanceof Set ? [...back] : []
    const fields = Object.values(Object.getOwnPropertyDescriptors(back)).map((field) => field.value as unknown)
    return [...content, ...fields].map(strangerIn).find((found) => found !== undefined)
  }

  test.each([
    ['that was written, and then was changed', mutated],
    ['that is any JSON', fc.json()],
    ['that is JSON in the words of a codec', json.map((parsed) => JSON.stringify(parsed))],
    ['that is a message of any data', message.map((parsed) => JSON.stringify(parsed))],
    ['that is any text', fc.string()],
  ])('%s: gives a message, or fails as a codec does', (_, texts) => {
    const before = ownNames()
    fc.assert(
      fc.property(texts, (text) => {
        expect(wrongWith(text)).toBeUndefined()
      }),
      { numRuns: 300 },
    )
    expect(ownNames()).toEqual(before)
  })
})
