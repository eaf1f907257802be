import { describe, expectTypeOf, test } from 'vitest'
import {
  type Context,
  deadLetter,
  type DeadLetter,
  defineEvent,
  discard,
  Dispatcher,
  exponential,
  fixed,
  type Outcome,
  type Recover,
  retry,
  RetryLater,
} from './index.ts'

class Paid extends defineEvent<{ amount: number }>('test.paid') {}
class OutOfDate extends Error {}
declare const dp: Dispatcher

describe('outcomes', () => {
  test('tell by their status what there is', async () => {
    for (const outcome of await dp.publish(new Paid({ amount: 1 }), { waitForResponse: true })) {
      expectTypeOf(outcome.handler).toEqualTypeOf<string>()
      expectTypeOf(outcome.status).toEqualTypeOf<'done' | 'dead' | 'skipped' | 'parked' | 'stopped'>()
      if (outcome.status === 'done') expectTypeOf(outcome.error).toEqualTypeOf<undefined>()
      else if (outcome.status === 'skipped') expectTypeOf(outcome.error).toEqualTypeOf<Error | undefined>()
      else expectTypeOf(outcome.error).toEqualTypeOf<Error>()
      // @ts-expect-error only what is done has a value
      if (outcome.status === 'dead') void outcome.value.length
    }
  })
})

describe('recover', () => {
  test('takes policies, functions and several of them, everywhere', () => {
    const own: Recover = (error, { attempt, type }) => {
      expectTypeOf(error).toEqualTypeOf<Error>()
      expectTypeOf(attempt).toEqualTypeOf<number>()
      expectTypeOf(type).toEqualTypeOf<string>()
      return attempt < 3 ? { outcome: 'retry', delayMs: 5 } : undefined
    }
    const recover = [discard({ when: OutOfDate }), deadLetter({ when: [TypeError, RangeError] }), retry(), own]
    void new Dispatcher({ recover, onDead: 'park', events: { recover: own, onDead: 'continue' } })
    dp.events.bind(Paid, () => {}, {
      recover: retry({ attempts: 3, backoff: exponential({ jitter: 0 }) }),
      onDead: 'park',
    })
    dp.events.register(Paid, { recover, onDead: 'park' })(() => {})
    retry({
      backoff: (failures, random) => failures * random,
      when: (error) => error.name === 'x',
      unavailable: RetryLater,
    })
  })

  test('refuses what decides nothing', () => {
    // @ts-expect-error an outcome that there is not
    dp.events.bind(Paid, () => {}, { recover: () => ({ outcome: 'again' }) })
    // @ts-expect-error a retry without a delay
    dp.events.bind(Paid, () => {}, { recover: () => ({ outcome: 'retry' }) })
    // @ts-expect-error the policy itself, not what makes it
    dp.events.bind(Paid, () => {}, { recover: retry })
    // @ts-expect-error no class of errors
    retry({ when: Map })
    // @ts-expect-error a number is no backoff
    retry({ backoff: 100 })
    // @ts-expect-error a text is no delay
    fixed('1s')
    // @ts-expect-error one of two words
    dp.events.bind(Paid, () => {}, { onDead: 'stop' })
    // @ts-expect-error a delay is needed
    void new RetryLater()
  })
})

test('dead letters are counted, or waited for', () => {
  expectTypeOf(dp.deadLetters.replay('id')).toEqualTypeOf<Promise<number>>()
  expectTypeOf(dp.deadLetters.replay({ key: 'k' }, { waitForResponse: true })).toEqualTypeOf<Promise<Outcome[]>>()
  expectTypeOf(dp.deadLetters.get('id')).toEqualTypeOf<Promise<DeadLetter | undefined>>()
  const edit = ({ envelope }: DeadLetter) => ({ message: envelope.message })
  expectTypeOf(dp.deadLetters.editAndReplay('id', edit)).toEqualTypeOf<Promise<void>>()
  expectTypeOf(dp.deadLetters.editAndReplay('id', edit, { waitForResponse: true })).toEqualTypeOf<Promise<Outcome>>()
  // @ts-expect-error the filter is misspelt
  void dp.deadLetters.list({ handlers: 'x' })
  // @ts-expect-error a key is needed
  void dp.deadLetters.erase({})
  // @ts-expect-error nothing to send
  void dp.deadLetters.editAndReplay('id', () => ({ headers: {} }))
})

test('the context of the running handler may not be there', () => {
  expectTypeOf(dp.context).toEqualTypeOf<Context | undefined>()
  expectTypeOf<Context['replayed']>().toEqualTypeOf<boolean>()
})
