import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { difference } from '../../test/same.ts'
import {
  Codec,
  CodecError,
  ContractViolation,
  defineCommand,
  defineEvent,
  Event,
  ImproperlyConfigured,
  InvalidMessage,
  InvalidOption,
  MaxDepthExceeded,
  NonRetryable,
} from '../index.ts'

class Noted extends defineEvent<{ value: unknown }>('notes.noted') {}
class Opened extends defineEvent('notes.opened') {}
class Save extends defineCommand<Record<string, unknown>>('notes.save') {}
class Plain {
  readonly text = 'a note'
}
class Money {
  readonly amount: number
  constructor(amount: number) {
    this.amount = amount
  }
}
class Price extends Money {
  static readonly type = 'notes.price'
}

const codec = new Codec([Noted, Opened, Save, Plain, Price, 'on startup'])

/** What is refused, in the words of the error. */
function refusalOf(call: () => unknown): CodecError {
  try {
    call()
  } catch (error) {
    if (error instanceof CodecError) return error
    throw error
  }
  throw new Error('Nothing was refused.')
}

const through = (value: unknown): unknown => (codec.decode(codec.encode(new Noted({ value }))) as Noted).value
const encoding = (value: unknown) => (): string => codec.encode(new Noted({ value }))
const decoding = (value: string) => (): unknown =>
  codec.decode(`{"type":"notes.noted","version":1,"data":{"value":${value}}}`)

describe('a message', () => {
  test('is written as JSON with its type, its version and its data', () => {
    expect(codec.encode(new Save({ title: 'Emma', year: 1815 }))).toBe(
      '{"type":"notes.save","version":1,"data":{"title":"Emma","year":1815}}',
    )
  })

  test('comes back as an instance of its class, with its fields', () => {
    const message = codec.decode(codec.encode(new Save({ title: 'Emma', tags: ['a', { b: null }] })))
    expect(message).toBeInstanceOf(Save)
    expect(message).toStrictEqual(new Save({ title: 'Emma', tags: ['a', { b: null }] }))
  })

  test('comes back without its constructor being called', () => {
    let made = 0
    class Counted extends Event {
      readonly n = (made += 1)
    }
    const counting = new Codec([Counted])
    const text = counting.encode(new Counted())
    expect(counting.decode(text)).toMatchObject({ n: 1 })
    expect(made).toBe(1)
  })

  test('without a payload has empty data', () => {
    expect(codec.encode(new Opened())).toBe('{"type":"notes.opened","version":1,"data":{}}')
    expect(codec.decode(codec.encode(new Opened()))).toStrictEqual(new Opened())
  })

  test('that is a string has only a type, and comes back as the string', () => {
    expect(codec.encode('on startup')).toBe('{"type":"on startup"}')
    expect(codec.decode('{"type":"on startup"}')).toBe('on startup')
  })

  test('of a plain class is known by the name of the class', () => {
    expect(codec.decode(codec.encode(new Plain()))).toStrictEqual(new Plain())
  })

  test('inside another comes back as an instance, where the codec knows its class', () => {
    const value = { first: new Opened(), price: new Price(3), list: [new Save({ $: new Noted({ value: 1n }) })] }
    expect(through(value)).toStrictEqual(value)
    expect(encoding(new Price(3))()).toContain('{"$message":{"type":"notes.price","version":1,"data":{"amount":3}}}')
  })
})

