import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import * as errors from './errors.ts'
import { asError, IambusError, ImproperlyConfigured, InvalidOption, NonErrorThrown, shown } from './errors.ts'

const cause = new Error('the cause')

const one: IambusError[] = [
  new errors.Aborted('text', { cause }),
  new errors.AttemptEnded('events/log', 'shop.placed'),
  new errors.CodecError('MALFORMED', 'text'),
  new errors.ContractViolation('The message', 'shop.placed', []),
  new errors.HandlerConstructionFailed('Log', cause),
  new errors.HandlerDoesNotExist('text'),
  new errors.HandlerSignatureError('text'),
  new errors.InvalidMessage('text'),
  new errors.InvalidOption('text'),
  new errors.MaxDepthExceeded('text', []),
  new errors.MiddlewareFault('text'),
  new errors.NonErrorThrown('text'),
  new errors.NotAccepting('text'),
  new errors.NonRetryable('text', { cause }),
  new errors.Unavailable('text', { cause }),
  new errors.RetryLater(5, 'text', { cause }),
  new errors.LaneParked('events/a', 'key'),
  new errors.DeadLetterUnavailable('text'),
  new errors.ProviderFailed('repo', 'text', { cause }),
  new errors.Stopped('text'),
  new errors.TimedOut('text'),
  new errors.QueueFull('text'),
  new errors.LaneDeadlock(['a waits for', 'a']),
  new errors.StopDeadlock('events/a'),
  new errors.WrongKind('text'),
  ImproperlyConfigured.of([]),
]

describe('every error', () => {
  test('is in this list', () => {
    const classes = Object.values(errors).filter(({ prototype }) => prototype instanceof IambusError)
    expect(one.map(({ constructor }) => constructor)).toEqual(expect.arrayContaining(classes))
  })

  test('has a code of its own, in capitals', () => {
    const codes = one.map(({ code }) => code)
    expect(new Set(codes).size).toBe(one.length)
    for (const code of codes) expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
  })

  test.each(one.map((error) => [error.constructor.name, error] as const))(
    '%s is an Error under its own name',
    (name, error) => {
      expect(error).toBeInstanceOf(Error)
      expect(error).toBeInstanceOf(IambusError)
      expect(error.name).toBe(name)
      expect(error.stack).toMatch(new RegExp(`^${name}: `))
      expect(error.message).not.toBe('')
    },
  )

  test('has its code, and not its name, among the fields that a logger writes', () => {
    expect(Object.keys(new InvalidOption('text'))).toEqual(['code'])
  })
})

describe('a cause', () => {
  test.each([
    ['Aborted', new errors.Aborted('text', { cause })],
    ['HandlerConstructionFailed', new errors.HandlerConstructionFailed('Log', cause)],
    ['ProviderFailed', new errors.ProviderFailed('repo', 'text', { cause })],
    ['ImproperlyConfigured', new ImproperlyConfigured('SOME_FAULT', 'text', { cause })],
  ])('is kept by %s', (_, error) => expect(error.cause).toBe(cause))

  test('is absent where there is none', () => expect('cause' in new InvalidOption('text')).toBe(false))
})

describe('ImproperlyConfigured.of', () => {
  test('numbers the faults, and keeps them', () => {
    const faults = [new InvalidOption('One is wrong.'), new InvalidOption('Two is wrong.')]
    const error = ImproperlyConfigured.of(faults)
    expect(error.message).toBe('The dispatcher cannot start: 2 problems.\n  1. One is wrong.\n  2. Two is wrong.')
    expect(error.problems).toEqual(faults)
    expect(error.code).toBe('IMPROPERLY_CONFIGURED')
  })

  test('is told from a single fault, which has its own code and no problems', () => {
    expect(new ImproperlyConfigured('NAME_TAKEN', 'text')).toMatchObject({ code: 'NAME_TAKEN', problems: [] })
  })
})

describe('ContractViolation', () => {
  test('lists every place and what is wrong there', () => {
    const issues = [
      { path: 'books[2].title', message: 'Required' },
      { path: '', message: 'Too old' },
    ]
    const error = new errors.ContractViolation('The message', 'shop.placed', issues)
    expect(error).toMatchObject({ type: 'shop.placed', issues })
    expect(error.message).toBe(
      "The message 'shop.placed' breaks its contract. Make it what its schema says:\n" +
        '  books[2].title: Required\n  the whole: Too old',
    )
  })
})

describe('asError', () => {
  test.each([
    ['an error', new TypeError('text')],
    ['one of ours', new InvalidOption('text')],
    ['an abort of the platform', new DOMException('text', 'AbortError')],
    ['an error of another realm', runInNewContext('new TypeError("text")') as Error],
  ])('gives %s as it is', (_, thrown) => expect(asError(thrown)).toBe(thrown))

  test.each<[unknown, string]>([
    [undefined, 'undefined'],
    [null, 'null'],
    ['text', '"text"'],
    [5, '5'],
    [Symbol('text'), 'Symbol(text)'],
    [{ message: 'text' }, 'a plain object'],
    [Promise.resolve(), 'an instance of Promise'],
  ])('wraps %s, shows it and keeps it', (thrown, text) => {
    const error = asError(thrown)
    expect(error).toBeInstanceOf(NonErrorThrown)
    expect(error).toMatchObject({ code: 'NON_ERROR_THROWN', thrown, cause: thrown })
    expect(error.message).toBe(`Something that is no Error was thrown: ${text}. Throw an Error instead.`)
  })
})

describe('shown', () => {
  class Order {
    readonly id = 1
  }

  test.each<[unknown, string]>([
    [undefined, 'undefined'],
    [null, 'null'],
    [true, 'true'],
    [5, '5'],
    [Number.NaN, 'NaN'],
    [-0.5, '-0.5'],
    [5n, '5n'],
    [Symbol('id'), 'Symbol(id)'],
    ['', '""'],
    ['Emma', '"Emma"'],
    ['two\nlines and "quotes"', String.raw`"two\nlines and \"quotes\""`],
    [[], 'an array of 0'],
    [[1, [2]], 'an array of 2'],
    [{ id: 1 }, 'a plain object'],
    [Object.create(null), 'a plain object'],
    [new Order(), 'an instance of Order'],
    [new Date(0), 'an instance of Date'],
    [function order() {}, 'the function order'],
    [() => {}, 'an anonymous function'],
  ])('%o as a short text', (value, text) => expect(shown(value)).toBe(text))

  test('a string of 80 characters whole, and a longer one cut to 80 with its quotes outside', () => {
    expect(shown('x'.repeat(80))).toBe(`"${'x'.repeat(80)}"`)
    expect(shown('x'.repeat(81))).toBe(`"${'x'.repeat(77)}..."`)
  })

  test('a class by its name', () => expect(shown(Order)).toMatch(/^the (class|function) Order$/))

  // Even `Array.isArray` throws for it.
  test('a revoked proxy, without throwing', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(() => shown(proxy)).not.toThrow()
  })

  // Its `name` is that method, whose text is its source.
  test('a class with a static method called name on one line', () => {
    class Named extends Order {
      static override name(): string {
        return 'x'
      }
    }
    expect(shown(Named)).not.toContain('\n')
  })
})
