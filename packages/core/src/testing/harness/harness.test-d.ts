import { expectTypeOf, test } from 'vitest'
import { Dispatcher, defineCommand, defineEvent, defineQuery } from '../../index.ts'
import { testDispatcher } from '../index.ts'

class Ordered extends defineEvent<{ n: number }>('shop.ordered') {}
class Charge extends defineCommand<{ n: number }, string>('shop.charge') {}
class Price extends defineQuery<{ n: number }, number>('shop.price') {}

const harness = testDispatcher({ workers: 2, make: (options) => new Dispatcher({ ...options, maxDepth: 5 }) })

test('what was recorded has the type of its message', () => {
  expectTypeOf(harness.published(Ordered)).toEqualTypeOf<readonly Ordered[]>()
  expectTypeOf(harness.sent(Charge)).toEqualTypeOf<readonly Charge[]>()
  expectTypeOf(harness.requested('tick')).toEqualTypeOf<readonly 'tick'[]>()
  expectTypeOf(harness.deadLetters(Ordered)[0]?.message).toEqualTypeOf<Ordered | undefined>()
  expectTypeOf(harness.deliveries({ handler: 'a', type: Ordered })[0]?.attempts).toEqualTypeOf<number | undefined>()
})

test('a stub is given its message, and answers what a handler would', () => {
  const spy = harness.stub(Price, (query, { context }) => {
    expectTypeOf(query).toEqualTypeOf<Price>()
    expectTypeOf(context.key).toEqualTypeOf<string | undefined>()
    return query.n
  })
  expectTypeOf(spy.messages).toEqualTypeOf<readonly Price[]>()
  harness.stub(Charge, async () => 'charged')
  harness.stub(Ordered, () => {})
  harness.stub('tick', () => {}, { kind: 'event' })
  // @ts-expect-error it answers a number
  harness.stub(Price, () => 'a lot')
  // @ts-expect-error of a string, the kind is to be said
  harness.stub('tick', () => {})
})

test('a stand-in says what it is given, and its spy knows', () => {
  const spy = harness.replace('charge', (command: Charge) => `charged ${command.n}`)
  expectTypeOf(spy.calls[0]?.message).toEqualTypeOf<Charge | undefined>()
  expectTypeOf(harness.spy<Ordered>('sell').messages).toEqualTypeOf<readonly Ordered[]>()
})

test('the clock is the harness’s own', () => {
  // @ts-expect-error there is no such option
  testDispatcher({ clock: harness.clock })
})