describe('a value comes back as it was:', () => {
  const holes: unknown[] = []
  holes[1] = 1
  holes[3] = undefined
  holes.length = 5

  test.each<[string, unknown, string]>([
    ['undefined', undefined, '{"$undefined":true}'],
    ['null', null, 'null'],
    ['NaN', Number.NaN, '{"$number":"NaN"}'],
    ['minus infinity', -Infinity, '{"$number":"-Infinity"}'],
    ['minus zero', -0, '{"$number":"-0"}'],
    ['a bigint', -(2n ** 70n), '{"$bigint":"-1180591620717411303424"}'],
    ['a date', new Date('1815-12-23T00:00:00.000Z'), '{"$date":"1815-12-23T00:00:00.000Z"}'],
    ['the last date there is', new Date(8.64e15), '{"$date":"+275760-09-13T00:00:00.000Z"}'],
    ['a date that is none', new Date(Number.NaN), '{"$date":null}'],
    ['a map', new Map<unknown, unknown>([[{ a: 1 }, new Set([1])]]), '{"$map":[[{"a":1},{"$set":[1]}]]}'],
    ['a set', new Set([undefined, 'a']), '{"$set":[{"$undefined":true},"a"]}'],
    ['a URL', new URL('https://example.org/a?b#c'), '{"$url":"https://example.org/a?b#c"}'],
    ['bytes', new Uint8Array([1, 2, 255]), '{"$bytes":["Uint8Array","AQL/"]}'],
    ['a buffer', Buffer.from('Emma'), '{"$bytes":["Buffer","RW1tYQ=="]}'],
    ['an array buffer', new Uint8Array([7]).buffer, '{"$bytes":["ArrayBuffer","Bw=="]}'],
    [
      'a part of a buffer',
      new Uint16Array(new Uint8Array([1, 2, 3, 4, 5, 6]).buffer, 2, 1),
      '{"$bytes":["Uint16Array","AwQ="]}',
    ],
    ['a view', new DataView(new ArrayBuffer(1)), '{"$bytes":["DataView","AA=="]}'],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 }), '{"$bare":{"a":1}}'],
    ['a list with holes', holes, '[{"$hole":true},1,{"$hole":true},{"$undefined":true},{"$hole":true}]'],
    ['half of a character', '\uD800', String.raw`"\ud800"`],
    ['a field named constructor', { constructor: { prototype: { a: 1 } } }, '{"constructor":{"prototype":{"a":1}}}'],
    ['a field named toJSON', { toJSON: 1 }, '{"toJSON":1}'],
    ['what looks like a tag', { $date: 'today' }, '{"$$date":"today"}'],
    ['what looks like a written tag', { $$date: { $: 1 } }, '{"$$$date":{"$$":1}}'],
    ['what looks like a hole', [{ $hole: true }], '[{"$$hole":true}]'],
  ])('%s', (_, value, written) => {
    expect(codec.encode(new Noted({ value }))).toBe(`{"type":"notes.noted","version":1,"data":{"value":${written}}}`)
    expect(difference(through(value), value)).toBeUndefined()
  })

  test('a message whose own fields look like a tag', () => {
    const message = new Save({ $map: [] })
    expect(codec.decode(codec.encode(message))).toStrictEqual(message)
  })

  test('bytes, in memory of their own', () => {
    const bytes = through(new Uint8Array([1, 2])) as Uint8Array
    expect(bytes.buffer.byteLength).toBe(2)
  })

  test.each<[string, Error]>([
    ['one of the language', new RangeError('too far')],
    [
      'with a cause and fields',
      Object.assign(new Error('failed', { cause: new Map([[1, 2n]]) }), { code: 'ENOENT', at: new Date(0) }),
    ],
    ['of several', new AggregateError([new TypeError('one'), 2], 'both')],
    ['one of ours', new NonRetryable('no use', { cause: null })],
    ['one of ours, with more to say', new MaxDepthExceeded('too deep', ['a', 'b'])],
  ])('an error: %s', (_, error) => {
    const back = through(error) as Error
    expect(difference(back, error)).toBeUndefined()
    expect(back.stack).toBe(error.stack)
    expect(Object.entries(back)).toStrictEqual(Object.entries(error))
  })

  test('an error whose stack was taken away', () => {
    const error = new Error('bare')
    delete (error as { stack?: string }).stack
    expect(Object.hasOwn(through(error) as Error, 'stack')).toBe(false)
  })

  test('two references to one object become two objects', () => {
    const shared = { a: 1 }
    const [first, second] = through([shared, shared]) as object[]
    expect(first).toStrictEqual(shared)
    expect(first).not.toBe(second)
  })
})

