import { describe, expect, test } from 'vitest'
import { HandlerSignatureError } from '../errors.ts'
import { AbstractHandler } from './handler.ts'
import { collectsEvents, handlerShape } from './signature.ts'

class Found {
  async handle(_query: object) {}
}
class Overloaded {
  async handle(_query: object, _deps: object, _third: unknown) {}
}
class Collecting extends AbstractHandler {
  async handle() {}
}

class Titled {
  readonly title = 'Emma'
}
function* generator() {}

/** A class with something called handle that cannot be called. */
class Unhandled extends Titled {}
Object.assign(Unhandled.prototype, { handle: 'found' })

/** A class as it was written before the language had any. */
function Old(): void {}
Old.prototype.handle = function handle(_query: object): void {}

describe('a handler can be', () => {
  test.each<[string, unknown]>([
    ['without parameters', () => {}],
    ['with the message', (_message: object) => {}],
    ['with the message and its dependencies', (_message: object, _deps: object) => {}],
    ['with parameters that have defaults, which do not count', (_m: object, _d: object, _third = 3) => {}],
    ['with any number of parameters', (..._all: unknown[]) => {}],
    ['asynchronous', async (_message: object) => {}],
    ['declared', function found(_message: object): void {}],
    ['declared and asynchronous', async function found(_message: object) {}],
    ['the method of an object', new Found().handle.bind(new Found())],
    ['with an object as its prototype that has no handle', function found(): void {}],
  ])('a function %s', (_, handler) => expect(handlerShape(handler, undefined)).toBe('function'))

  test.each<[string, unknown]>([
    ['with a method handle', Found],
    ['that inherits handle', class extends Found {}],
    [
      'with a handle that is no async function',
      class {
        handle() {}
      },
    ],
    ['that collects events', Collecting],
    ['written as a function with handle on its prototype', Old],
  ])('a class %s', (_, handler) => expect(handlerShape(handler, undefined)).toBe('class'))

  test.each<[string, unknown]>([
    ['with a function handle', { handle: async (_message: object) => {} }],
    ['that is an instance of a class with handle', new Found()],
    [
      'that has handle as a field',
      new (class {
        readonly handle = async (_message: object) => {}
      })(),
    ],
    ['without a prototype', Object.assign(Object.create(null) as object, { handle() {} })],
    ['that can add events and not give them back', { handle() {}, addEvent() {} }],
  ])('an object %s', (_, handler) => expect(handlerShape(handler, undefined)).toBe('object'))
})

describe('with argname, a handler can be', () => {
  test.each<[string, unknown, string]>([
    ['a function with one parameter', ({ query }: { query: object }) => query, 'function'],
    ['a function without parameters', () => {}, 'function'],
    ['a class whose handle has one parameter', Found, 'class'],
    ['an object whose handle has one parameter', new Found(), 'object'],
  ])('%s', (_, handler, shape) => expect(handlerShape(handler, 'query')).toBe(shape))
})

