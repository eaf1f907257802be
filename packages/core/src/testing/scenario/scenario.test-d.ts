import { expectTypeOf, test } from 'vitest'
import { Dispatcher, defineCommand, defineEvent, defineQuery } from '../../index.ts'
import { type Scenario, scenario, testDispatcher } from '../index.ts'

class Ordered extends defineEvent<{ n: number; by: string }>('shop.ordered') {}
class Charge extends defineCommand<{ n: number }>('shop.charge') {}
class Price extends defineQuery<{ n: number }, number>('shop.price') {}
abstract class Plain {
  abstract readonly n: number
}

const harness = testDispatcher()

test('a scenario can be awaited at any point, to nothing', async () => {
  expectTypeOf(await scenario(harness)).toEqualTypeOf<void>()
  expectTypeOf(
    await scenario(harness.dp)
      .when(new Charge({ n: 1 }))
      .then(Ordered),
  ).toEqualTypeOf<void>()
  expectTypeOf(await scenario(new Dispatcher()).then(Ordered).thenFails('X').andNothingElse()).toEqualTypeOf<void>()
  expectTypeOf<Awaited<Scenario>>().toEqualTypeOf<void>()
  expectTypeOf(scenario(harness)).toExtend<Promise<void>>()
  expectTypeOf(scenario(harness).then(() => 1)).toEqualTypeOf<Promise<number>>()
  expectTypeOf(scenario(harness).catch((error: unknown) => error)).toEqualTypeOf<Promise<unknown>>()
})

test('then() takes a class with some of its fields or a function, and a message', () => {
  scenario(harness)
    .then(Ordered, { n: 1 })
    .then(Charge)
    .then(Plain, { n: 1 })
    .then(new Charge({ n: 1 }))
    .then('tick')
  scenario(harness).then(Ordered, (event) => {
    expectTypeOf(event).toEqualTypeOf<Ordered>()
    return event.n > 1
  })
  // @ts-expect-error there is no such field
  scenario(harness).then(Ordered, { m: 1 })
  // @ts-expect-error the field has another type
  scenario(harness).then(Ordered, { n: 'one' })
  // @ts-expect-error a number is no message
  scenario(harness).then(1)
})

test('given() takes what can be published or sent, alone or with options', () => {
  scenario(harness).given(new Ordered({ n: 1, by: 'me' }), [new Charge({ n: 1 }), { key: 'a' }], 'tick')
  // @ts-expect-error a query is only asked
  scenario(harness).given(new Price({ n: 1 }))
  scenario(harness).when(new Price({ n: 1 }), [new Charge({ n: 1 }), { key: 'a' }])
  // @ts-expect-error there is no such option
  scenario(harness).when([new Charge({ n: 1 }), { kee: 'a' }])
})

test('thenFails() takes a class of errors, or a text', () => {
  scenario(harness).thenFails(RangeError).thenFails('NO_MONEY')
  // @ts-expect-error an error itself is not what it takes
  scenario(harness).thenFails(new Error('no'))
})