describe('what would not come back is refused, with its path:', () => {
  class Loose {
    readonly a = 1
  }
  const cycle: Record<string, unknown> = { a: 1 }
  cycle['self'] = [cycle]
  const moved = new Uint8Array(8)
  structuredClone(moved, { transfer: [moved.buffer] })

  test.each<[string, unknown, string, string]>([
    [
      'a function',
      { deep: [() => {}] },
      'value.deep[0]',
      'is an anonymous function, which cannot be brought back. Leave',
    ],
    ['a symbol', Symbol('a'), 'value', 'is Symbol(a), which cannot be brought back'],
    [
      'an instance',
      { 'a b': new Loose() },
      'value["a b"]',
      'is an instance of Loose, which cannot be brought back. Name its',
    ],
    ['an instance of a base', new Money(1), 'value', 'is an instance of Money'],
    ['an instance of a class of a list', new (class Many extends Array {})(), 'value', 'is an array of 0'],
    ['a date with fields', Object.assign(new Date(0), { a: 1 }), 'value', 'is an instance of Date'],
    ['an instance of a class of a date', new (class Day extends Date {})(), 'value', 'is an instance of Day'],
    ['what only looks like a date', Object.create(Date.prototype), 'value', 'is an instance of Date'],
    ['a pattern', /a/, 'value', 'is an instance of RegExp'],
    ['a promise', Promise.resolve(), 'value', 'is an instance of Promise'],
    ['a boxed number', Object(1), 'value', 'is an instance of Number'],
    [
      'an error of a class of its own',
      new (class Own extends Error {})('x'),
      'value',
      'is an instance of Own, which cannot be brought back. Keep of the error',
    ],
    ['an object of another realm', runInNewContext('({})'), 'value', 'is a plain object, which'],
    ['memory that is shared', new Uint8Array(new SharedArrayBuffer(1)), 'value', 'is an instance of Uint8Array'],
    [
      'memory that can grow',
      Reflect.construct(ArrayBuffer, [1, { maxByteLength: 2 }]),
      'value',
      'is an instance of ArrayBuffer',
    ],
    ['memory that was transferred away', { moved }, 'value.moved', 'could not be read'],
    [
      'a getter',
      {
        get now() {
          return 1
        },
      },
      'value.now',
      'is a getter',
    ],
    ['a setter', { set now(_: number) {} }, 'value.now', 'is a getter'],
    ['a symbol as name', { [Symbol('a')]: 1 }, 'value[Symbol(a)]', 'is named by a symbol'],
    ['a field that is not enumerable', Object.defineProperty({}, 'a', { value: 1 }), 'value.a', 'is not enumerable'],
    ['a name that is reserved', JSON.parse('{"__proto__":1}'), 'value.__proto__', 'has a name that is reserved'],
    ['a list with fields', Object.assign([1], { index: 0 }), 'value', 'is a list with fields of its own'],
    ['a getter in a list', Object.defineProperty([], 0, { get: () => 1, enumerable: true }), 'value[0]', 'is a getter'],
    ['a cycle', cycle, 'value.self[0]', 'is an object that this field is inside of'],
    ['a proxy', new Proxy({}, {}), 'value', 'is a proxy'],
    ['a value of a map', new Map([['a', () => {}]]), 'value[0][1]', 'is an anonymous function'],
    ['a cause of an error', new Error('a', { cause: Symbol('b') }), 'value.hidden.cause', 'is Symbol(b)'],
  ])('%s', (_, value, path, text) => {
    const error = refusalOf(encoding(value))
    expect(error.message).toContain(`The field ${path} ${text}`)
    expect(error).toMatchObject({ code: 'UNENCODABLE', path })
  })

  test('a message with a method among its fields, whatever it is called', () => {
    const error = refusalOf(() => codec.encode(new Save({ toJSON: () => 'trapped' })))
    expect(error).toMatchObject({ code: 'UNENCODABLE', path: 'toJSON' })
  })

  test('a method toJSON of a class is not called', () => {
    class Trap extends defineEvent<{ a: number }>('notes.trap') {
      toJSON(): string {
        return 'trapped'
      }
    }
    expect(new Codec([Trap]).encode(new Trap({ a: 1 }))).toContain('"data":{"a":1}')
  })

  test('a message that is inside of itself', () => {
    const message = new Save({ a: {} })
    Object.assign(message['a'] as object, { message })
    expect(refusalOf(() => codec.encode(message))).toMatchObject({ code: 'UNENCODABLE', path: 'a.message' })
  })

  test('a message that a map is inside of, which is inside of the map', () => {
    const map = new Map<string, unknown>()
    map.set('map', map)
    expect(refusalOf(encoding(map))).toMatchObject({ code: 'UNENCODABLE', path: 'value[0][1]' })
  })

  test('what is no message', () => {
    expect(() => codec.encode({ a: 1 })).toThrow(InvalidMessage)
  })

  test('a message that the codec does not know, or only under the same name', () => {
    class Other extends defineEvent('notes.opened') {}
    expect(refusalOf(() => codec.encode(new Other()))).toMatchObject({ code: 'UNKNOWN_TYPE' })
    expect(refusalOf(() => codec.encode(new Other())).message).toContain("the class Other of type 'notes.opened'.")
    expect(refusalOf(() => codec.encode('notes.opened'))).toMatchObject({ code: 'UNKNOWN_TYPE' })
    expect(refusalOf(() => codec.encode('other')).message).toBe(
      "The codec does not know the string 'other'. Name it in new Codec([...]), or in the `messages` of the dispatcher.",
    )
  })
})

