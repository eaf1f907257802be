import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { InvalidMessage } from '../errors.ts'
import { defineEvent } from './define.ts'
import type * as Kinds from './kind.ts'
import { Command, Event, Query } from './kind.ts'
import { isMessageType, markedKind, messageTypeOf, typeName } from './message-type.ts'

class Plain {
  readonly title = 'Emma'
}
class Placed extends Event {}
class Cancel extends Command {}
class Count extends Query<number> {}

/** A class as it was written before the language had any. */
function Old(this: { x: number }): void {
  this.x = 1
}
const old = Reflect.construct(Old, []) as object

describe('messageTypeOf', () => {
  test('gives the very class of an instance, not its base', () => {
    class Replaced extends Placed {}
    expect(messageTypeOf(new Placed())).toBe(Placed)
    expect(messageTypeOf(new Replaced())).toBe(Replaced)
  })

  test.each([
    ['a plain class', new Plain(), Plain],
    ['a function used as a class', old, Old],
    ['a class that extends null', Reflect.construct(Plain, [], Orphan), Orphan],
  ])('takes an instance of %s', (_, message, type) => expect(messageTypeOf(message)).toBe(type))

  test('takes an instance of a class that happens to be called Object', () => {
    const Named = { Object: class extends Plain {} }.Object
    expect(Named.name).toBe('Object')
    expect(messageTypeOf(new Named())).toBe(Named)
  })

  test('takes a string, which is its own type', () => expect(messageTypeOf('on startup')).toBe('on startup'))

  test('is not misled by a field named constructor', () => {
    expect(messageTypeOf(Object.assign(new Plain(), { constructor: Placed }))).toBe(Plain)
  })

  test('takes a message with a field named then that is no function', () => {
    expect(messageTypeOf(Object.assign(new Plain(), withThen('later')))).toBe(Plain)
  })

  test.each<[string, unknown, string]>([
    ['null', null, 'null'],
    ['undefined', undefined, 'undefined'],
    ['a number', 5, '5'],
    ['a bigint', 5n, '5n'],
    ['a boolean', true, 'true'],
    ['a symbol', Symbol('placed'), 'Symbol(placed)'],
    ['an empty string', '', '""'],
    ['a plain object', { title: 'Emma' }, 'a plain object'],
    ['an object without a prototype', Object.create(null), 'a plain object'],
    ['an object made with Object.create', Object.create({ title: 'Emma' }), 'a plain object'],
    ['an array', [new Placed()], 'an array of 1'],
    ['an instance of a class that extends Array', new (class Many extends Array {})(), 'an array of 0'],
  ])('refuses %s, shows it, and says what to do', (_, message, shown) => {
    const text = `${shown} is no message. A message is an instance of a class, or a string that is not empty. Define a class`
    expect(() => messageTypeOf(message)).toThrow(InvalidMessage)
    expect(() => messageTypeOf(message)).toThrow(text)
  })

  test('refuses a class in the place of an instance, and says how to make one', () => {
    expect(() => messageTypeOf(Placed)).toThrow(InvalidMessage)
    expect(() => messageTypeOf(Placed)).toThrow(
      /the (class|function) Placed is no message.*Create an instance: new Placed\(/,
    )
  })

  test.each([
    ['a promise', Promise.resolve(new Placed())],
    [
      'an object that can be awaited',
      Object.assign(
        new Plain(),
        withThen(() => {}),
      ),
    ],
  ])('refuses %s, and says to await it', (_, message) => {
    expect(() => messageTypeOf(message)).toThrow(InvalidMessage)
    expect(() => messageTypeOf(message)).toThrow(/A promise is no message.*Await it first/)
  })

  test('refuses a plain object of another realm', () => {
    expect(() => messageTypeOf(runInNewContext('({ title: "Emma" })'))).toThrow(InvalidMessage)
  })

  test('does not call a plain object a promise because it has a field named then', () => {
    expect(() => messageTypeOf(withThen('later'))).toThrow('a plain object is no message')
  })
})

describe('typeName', () => {
  test('is the string itself', () => expect(typeName('on startup')).toBe('on startup'))
  test('is the name of a class', () => expect(typeName(Plain)).toBe('Plain'))
  test('is empty for a class without a name', () => expect(typeName(class extends Plain {})).toBe(''))

  test('is the static type of a class, before its name', () => {
    class Named extends Plain {
      static readonly type = 'shop.named'
    }
    expect(typeName(Named)).toBe('shop.named')
  })

  test('is the static type of a class without a name', () => {
    expect(typeName(class extends defineEvent('shop.named') {})).toBe('shop.named')
  })

  test('is inherited with the static type', () => {
    class Base extends defineEvent('shop.base') {}
    class Derived extends Base {}
    expect(typeName(Derived)).toBe('shop.base')
  })

  test('is not inherited with the name', () => {
    class Derived extends Plain {}
    expect(typeName(Derived)).toBe('Derived')
  })

  test.each(['', 5, null])('falls back to the name where the static type is %j', (type) => {
    class Misnamed extends Plain {
      static readonly type = type
    }
    expect(typeName(Misnamed)).toBe('Misnamed')
  })
})

describe('markedKind', () => {
  test.each([
    ['event', Placed],
    ['command', Cancel],
    ['query', Count],
  ])('is %s for a class with that marker, and for its subclasses', (kind, type) => {
    expect(markedKind(type)).toBe(kind)
    expect(markedKind(class extends type {})).toBe(kind)
  })

  test('is known for the markers themselves', () =>
    expect([Event, Command, Query].map(markedKind)).toEqual(['event', 'command', 'query']))
  test('is undefined for a plain class', () => expect(markedKind(Plain)).toBeUndefined())
  test('is undefined for a string', () => expect(markedKind('on startup')).toBeUndefined())

  test('is known by the marker of another copy of this package', async () => {
    const path = './kind.ts?another-copy'
    const other = (await import(path)) as typeof Kinds
    class Foreign extends other.Command {}
    expect(other.Command).not.toBe(Command)
    expect(markedKind(Foreign)).toBe('command')
  })

  test('adds no field to a message', () => {
    expect(Object.keys(new Placed())).toEqual([])
    expect(JSON.stringify(new Placed())).toBe('{}')
  })
})

describe('isMessageType', () => {
  test.each<[string, unknown]>([
    ['a class', Plain],
    ['an abstract marker', Event],
    ['a function used as a class', Old],
    ['a string', 'on startup'],
  ])('is true for %s', (_, value) => expect(isMessageType(value)).toBe(true))

  test.each<[string, unknown]>([
    ['an empty string', ''],
    ['an arrow function', () => {}],
    ['an async function', async function load() {}],
    ['a function without a prototype', Object.assign(function bare(): void {}, { prototype: null })],
    ['an instance', new Plain()],
    ['a number', 5],
    ['null', null],
    ['undefined', undefined],
    ['a symbol', Symbol('x')],
  ])('is false for %s', (_, value) => expect(isMessageType(value)).toBe(false))
})

function withThen(then: unknown): object {
  // oxlint-disable-next-line unicorn/no-thenable -- what is refused here
  return { then }
}

/** A class whose prototype has no prototype: its instances inherit nothing from Object. */
function Orphan(): void {}
Object.setPrototypeOf(Orphan.prototype, null)
