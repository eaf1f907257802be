import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  deadLetter,
  Dispatcher,
  discard,
  type FailedDelivery,
  fixed,
  NonRetryable,
  ProviderFailed,
  type Recover,
  retry,
  RetryLater,
  Unavailable,
} from '../index.ts'
import { firstOf } from './recover.ts'

class OutOfStock extends Error {}
class NoConnection extends Error {}

const failed = (changes: Partial<FailedDelivery> = {}): FailedDelivery => ({
  id: '1',
  type: 'x',
  message: 'x',
  handler: 'events/x',
  key: undefined,
  headers: {},
  attempt: 1,
  failures: 1,
  failingMs: 0,
  replayed: false,
  random: 0,
  ...changes,
})
const dead = { outcome: 'dead' }

describe('retry()', () => {
  const policy = retry({ attempts: 3, backoff: fixed(10), unavailable: NoConnection, maxAgeMs: 1_000 })
  const again = { outcome: 'retry', delayMs: 10 }
  const free = { outcome: 'retry', delayMs: 10, isFree: true }

  test('tries again until the attempts are used up', () => {
    const error = new Error('boom')
    expect([1, 2, 3, 4].map((attempt) => policy(error, failed({ attempt })))).toEqual([again, again, dead, dead])
  })

  test('is dead at once for NonRetryable, and for a provider that failed with it', () => {
    const error = new NonRetryable('no such card')
    expect(policy(error, failed())).toEqual(dead)
    expect(policy(new ProviderFailed('db', 'text', { cause: error }), failed())).toEqual(dead)
    expect(policy(new Error('wrapped', { cause: error }), failed())).toEqual(again)
  })

  test.each([
    ['Unavailable', new Unavailable('the bank is away'), free],
    ['a provider that is unavailable', new ProviderFailed('db', 'text', { cause: new Unavailable('away') }), free],
    ['what is said to be unavailable', new NoConnection(), free],
    ['RetryLater, after its own delay', new RetryLater(250), { outcome: 'retry', delayMs: 250, isFree: true }],
  ])('burns no attempt for %s, until maxAgeMs', (_, error, expected) => {
    for (const attempt of [1, 3]) {
      const before = failed({ attempt, failures: 50, failingMs: 999 })
      expect(policy(error, before)).toEqual(expected)
    }
    expect(policy(error, failed({ failingMs: 1_000 }))).toEqual(again)
    expect(policy(error, failed({ failingMs: 1_000, attempt: 3 }))).toEqual(dead)
  })

  test('grows the delay of what burns none by how often that was', () => {
    const growing = retry({ backoff: (failures) => failures, attempts: 9 })
    expect(growing(new Unavailable('x'), failed({ attempt: 3, failures: 7 }))).toMatchObject({ delayMs: 5 })
    expect(growing(new Error('x'), failed({ attempt: 3, failures: 7 }))).toMatchObject({ delayMs: 3 })
  })

  test('has 20 attempts by default, and 24 hours', () => {
    expect(retry()(new Error('x'), failed({ attempt: 19 }))).toMatchObject({ outcome: 'retry' })
    expect(retry()(new Error('x'), failed({ attempt: 20 }))).toEqual(dead)
    expect(retry()(new Unavailable('x'), failed({ attempt: 20, failingMs: 86_399_999 }))).toMatchObject({
      isFree: true,
    })
    expect(retry()(new Unavailable('x'), failed({ attempt: 20, failingMs: 86_400_000 }))).toEqual(dead)
  })

  test('gives the same for the same, whatever it is', () => {
    const errors = [new Error('x'), new Unavailable('x'), new RetryLater(3), new NonRetryable('x')]
    const fields = {
      attempt: fc.integer({ min: 1 }),
      failures: fc.integer({ min: 1 }),
      failingMs: fc.nat(),
      random: fc.double({ min: 0, max: 0.99, noNaN: true }),
    }
    fc.assert(
      fc.property(
        fc.constantFrom(...errors),
        fc.record(fields),
        fc.integer({ min: 1, max: 30 }),
        (error, changes, attempts) => {
          const one = retry({ attempts })
          const decided = one(error, failed(changes))
          expect(one(error, failed(changes))).toEqual(decided)
          const isAttempt = decided?.outcome === 'retry' && decided.isFree !== true
          expect(isAttempt && changes.attempt >= attempts).toBe(false)
        },
      ),
    )
  })
})

describe('by class of error', () => {
  const policy: Recover = firstOf([
    discard({ when: OutOfStock }),
    deadLetter({ when: [TypeError, RangeError] }),
    retry({ attempts: 2, backoff: fixed(1), when: (error) => error.message !== 'not mine' }),
  ])

  test.each([
    [new OutOfStock(), { outcome: 'skipped' }],
    [new TypeError('x'), dead],
    [new RangeError('x'), dead],
    [new Error('x'), { outcome: 'retry', delayMs: 1 }],
    [new ProviderFailed('db', 'text', { cause: new OutOfStock() }), { outcome: 'skipped' }],
    [new Error('not mine'), undefined],
  ])('%s', (error, expected) => {
    expect(policy(error, failed())).toEqual(expected)
  })
})

test.each([
  [() => retry({ attempts: 0 }), 'attempts is 0. Pass a whole number, 1 or more.'],
  [() => retry({ attempts: Number.POSITIVE_INFINITY }), 'attempts is Infinity.'],
  [() => retry({ maxAgeMs: -1 }), 'maxAgeMs is -1.'],
  [() => retry({ tries: 3 } as never), "retry() has no option 'tries'."],
  [
    () => retry({ when: 'Error' as never }),
    'when is "Error". Pass a class of errors, an array of them, or a function.',
  ],
  [() => retry({ unavailable: [Error, Map] as never }), 'unavailable is the function Map.'],
  [() => discard({ if: Error } as never), "discard() has no option 'if'. It has: when."],
  [() => deadLetter({ when: {} as never }), 'when is a plain object.'],
  [() => new RetryLater(-1), 'RetryLater was given -1.'],
  [
    () => new Dispatcher({ recover: 'retry' as never }),
    'recover is "retry". Pass retry(), deadLetter(), discard(), or a function.',
  ],
  [() => new Dispatcher({ events: { recover: [retry(), 5] as never } }), 'events.recover is 5.'],
  [() => new Dispatcher({ onDead: 'stop' as never }), `onDead is "stop". Pass 'continue' or 'park'.`],
  [() => new Dispatcher({ commands: { onDead: null as never } }), 'commands.onDead is null.'],
  [() => new Dispatcher({ deadLetterCapacity: 0 }), 'deadLetterCapacity is 0.'],
  [() => new Dispatcher({ redact: {} as never }), "The option 'redact' is a plain object. Pass a function."],
  [() => new Dispatcher({ asyncContext: 1 as never }), "The option 'asyncContext' is 1. Pass true or false."],
])('%s is refused', (make, text) => {
  expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(text) }))
})

test('a binding that says it wrongly is a fault of start()', async () => {
  const dp = new Dispatcher()
  dp.events.bind('x', () => {}, { recover: 5 as never })
  dp.events.bind('y', () => {}, { onDead: 'wait' as never })
  await expect(dp.start()).rejects.toMatchObject({
    problems: [
      { code: 'INVALID_OPTION', message: expect.stringContaining("A handler of 'x': recover is 5.") },
      { code: 'INVALID_OPTION', message: expect.stringContaining(`A handler of 'y': onDead is "wait".`) },
    ],
  })
})