describe('a text that no codec writes is refused:', () => {
  test.each<[string, string]>([
    ['what is no JSON', '{'],
    ['a list', '[]'],
    ['null', 'null'],
    ['a number', '1'],
    ['no type', '{"version":1,"data":{}}'],
    ['a type that is no text', '{"type":1,"version":1,"data":{}}'],
    ['no version', '{"type":"notes.opened","data":{}}'],
    ['a version of 0', '{"type":"notes.opened","version":0,"data":{}}'],
    ['half a version', '{"type":"notes.opened","version":1.5,"data":{}}'],
    ['a version in words', '{"type":"notes.opened","version":"1","data":{}}'],
    ['no data', '{"type":"notes.opened","version":1}'],
    ['data that is a list', '{"type":"notes.opened","version":1,"data":[]}'],
    ['data that is null', '{"type":"notes.opened","version":1,"data":null}'],
    ['data that is a tag', '{"type":"notes.opened","version":1,"data":{"$map":[]}}'],
    ['more than that', '{"type":"notes.opened","version":1,"data":{},"id":1}'],
    ['a prototype', '{"type":"notes.opened","version":1,"data":{},"__proto__":{}}'],
    ['a string with data', '{"type":"on startup","data":{}}'],
    ['a string with a version', '{"type":"on startup","version":1}'],
    ['what is no text', 1 as never],
  ])('%s', (_, text) => {
    expect(refusalOf(() => codec.decode(text)).code).toBe('MALFORMED')
  })

  test.each<[string, string]>([
    ['a tag that there is not', '{"$regexp":"a"}'],
    ['a tag of a hole outside of a list', '{"$hole":true}'],
    ['a hole that is no hole', '[{"$hole":false}]'],
    ['undefined with a value', '{"$undefined":1}'],
    ['a number that JSON has', '{"$number":"1"}'],
    ['a number beyond all', '1e999'],
    ['a bigint that is none', '{"$bigint":"1.5"}'],
    ['a bigint that is no text', '{"$bigint":1}'],
    ['a bigint written otherwise', '{"$bigint":"0x1"}'],
    ['minus zero as a bigint', '{"$bigint":"-0"}'],
    ['a date that there is not', '{"$date":"2026-02-30T00:00:00.000Z"}'],
    ['a date written otherwise', '{"$date":"2026-02-01"}'],
    ['a date that is no text', '{"$date":0}'],
    ['a map that is no list', '{"$map":{}}'],
    ['a map of what is no pair', '{"$map":[[1]]}'],
    ['a map with a key twice', '{"$map":[[1,2],[1,3]]}'],
    ['a map made of a set', '{"$map":{"$set":[]}}'],
    ['a set with a value twice', '{"$set":[1,1]}'],
    ['a set that is no list', '{"$set":"ab"}'],
    ['a URL that is none', '{"$url":"nowhere"}'],
    ['a URL written otherwise', '{"$url":"HTTP://a"}'],
    ['bytes of a class that there is not', '{"$bytes":["Array",""]}'],
    ['bytes of a class of memory that is shared', '{"$bytes":["SharedArrayBuffer",""]}'],
    ['bytes that are no base64', '{"$bytes":["Uint8Array","?"]}'],
    ['bytes written otherwise', '{"$bytes":["Uint8Array","AQ"]}'],
    ['bytes that are too few', '{"$bytes":["Uint16Array","AQ=="]}'],
    ['bytes and more', '{"$bytes":["Uint8Array","AQ==",1]}'],
    ['an error of a class that there is not', '{"$error":{"class":"Function","hidden":{},"fields":{}}}'],
    ['an error without fields', '{"$error":{"class":"Error","hidden":{}}}'],
    ['an error and more', '{"$error":{"class":"Error","hidden":{},"fields":{},"more":1}}'],
    ['an error that is a message', '{"$error":{"$message":{"type":"notes.opened","version":1,"data":{}}}}'],
    ['a bare object that is none', '{"$bare":[]}'],
    ['a message that is none', '{"$message":1}'],
    ['a tag beside a field', '{"$date":null,"a":1}'],
    ['two tags', '{"$date":null,"$set":[]}'],
    ['a prototype', '{"__proto__":{"isAdmin":true}}'],
    ['a prototype in a bare object', '{"$bare":{"__proto__":{"isAdmin":true}}}'],
  ])('%s', (_, text) => {
    const error = refusalOf(decoding(text))
    expect(error.code).toBe('MALFORMED')
    expect(error.path).toMatch(/^value/)
    expect(error.message).toMatch(/^In the text, value.*\. Look at who wrote it/)
  })

  test('a field under the name by which the kind is known, of the message or one inside', () => {
    const text = '{"type":"notes.opened","version":1,"data":{"~kind":"command"}}'
    expect(refusalOf(() => codec.decode(text)).message).toContain("has a field '~kind'")
    expect(refusalOf(decoding(`{"$message":${text}}`))).toMatchObject({ code: 'NOT_REVIVED', path: 'value' })
  })

  test('a type that the codec does not know, here or inside', () => {
    const text = '{"type":"constructor","version":1,"data":{}}'
    expect(refusalOf(() => codec.decode(text))).toMatchObject({ code: 'UNKNOWN_TYPE', path: '' })
    expect(refusalOf(() => codec.decode(text)).message).toContain('"constructor"')
    expect(refusalOf(decoding(`[{"$message":${text}}]`))).toMatchObject({ code: 'UNKNOWN_TYPE', path: 'value[0]' })
  })
})