describe('a handler cannot have', () => {
  test.each<[string, unknown, string]>([
    ['three parameters', function found(_m: object, _d: object, _third: unknown): void {}, 'found has 3 parameters'],
    ['four parameters', (_a: 1, _b: 2, _c: 3, _d: 4) => {}, 'An anonymous handler has 4 parameters'],
    ['a handle with three parameters', Overloaded, 'Overloaded.handle has 3 parameters'],
    [
      'three parameters in the handle of an object',
      new Overloaded(),
      'an instance of Overloaded.handle has 3 parameters',
    ],
  ])('%s: it is told where to find what is injected', (_, handler, text) => {
    expect(() => handlerShape(handler, undefined)).toThrow(HandlerSignatureError)
    expect(() => handlerShape(handler, undefined)).toThrow(text)
    expect(() => handlerShape(handler, undefined)).toThrow(/at most two: \(message, \{ context, .*'inject'.*'argname'/)
  })

  test.each<[string, unknown, string]>([
    ['a second parameter', function found(_args: object, _deps: object): void {}, 'found has 2 parameters'],
    [
      'a second parameter of handle',
      class Two {
        handle(_args: object, _deps: object) {}
      },
      'Two.handle has 2 parameters',
    ],
    ['a second parameter of an object', { handle(_args: object, _deps: object) {} }, '.handle has 2 parameters'],
  ])('%s with argname: it is shown the one it has', (_, handler, text) => {
    expect(() => handlerShape(handler, 'query')).toThrow(HandlerSignatureError)
    expect(() => handlerShape(handler, 'query')).toThrow(text)
    expect(() => handlerShape(handler, 'query')).toThrow(`with argname 'query' it has one: ({ query, context }).`)
  })
})

describe('a handler cannot be', () => {
  test.each<[string, unknown, string]>([
    ['a class without handle', class Lost extends Titled {}, 'The class Lost has no method'],
    [
      'a class with handle as a field',
      class Field {
        readonly handle = () => {}
      },
      'The class Field has no method',
    ],
    [
      'a class with a static handle',
      class Static extends Titled {
        static handle() {}
      },
      'The class Static has no method',
    ],
    ['a class with a handle that is no function', Unhandled, 'The class Unhandled has no method'],
    ['a class of the language', Promise, 'The class Promise has no method'],
  ])('%s: it is shown the method to add', (_, handler, text) => {
    expect(() => handlerShape(handler, undefined)).toThrow(HandlerSignatureError)
    expect(() => handlerShape(handler, undefined)).toThrow(text)
    expect(() => handlerShape(handler, undefined)).toThrow('Add one: async handle(message, { context })')
  })

  test.each<[string, unknown, string]>([
    ['a generator', function* found() {}, 'found is a generator'],
    ['an async generator', async function* found() {}, 'found is a generator'],
    ['a bound generator', generator.bind(null), 'generator is a generator'],
    [
      'a class whose handle is a generator',
      class Listed {
        *handle() {}
      },
      'Listed.handle is a generator',
    ],
    [
      'a class whose handle is an async generator',
      class Listed {
        async *handle() {}
      },
      'Listed.handle is a generator',
    ],
    ['an object whose handle is a generator', { *handle() {} }, '.handle is a generator'],
  ])('%s: calling it would run nothing', (_, handler, text) => {
    expect(() => handlerShape(handler, undefined)).toThrow(HandlerSignatureError)
    expect(() => handlerShape(handler, undefined)).toThrow(text)
    expect(() => handlerShape(handler, undefined)).toThrow('Make it an async function')
  })

  test('a ready-made object that collects events: those of two messages would mix', () => {
    expect(() => handlerShape(new Collecting(), undefined)).toThrow(HandlerSignatureError)
    expect(() => handlerShape(new Collecting(), undefined)).toThrow(
      /an instance of Collecting collects .*Bind its class/,
    )
  })

  test('a literal that collects events', () => {
    const handler = { handle() {}, addEvent() {}, dumpEvents: () => [] }
    expect(() => handlerShape(handler, undefined)).toThrow(/a plain object collects .*Bind its class/)
  })

  test.each<[string, unknown, string]>([
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['a number', 5, '5'],
    ['a string', 'found', '"found"'],
    ['a symbol', Symbol('found'), 'Symbol(found)'],
    ['an array of functions', [() => {}], 'an array of 1'],
    ['a plain object', {}, 'a plain object'],
    ['an object without a prototype', Object.create(null), 'a plain object'],
    ['an object with a handle that is no function', { handle: 'found' }, 'a plain object'],
    ['a promise of a handler', Promise.resolve(() => {}), 'an instance of Promise'],
  ])('%s: it is told the three shapes there are', (_, handler, shown) => {
    expect(() => handlerShape(handler, undefined)).toThrow(HandlerSignatureError)
    expect(() => handlerShape(handler, undefined)).toThrow(
      `${shown} is no handler. Pass a function, a class with a method 'handle', or an object that has one.`,
    )
  })
})

describe('collectsEvents', () => {
  test('is true for what has both addEvent and dumpEvents', () => {
    expect(collectsEvents(new Collecting())).toBe(true)
    expect(collectsEvents(Collecting.prototype)).toBe(true)
  })

  test.each<[string, object]>([
    ['neither', new Found()],
    ['only addEvent', { addEvent() {} }],
    ['only dumpEvents', { dumpEvents() {} }],
    ['both, and not as functions', { addEvent: true, dumpEvents: true }],
  ])('is false for what has %s', (_, handler) => expect(collectsEvents(handler)).toBe(false))
})
