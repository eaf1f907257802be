import { describe, expect, test } from 'vitest'
import { InvalidMessage } from '../errors.ts'
import { defineCommand, defineEvent, defineQuery } from './define.ts'
import { Command, Event, Query } from './kind.ts'
import { markedKind, messageTypeOf, typeName } from './message-type.ts'

class BookCreated extends defineEvent<{ title: string; tags?: string[] }>('library.book-created') {}
class CreateBook extends defineCommand<{ title: string }>('library.create-book') {}
class BookQuery extends defineQuery<{ title: string }, string[]>('library.book-query') {}
class Opened extends defineEvent('library.opened') {}

describe.each([
  ['defineEvent', BookCreated, Event, 'event', 'library.book-created'],
  ['defineCommand', CreateBook, Command, 'command', 'library.create-book'],
  ['defineQuery', BookQuery, Query, 'query', 'library.book-query'],
] as const)('%s', (_, Defined, marker, kind, type) => {
  test('gives a class of its kind, under its type name', () => {
    expect(new Defined({ title: 'Emma' })).toBeInstanceOf(marker)
    expect(markedKind(Defined)).toBe(kind)
    expect(Defined.type).toBe(type)
    expect(typeName(Defined)).toBe(type)
  })

  test('gives messages whose type is the class that extends it', () => {
    expect(messageTypeOf(new Defined({ title: 'Emma' }))).toBe(Defined)
  })

  test('makes the payload the fields of the message, and nothing else', () => {
    const message = new Defined({ title: 'Emma' })
    expect(message.title).toBe('Emma')
    expect(Object.keys(message)).toEqual(['title'])
  })
})

describe.each([
  ['defineEvent', (type: string) => defineEvent<object>(type)],
  ['defineCommand', (type: string) => defineCommand<object>(type)],
  ['defineQuery', (type: string) => defineQuery<object, void>(type)],
])('%s refuses', (_, define) => {
  test.each([
    ['an empty type name', '', '"" is no name'],
    ['no type name', undefined as never, 'undefined is no name'],
    ['a number as type name', 5 as never, '5 is no name'],
  ])('%s, with an example of one', (_what, type, text) => {
    expect(() => define(type)).toThrow(InvalidMessage)
    expect(() => define(type)).toThrow(`${text} for a message type. Give it one, such as 'library.book-created'.`)
  })

  test.each([
    ['null', null, 'null'],
    ['a string', 'Emma', '"Emma"'],
    ['a number', 5, '5'],
    ['an array', ['Emma'], 'an array of 1'],
    ['a function', function emma() {}, 'the function emma'],
  ])('%s as payload, naming the type', (_what, payload, shown) => {
    const Defined = define('library.thing')
    expect(() => new Defined(payload as never)).toThrow(InvalidMessage)
    expect(() => new Defined(payload as never)).toThrow(
      `The payload of 'library.thing' is ${shown}. Pass an object with its fields.`,
    )
  })

  test('a payload with a field __proto__, as parsed JSON may have', () => {
    const Defined = define('library.thing')
    const payload = JSON.parse('{ "__proto__": { "isAdmin": true } }') as object
    expect(() => new Defined(payload)).toThrow(InvalidMessage)
    expect(() => new Defined(payload)).toThrow(`The payload of 'library.thing' has a field '__proto__'. Remove it.`)
  })
})

test('a payload with a field of the name under which the kind is kept is refused', () => {
  const Defined = defineEvent<object>('library.thing')
  expect(() => new Defined({ '~kind': 'event' })).toThrow(InvalidMessage)
})

test('a message without a payload has no fields', () => {
  expect(Object.keys(new Opened())).toEqual([])
})

test('a payload is copied: the message keeps its fields when the caller changes the object', () => {
  const payload = { title: 'Emma' }
  const message = new BookCreated(payload)
  payload.title = 'Persuasion'
  expect(message.title).toBe('Emma')
})

test('a payload with a field named constructor leaves the type of the message alone', () => {
  class Tricky extends defineEvent<{ constructor: string }>('library.tricky') {}
  expect(messageTypeOf(new Tricky({ constructor: 'x' }))).toBe(Tricky)
})

test('a class can be defined and used without extending it', () => {
  const Closed = defineEvent('library.closed')
  expect(messageTypeOf(new Closed())).toBe(Closed)
  expect(typeName(Closed)).toBe('library.closed')
})

test('a subclass can add fields and methods of its own', () => {
  class Loud extends defineEvent<{ title: string }>('library.loud') {
    readonly volume = 11
    shout(): string {
      return this.title.toUpperCase()
    }
  }
  const message = new Loud({ title: 'Emma' })
  expect(message.shout()).toBe('EMMA')
  expect(message.volume).toBe(11)
})

test('a subclass can have a type name of its own', () => {
  class SecondEdition extends BookCreated {
    static override readonly type = 'library.second-edition'
  }
  expect(typeName(SecondEdition)).toBe('library.second-edition')
  expect(typeName(BookCreated)).toBe('library.book-created')
})

// So does a compiler that assigns static fields and does not define them, such as TypeScript before target ES2022.
test('a subclass can have its type name assigned', () => {
  class ThirdEdition extends BookCreated {}
  Object.assign(ThirdEdition, { type: 'library.third-edition' })
  expect(typeName(ThirdEdition)).toBe('library.third-edition')
})