describe('the bounds', () => {
  const small = new Codec([Noted], { maxDepth: 5, maxBytes: 150 })

  test.each<[string, unknown, unknown]>([
    ['lists', [[[]]], [[[[]]]]],
    ['objects', { a: { b: {} } }, { a: { b: { c: {} } } }],
    ['a map', new Map([[1, 2]]), new Map([[1, []]])],
    ['what has no form in JSON', [[undefined]], [[[undefined]]]],
    ['a message inside', new Noted({ value: 1 }), new Noted({ value: [] })],
  ])('of depth hold in both directions, for %s', (_, fits, tooDeep) => {
    const text = small.encode(new Noted({ value: fits }))
    expect(small.decode(text)).toStrictEqual(new Noted({ value: fits }))
    expect(refusalOf(() => small.encode(new Noted({ value: tooDeep })))).toMatchObject({ code: 'TOO_DEEP' })
    const long = new Codec([Noted]).encode(new Noted({ value: tooDeep }))
    expect(refusalOf(() => small.decode(long))).toMatchObject({ code: 'TOO_DEEP' })
  })

  test('of depth hold for a text of brackets alone', () => {
    const deep = 100_000
    expect(refusalOf(decoding('['.repeat(deep) + ']'.repeat(deep)))).toMatchObject({ code: 'TOO_DEEP' })
    expect(refusalOf(decoding('{"$number":'.repeat(deep / 2) + '1' + '}'.repeat(deep / 2)))).toMatchObject({
      code: 'TOO_DEEP',
    })
  })

  test('of depth hold at their largest, without exhausting the stack', () => {
    const deepest = new Codec([Noted], { maxDepth: 500 })
    let value: unknown = []
    for (let depth = 0; depth < 497; depth += 1) value = [value]
    const text = deepest.encode(new Noted({ value }))
    expect(deepest.encode(deepest.decode(text))).toBe(text)
  })

  test('of size hold in both directions, in bytes', () => {
    const frame = Buffer.byteLength(small.encode(new Noted({ value: '' })))
    const fits = 'x'.repeat(150 - frame)
    const wide = 'é'.repeat(150 - frame)
    expect(small.decode(small.encode(new Noted({ value: fits })))).toMatchObject({ value: fits })
    for (const value of [`${fits}x`, wide, fits.repeat(1_000)]) {
      expect(refusalOf(() => small.encode(new Noted({ value })))).toMatchObject({ code: 'TOO_LARGE' })
      expect(refusalOf(() => small.decode(encoding(value)()))).toMatchObject({ code: 'TOO_LARGE' })
    }
  })

  test('of size stop what would be endless: a list with few items and a huge length, an object that repeats', () => {
    const list: unknown[] = []
    list[2 ** 32 - 2] = 1
    expect(refusalOf(encoding(list))).toMatchObject({ code: 'TOO_LARGE' })
    let value: object = { a: 'a' }
    for (let doubled = 0; doubled < 40; doubled += 1) value = { value, again: value }
    expect(refusalOf(encoding(value))).toMatchObject({ code: 'TOO_LARGE' })
  })

  test.each<[string, object, string]>([
    ['a depth of 0', { maxDepth: 0 }, 'maxDepth is 0'],
    ['a depth that exhausts the stack', { maxDepth: 501 }, 'maxDepth is 501. Pass at most 500.'],
    ['a size that is no number', { maxBytes: '1' }, 'maxBytes is "1"'],
    ['an option that there is not', { depth: 1 }, "new Codec() has no option 'depth'"],
  ])('cannot be %s', (_, options, text) => {
    expect(() => new Codec([Noted], options)).toThrow(InvalidOption)
    expect(() => new Codec([Noted], options)).toThrow(text)
  })
})

