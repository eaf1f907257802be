import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Codec, CodecError, Event } from '../index.ts'
import { contractOf } from './contract.ts'
import { Encoder } from './encoder.ts'
import { copyOfPlain, isReadAsItIs } from './plain.ts'

class Noted extends Event {
  constructor(fields: object) {
    super()
    Object.defineProperties(this, Object.getOwnPropertyDescriptors(fields))
  }
}

const bounds = { maxDepth: 8, maxBytes: 400 }
const type = { name: 'Noted', type: Noted, contract: contractOf(Noted) }
const codec = new Codec([Noted], bounds)

/** What the encoder makes of it, field by field: its text, or why it refuses it. */
const written = (message: object): string => {
  const encoder = new Encoder((prototype) => (prototype === Noted.prototype ? type : undefined), bounds)
  return outcome(() => encoder.encode(message))
}

const outcome = (encode: () => string): string => {
  try {
    return encode()
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return `${error.code} at ${error.path}`
  }
}

/** In all that a handler could see of it, also in the order of the fields. */
const expectSame = (copy: object, read: object): void => {
  expect(isDeepStrictEqual(copy, read)).toBe(true)
  expect(JSON.stringify(copy)).toBe(JSON.stringify(read))
}

describe('a message that is written as it is', () => {
  const odd = fc.constantFrom<unknown>(
    undefined,
    -0,
    Number.NaN,
    Infinity,
    1n,
    new Date(0),
    new Map(),
    /a/,
    () => 1,
    Symbol('a'),
    new Proxy({}, {}),
    Object.create(null),
    new Noted({ a: 1 }),
    Object.defineProperty({}, 'hidden', { value: 1 }),
    Object.defineProperty({}, 'got', { get: () => 1, enumerable: true }),
    Object.assign([1], { more: 2 }),
    { [Symbol('a')]: 1 },
    { toJSON: () => 'something else' },
    Object.assign([1], { length: 3 }), // It has holes.
    '\ud800',
    'x'.repeat(300),
  )
  const name = fc.oneof(
    fc.string({ maxLength: 3 }),
    fc.constantFrom('$', '$date', '$$', '~kind', 'toJSON', 'constructor'),
  )
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 9, depthSize: 'large' },
      fc.oneof(
        {
          weight: 6,
          arbitrary: fc.oneof(
            fc.string({ unit: 'binary' }),
            fc.integer(),
            fc.double(),
            fc.boolean(),
            fc.constant(null),
          ),
        },
        { weight: 1, arbitrary: odd },
      ),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(name, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
  }))

  test('has the text that the encoder writes, and is refused as it refuses it', () => {
    let asTheyAre = 0
    fc.assert(
      fc.property(fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true }), (fields) => {
        const message = new Noted(fields)
        const copy = copyOfPlain(message, Noted.prototype, bounds)
        if (copy !== undefined) asTheyAre += 1
        // What is too long in bytes, the codec refuses once it is written.
        const text = written(message)
        const isLong = Buffer.byteLength(text) > bounds.maxBytes
        expect(outcome(() => codec.encode(message))).toBe(isLong ? 'TOO_LARGE at ' : text)
        if (copy !== undefined && !isLong) expectSame(copy, codec.decode(text))
      }),
      { numRuns: 2_000 },
    )
    expect(asTheyAre).toBeGreaterThan(200)
  })
})

class Amount extends Number {
  readonly unit = 'EUR'
}

test('what is behind a proxy, or is a number by itself, is for the encoder', () => {
  const lying = new Proxy(new Noted({ a: 1 }), { get: () => 2 })
  const copies = [lying, new Amount(5)].map((one) => copyOfPlain(one, Noted.prototype, bounds))
  expect(copies).toEqual([undefined, undefined])
  expect(codec.decode(codec.encode(lying))).toEqual(new Noted({ a: 1 }))
})

test('what is deeper than it may be is not taken to be read as it is', () => {
  const nested = (depth: number): object => (depth === 1 ? {} : { a: nested(depth - 1) })
  expect([isReadAsItIs(nested(3), 2, 4), isReadAsItIs(nested(4), 2, 4)]).toEqual([true, false])
  expect([isReadAsItIs({ a: [[1]] }, 2, 4), isReadAsItIs({ a: [[[1]]] }, 2, 4)]).toEqual([true, false])
})

test.each([
  ['{"a":1,"$b":2}'],
  ['{"a":{"$date":"x"}}'],
  ['{"__proto__":{"a":1}}'],
  ['{"a":[{"__proto__":1}]}'],
  ['{"a":1e999}'],
  ['{"a":[1,{"$hole":true}]}'],
])('%s is not read as it is', (text) => {
  expect(isReadAsItIs(JSON.parse(text) as object, 2, 100)).toBe(false)
})

test("what is written has a copy, in which nothing is anybody else's", () => {
  const message = new Noted({ list: [{ a: 1 }], of: { b: 'c' } })
  const { text, copy } = codec.write(message) as { readonly text: string; readonly copy: typeof message & Lists }
  ;(message as typeof message & Lists).list[0] = { a: 2 }
  ;(message as typeof message & Lists).of.b = 'd'
  expectSame(copy, codec.decode(text))
  expect(copy.list).toEqual([{ a: 1 }])
})

interface Lists {
  list: unknown[]
  of: { b: string }
}

class Revived extends Event {
  static revive({ at }: { readonly at: number }): Revived {
    return new Revived(at)
  }
  readonly at: number
  constructor(at: number) {
    super()
    this.at = at
  }
}

test.each([new Revived(1), new Noted({ at: new Date(1) }), 'on startup'])('%o has to be read for one', (message) => {
  expect(new Codec([Revived, Noted, 'on startup']).write(message).copy).toBeUndefined()
})

class Tracked extends Event {
  declare note: string
}
Object.defineProperty(Tracked.prototype, 'note', {
  set: () => {
    throw new Error('A field is made, not set.')
  },
})

test('a field of a copy is made, whatever is inherited under its name', () => {
  const message = Object.defineProperty(new Tracked(), 'note', { value: 'a', enumerable: true })
  const { copy } = new Codec([Tracked]).write(message)
  expect(Object.getOwnPropertyDescriptor(copy, 'note')).toMatchObject({ value: 'a', enumerable: true })
})
