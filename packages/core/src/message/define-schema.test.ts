import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  ContractViolation,
  defineCommand,
  defineEvent,
  defineQuery,
  Event,
  ImproperlyConfigured,
  InvalidMessage,
  InvalidOption,
  type StandardSchema,
} from '../index.ts'
import { checkOf } from './contract.ts'
import { markedKind, typeName } from './message-type.ts'

const zodBook = z.object({
  title: z.string(),
  year: z.string().transform(Number),
  tags: z.array(z.string()).default([]),
})
const valibotBook = v.object({
  title: v.string(),
  year: v.pipe(v.string(), v.transform(Number)),
  tags: v.optional(v.array(v.string()), []),
})
const arkBook = type({ title: 'string', year: 'string.numeric.parse', tags: type('string[]').default(() => []) })

function thrownBy(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('Nothing was thrown.')
}

/** A schema by the bare specification. */
function schemaOf(validate: (value: unknown) => unknown): StandardSchema<object, object> {
  return { '~standard': { version: 1, vendor: 'test', validate: validate as never } }
}

describe.each([
  ['zod', zodBook],
  ['valibot', valibotBook],
  ['arktype', arkBook],
] as const)('with a schema of %s', (_, schema) => {
  describe.each([
    ['defineEvent', defineEvent('library.book', schema as typeof zodBook), 'event'],
    ['defineCommand', defineCommand('library.book', schema as typeof zodBook), 'command'],
    ['defineQuery', defineQuery('library.book', schema as typeof zodBook, { result: z.array(z.string()) }), 'query'],
  ] as const)('%s gives a class that', (_name, Base, kind) => {
    class Book extends Base {}

    test('has its kind, its type and its schema', () => {
      expect(markedKind(Book)).toBe(kind)
      expect(typeName(Book)).toBe('library.book')
      expect(Book).toHaveProperty('schema', schema)
    })

    test('takes what the schema takes, and holds what that gives', () => {
      const book = new Book({ title: 'Emma', year: '1815' })
      expect(book).toBeInstanceOf(Book)
      expect(Object.assign({}, book)).toEqual({ title: 'Emma', year: 1815, tags: [] })
    })

    test('refuses anything else, and lists every place', () => {
      const make = (): object => new Book({ title: 5, year: '1815', tags: ['a', 7] } as never)
      expect(make).toThrow(ContractViolation)
      expect(make).toThrow(/^The message 'library.book' breaks its contract/)
      const { issues, code, type: name } = thrownBy(make) as ContractViolation
      expect(issues.map(({ path }) => path).sort()).toEqual(['tags[1]', 'title'])
      expect(issues.every(({ message }) => message !== '')).toBe(true)
      expect({ code, name }).toEqual({ code: 'CONTRACT_VIOLATION', name: 'library.book' })
    })

    test.each([undefined, null, 'Emma', 5])('refuses %j in the place of an object', (payload) => {
      expect(() => new Book(payload as never)).toThrow(ContractViolation)
    })

    test('is not checked again where its messages enter', () => {
      expect(checkOf(Book)).toBeUndefined()
    })
  })
})

describe('a schema', () => {
  test('that is asynchronous is refused when a message is made', () => {
    const Later = defineEvent(
      'library.later',
      schemaOf(async (value) => ({ value })),
    )
    expect(() => new Later({})).toThrow(ImproperlyConfigured)
    expect(() => new Later({})).toThrow("The schema of 'library.later' is asynchronous. Make it synchronous")
    const ofZod = defineEvent('library.later', z.object({ a: z.string().refine(async () => false) }))
    expect(() => new ofZod({ a: '' })).toThrow(/asynchronous/)
  })

  test('that is asynchronous and fails leaves no rejection unobserved', () => {
    const Later = defineEvent(
      'library.later',
      schemaOf(async () => Promise.reject(new Error('unobserved'))),
    )
    expect(() => new Later({})).toThrow(ImproperlyConfigured) // Vitest fails on a rejection that nobody observes.
  })

  test.each([
    ['nothing but a type', { type: 'object' }],
    ['a function', () => {}],
    ['null', null],
    ['text', 'schema'],
  ])('cannot be %s', (_, schema) => {
    expect(() => defineEvent('library.wrong', schema as never)).toThrow(ImproperlyConfigured)
    expect(() => defineEvent('library.wrong', schema as never)).toThrow("The schema of 'library.wrong' is ")
    const result = schema as never
    expect(() => defineQuery('library.wrong', zodBook, { result })).toThrow(ImproperlyConfigured)
  })

  test('of a result is the only option there is', () => {
    expect(() => defineCommand('library.wrong', zodBook, { results: zodBook } as never)).toThrow(InvalidOption)
    expect(() => defineQuery('library.wrong', zodBook, { results: zodBook } as never)).toThrow(
      "defineQuery('library.wrong') has no option 'results'. It has: result.",
    )
  })

  test.each<[string, StandardSchema<object, object>, object]>([
    ['a date', z.date(), new Date()],
    ['a list', z.array(z.string()), ['a']],
    ['a map', z.map(z.string(), z.string()), new Map()],
  ])('of %s is not one of a payload: its content would be lost', (_, schema, payload) => {
    const Wrong = defineEvent('library.wrong', schema)
    expect(() => new Wrong(payload)).toThrow(InvalidMessage)
    expect(() => new Wrong(payload)).toThrow("The schema of 'library.wrong' gave an")
  })

  test('that gives text is not one of a payload', () => {
    const Wrong = defineEvent(
      'library.wrong',
      schemaOf(() => ({ value: 'text' })),
    )
    expect(() => new Wrong({})).toThrow(`The schema of 'library.wrong' gave "text".`)
  })

  test.each(['__proto__', '~kind'])('does not let a field %s into a message', (name) => {
    const Loose = defineEvent(
      'library.loose',
      schemaOf((value) => ({ value })),
    )
    const payload = JSON.parse(`{"${name}":"command"}`) as object
    expect(() => new Loose(payload)).toThrow(InvalidMessage)
  })

  test('that gives the payload itself: the message has a copy', () => {
    const Same = defineEvent('library.same', schemaOf((value) => ({ value })) as StandardSchema<{ a: number }>)
    const payload = { a: 1 }
    const message = new Same(payload)
    payload.a = 2
    expect(message.a).toBe(1)
  })

  test('that names the place by objects, and gives no place at all', () => {
    const issues = [{ message: 'wrong', path: [{ key: 'books' }, { key: 2 }, 'title'] }, { message: 'also wrong' }]
    const Wrong = defineEvent(
      'library.wrong',
      schemaOf(() => ({ issues })),
    )
    const expected = [
      { path: 'books[2].title', message: 'wrong' },
      { path: '', message: 'also wrong' },
    ]
    expect(() => new Wrong({})).toThrow(expect.objectContaining({ issues: expected }))
  })

  test('of one thing more, of a class that extends one, is checked where its messages enter', () => {
    class Loud extends defineEvent('library.loud', zodBook) {
      static override readonly schema: never = z.object({ year: z.number() }) as never
    }
    expect(checkOf(Loud)).toBeTypeOf('function')
    expect(checkOf(Loud)?.(new Loud({ title: 'Emma', year: '1815' }))).toBeUndefined()
  })

  test('of a class by hand does not change its messages', () => {
    class Noted extends Event {
      static readonly schema = z.object({ text: z.string().transform((text) => text.length) })
      readonly text = 'a note'
    }
    const message = new Noted()
    checkOf(Noted)?.(message)
    expect(message.text).toBe('a note')
  })
})