describe('a codec cannot be made of', () => {
  class Again extends defineEvent('notes.noted') {}

  test.each<[string, unknown, string]>([
    ['what is no list', Noted, 'The types of a codec are the'],
    ['what is no type', [Noted, 1], 'Among the types of a codec is 1.'],
    ['a class without a name', [class extends Event {}], 'a class without a name'],
  ])('%s', (_, types, text) => {
    expect(() => new Codec(types as never)).toThrow(InvalidOption)
    expect(() => new Codec(types as never)).toThrow(text)
  })

  test('two types of one name; but of one twice', () => {
    expect(() => new Codec([Noted, Noted])).not.toThrow()
    expect(() => new Codec([Noted, Again])).toThrow(ImproperlyConfigured)
    expect(() => new Codec([Opened, 'notes.opened'])).toThrow("have one name, 'notes.opened': class Opened, a string.")
  })
})

describe('a version', () => {
  class BookAdded extends defineEvent<{ title: string; authors: string[] }>('library.book-added') {
    static readonly version: number = 3
    static upcast(data: { title: string; author?: string; authors?: string[] }, fromVersion: number): object {
      if (fromVersion === 1) return { title: data.title, authors: [data.author] }
      return data
    }
  }
  const books = new Codec([BookAdded])

  test('is written', () => {
    expect(books.encode(new BookAdded({ title: 'Emma', authors: [] }))).toContain('"version":3')
  })

  test('that is older is read as this one', () => {
    const back = books.decode('{"type":"library.book-added","version":1,"data":{"title":"Emma","author":"Jane"}}')
    expect(back).toStrictEqual(new BookAdded({ title: 'Emma', authors: ['Jane'] }))
  })

  test('of now is not upcast', () => {
    class Fails extends BookAdded {
      static override upcast(): never {
        throw new Error('not to be called')
      }
    }
    const message = new Fails({ title: 'Emma', authors: [] })
    const failing = new Codec([Fails])
    expect(failing.decode(failing.encode(message))).toStrictEqual(message)
    const text = '{"type":"library.book-added","version":2,"data":{}}'
    expect(refusalOf(() => failing.decode(text)).message).toBe(
      "The static upcast of 'library.book-added' threw: not to be called",
    )
    expect(refusalOf(() => failing.decode(text))).toMatchObject({
      code: 'NOT_REVIVED',
      cause: new Error('not to be called'),
    })
  })

  test('that is newer is refused', () => {
    const error = refusalOf(() => books.decode('{"type":"library.book-added","version":4,"data":{}}'))
    expect(error.code).toBe('UNKNOWN_VERSION')
    expect(error.message).toBe(
      "'library.book-added' is of version 4 here; its class knows version 3. Update this program first.",
    )
  })

  test('that is older is refused, where the class has no upcast', () => {
    class Second extends defineEvent('library.second') {
      static readonly version = 2
    }
    const error = refusalOf(() => new Codec([Second]).decode('{"type":"library.second","version":1,"data":{}}'))
    expect(error.code).toBe('UNKNOWN_VERSION')
    expect(error.message).toContain('Give its class a static upcast(data, fromVersion).')
  })

  test.each<[string, unknown, string]>([
    ['no object', 1, '1'],
    ['a promise', Promise.resolve({}), 'an instance of Promise'],
    ['a list', [], 'an array of 0'],
  ])('is not upcast to %s', (_, upcasted, shown) => {
    class Wrong extends defineEvent('library.wrong') {
      static readonly version = 2
      static upcast(): unknown {
        return upcasted
      }
    }
    const error = refusalOf(() => new Codec([Wrong]).decode('{"type":"library.wrong","version":1,"data":{}}'))
    expect(error.code).toBe('NOT_REVIVED')
    expect(error.message).toContain(`The static upcast of 'library.wrong' gave ${shown}.`)
  })

  test.each(['__proto__', '~kind'])('is not upcast to a message with a field %s', (name) => {
    class Wrong extends defineEvent('library.wrong') {
      static readonly version = 2
      static upcast(): unknown {
        return JSON.parse(`{"${name}":"command"}`)
      }
    }
    const error = refusalOf(() => new Codec([Wrong]).decode('{"type":"library.wrong","version":1,"data":{}}'))
    expect(error).toMatchObject({ code: 'NOT_REVIVED' })
  })

  test.each([0, 1.5, '2', null])('cannot be %j', (version) => {
    class Wrong extends Event {
      static readonly version = version
    }
    expect(() => new Codec([Wrong])).toThrow(ImproperlyConfigured)
    expect(() => new Codec([Wrong])).toThrow("The version of 'Wrong' is")
  })

  test.each(['upcast', 'revive'])('cannot have a static %s that is no function', (name) => {
    class Wrong extends Event {}
    Object.assign(Wrong, { [name]: 'x' })
    expect(() => new Codec([Wrong])).toThrow(`The static ${name} of 'Wrong' is "x". Make it a function`)
  })
})

describe('a class that revives its messages', () => {
  class Sum {
    static readonly type: string = 'library.sum'
    readonly amount: number
    readonly #twice: number
    constructor(amount: number) {
      this.amount = amount
      this.#twice = amount * 2
    }
    get twice(): number {
      return this.#twice
    }
    static revive(this: new (amount: number) => Sum, data: { amount: number }): Sum {
      return new this(data.amount)
    }
  }

  test('is given the data, and gives the message', () => {
    const sums = new Codec([Sum, Noted])
    expect((sums.decode(sums.encode(new Sum(4))) as Sum).twice).toBe(8)
    const inside = sums.decode(sums.encode(new Noted({ value: [new Sum(4)] }))) as Noted
    expect((inside.value as Sum[])[0]?.twice).toBe(8)
  })

  test.each<[string, () => unknown, string]>([
    ['something else', () => ({ amount: 1 }), 'gave a plain object. Give an instance of its class.'],
    ['an instance of another class', () => new (class Other extends Sum {})(1), 'gave an instance of Other.'],
    ['nothing', () => undefined, 'gave undefined.'],
    ['a promise', async () => new Sum(1), 'gave an instance of Promise.'],
  ])('cannot give %s', (_, revive, text) => {
    class Wrong extends Sum {
      static override readonly type = 'library.wrong'
      static override revive: never = revive as never
    }
    const error = refusalOf(() => new Codec([Wrong]).decode('{"type":"library.wrong","version":1,"data":{}}'))
    expect(error.code).toBe('NOT_REVIVED')
    expect(error.message).toBe(
      `The static revive of 'library.wrong' ${text}${text.includes('Give') ? '' : ' Give an instance of its class.'}`,
    )
  })

  test('and fails, is told so with its own error as the cause', () => {
    const cause = new TypeError('no amount')
    class Wrong extends Sum {
      static override readonly type = 'library.wrong'
      static override revive(): never {
        throw cause
      }
    }
    const error = refusalOf(() => new Codec([Wrong]).decode('{"type":"library.wrong","version":1,"data":{}}'))
    expect(error).toMatchObject({ code: 'NOT_REVIVED', cause })
    expect(error.message).toBe("The static revive of 'library.wrong' threw: no amount")
  })
})

describe('data of an older version', () => {
  test('is taken by the schema of defineEvent as its input, and the message holds the output', () => {
    class Added extends defineEvent(
      'library.added',
      z.object({ year: z.string().transform(Number), tags: z.array(z.string()).default([]) }),
    ) {
      static readonly version = 2
      static upcast(data: object): object {
        return { ...data, more: 1 }
      }
    }
    const books = new Codec([Added])
    const back = books.decode('{"type":"library.added","version":1,"data":{"year":"1815"}}')
    expect(back).toStrictEqual(new Added({ year: '1815' }))
    expect(books.decode(books.encode(back))).toStrictEqual(back) // Of this version, it is what the schema gave.
    const wrong = '{"type":"library.added","version":1,"data":{"year":1815}}'
    expect(() => books.decode(wrong)).toThrow(ContractViolation)
    expect(() => books.decode(wrong)).toThrow(/'library.added' breaks its contract[^]*year: /)
  })

  test('is given to revive as upcast gave it, and checked by the constructor alone', () => {
    const given: unknown[] = []
    class Added extends defineEvent('library.added', z.object({ year: z.string().transform(Number) })) {
      static readonly version = 2
      static upcast(data: object): object {
        return data
      }
      static revive(data: { year: string | number }): Added {
        given.push(data.year)
        return new Added({ year: String(data.year) })
      }
    }
    const books = new Codec([Added])
    expect(books.decode('{"type":"library.added","version":1,"data":{"year":"1815"}}')).toMatchObject({ year: 1815 })
    expect(books.decode(books.encode(new Added({ year: '1815' })))).toMatchObject({ year: 1815 })
    expect(given).toEqual(['1815', 1815])
  })

  test('is checked by the static schema of a class after it was revived', () => {
    class Noticed extends Event {
      static readonly schema = z.object({ text: z.string() })
      static readonly version = 2
      static upcast(data: { note: unknown }): object {
        return { text: data.note }
      }
    }
    const notes = new Codec([Noticed])
    expect(notes.decode('{"type":"Noticed","version":1,"data":{"note":"a"}}')).toMatchObject({ text: 'a' })
    expect(() => notes.decode('{"type":"Noticed","version":1,"data":{"note":1}}')).toThrow(ContractViolation)
    expect(notes.decode('{"type":"Noticed","version":2,"data":{"text":1}}')).toMatchObject({ text: 1 })
  })
})
