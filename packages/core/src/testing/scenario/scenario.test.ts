import { describe, expect, test } from 'vitest'
import { Dispatcher, defineCommand, defineEvent, defineQuery, fixed, retry } from '../../index.ts'
import { memory } from '../../memory/index.ts'
import { type Scenario, scenario, ScenarioFailed, testDispatcher } from '../index.ts'
import type { Harness } from '../harness/harness.ts'

class BookOrdered extends defineEvent<{ title: string; copies: number }>('shop.book-ordered') {}
class BookSold extends defineEvent<{ title: string }>('shop.book-sold') {}
class OrderBook extends defineCommand<{ title: string; copies: number }>('shop.order-book') {}
class Stock extends defineQuery<{ title: string }, number>('shop.stock') {}

class SoldOut extends Error {
  readonly code = 'SOLD_OUT'
}

/** A shop that has as many copies as were ordered before. */
function shop(options: Parameters<typeof testDispatcher>[0] = {}): Harness {
  const harness = testDispatcher(options)
  const { events, commands, queries } = harness.dp
  const stock = new Map<string, number>()
  queries.bind(Stock, ({ title }) => stock.get(title) ?? 0, { name: 'stock' })
  events.bind(BookOrdered, ({ title, copies }) => void stock.set(title, copies), { name: 'fill' })
  commands.bind(
    OrderBook,
    async ({ title, copies }, { context }) => {
      if ((await context.request(new Stock({ title }))) < copies) throw new SoldOut(`no ${copies} of ${title}`)
      for (let copy = 0; copy < copies; copy += 1) context.publish(new BookSold({ title }))
    },
    { name: 'order' },
  )
  return harness
}

const emma = new BookOrdered({ title: 'Emma', copies: 2 })
const order = (copies: number): OrderBook => new OrderBook({ title: 'Emma', copies })

async function failure(told: Scenario): Promise<ScenarioFailed> {
  const error: unknown = await told.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(ScenarioFailed)
  return error as ScenarioFailed
}

describe('a scenario holds', () => {
  test.each([
    ['without a store', {}],
    ['with a store', { store: memory() }],
  ])('%s, where all that was expected was caused, and nothing else', async (_, options) => {
    await using harness = shop(options)
    const told = scenario(harness)
      .given(emma)
      .when(order(2))
      .then(BookSold, { title: 'Emma' })
      .then(new BookSold({ title: 'Emma' }))
      .andNothingElse()
    await expect(told).resolves.toBeUndefined()
  })

  test('of the dispatcher of a harness, with keys, functions, strings, and what is requested', async () => {
    await using harness = shop()
    harness.dp.events.bind('closing time', (_event, { context }) => {
      context.publish('lights out')
      context.send(order(0), { key: null })
    })
    await scenario(harness.dp)
      .given([emma, { key: 'Emma' }])
      .when('closing time', [order(1), { key: 'Emma' }], new Stock({ title: 'Emma' }))
      .then('lights out')
      .then(OrderBook, ({ copies }) => copies === 0)
      .then(Stock)
      .then(BookSold)
      .andNothingElse()
    expect(harness.deliveries({ handler: 'order' }).map(({ key }) => key)).toEqual([undefined, 'Emma'])
  })

  test('whichever expectation each message is for', async () => {
    await using harness = testDispatcher()
    harness.dp.commands.bind(OrderBook, (_command, { context }) => {
      context.publish(new BookSold({ title: 'Emma' }))
      context.publish(new BookSold({ title: 'Persuasion' }))
    })
    const told = scenario(harness).when(order(1)).then(BookSold).then(BookSold, { title: 'Emma' }).andNothingElse()
    await expect(told).resolves.toBeUndefined()
  })

  test.each([['a class', SoldOut] as const, ['a code', 'SOLD_OUT'] as const, ['a text', 'no 3 of'] as const])(
    'where it fails as %s of errors says',
    async (_, error) => {
      await using harness = shop()
      await expect(scenario(harness).given(emma).when(order(3)).thenFails(error).andNothingElse()).resolves.toBe(
        undefined,
      )
    },
  )

  test('where a request is rejected as it was expected, or a message is refused', async () => {
    await using harness = testDispatcher()
    harness.dp.queries.bind(Stock, () => Promise.reject(new RangeError('no')))
    await scenario(harness)
      .when(new Stock({ title: 'Emma' }))
      .thenFails(RangeError)
      .andNothingElse()
    await expect(scenario(harness).when(order(1)).thenFails('HANDLER_DOES_NOT_EXIST')).resolves.toBeUndefined()
  })

  test('where an attempt failed, and was tried again with success', async () => {
    await using harness = testDispatcher({ recover: retry({ attempts: 2, backoff: fixed(60_000) }) })
    harness.dp.events.bind(BookSold, (_event, { context }) => {
      if (context.attempt === 1) throw new Error('not yet')
    })
    const told = scenario(harness)
      .when(new BookSold({ title: 'Emma' }))
      .andNothingElse()
    await expect(told).resolves.toBeUndefined()
  })
})

describe('a scenario fails, and says', () => {
  test('what was expected, what came nearest, and all that happened', async () => {
    await using harness = shop()
    const error = await failure(scenario(harness).given(emma).when(order(1)).then(BookSold, { title: 'Persuasion' }))
    expect(error.code).toBe('SCENARIO_FAILED')
    expect(error.message).toBe(
      `
Expected shop.book-sold with { title: 'Persuasion' }, and it was not caused. Of its type:
  shop.book-sold { title: 'Emma' }

This happened:
  publish shop.book-ordered { title: 'Emma', copies: 2 }
    events/fill: done
  send shop.order-book { title: 'Emma', copies: 1 }
    commands/order: done
      request shop.stock { title: 'Emma' }
        queries/stock: done
      publish shop.book-sold { title: 'Emma' }, which nobody handles`.trim(),
    )
    expect(error).toMatchObject({ expected: { title: 'Persuasion' }, actual: { title: 'Emma' } })
  })

  test('that nothing of the type was caused; what was given, or told, does not count', async () => {
    await using harness = shop()
    const { message } = await failure(scenario(harness).given(emma).when(order(0)).then(BookOrdered).then(OrderBook))
    expect(message).toContain('Expected shop.book-ordered, and it was not caused. Nothing of its type was.')
    expect(message).toContain('Expected shop.order-book, and it was not caused. Nothing of its type was.')
  })

  test('that there were fewer than expected', async () => {
    await using harness = shop()
    const sold = new BookSold({ title: 'Emma' })
    const { message } = await failure(scenario(harness).given(emma).when(order(1)).then(sold).then(sold))
    expect(message.match(/and it was not caused/g)).toHaveLength(1)
  })

  test('what else was caused', async () => {
    await using harness = shop()
    const { message } = await failure(scenario(harness).given(emma).when(order(2)).then(BookSold).andNothingElse())
    expect(message).toContain("Expected nothing else, and shop.book-sold { title: 'Emma' } was caused.")
  })

  test('that a message of it failed, with the error as its cause', async () => {
    await using harness = shop()
    const error = await failure(scenario(harness).when(order(1)))
    expect(error.message).toContain('commands/order with shop.order-book')
    expect(error.message).toContain('is dead: Error: no 1 of Emma')
    expect(error.cause).toBeInstanceOf(SoldOut)
  })

  test('that a delivery of what was caused failed, where nothing else is to be', async () => {
    const told = async (tell: (of: Scenario) => Scenario): Promise<void> => {
      await using harness = shop()
      harness.dp.events.bind(BookSold, () => Promise.reject(new Error('no stamp')), { name: 'invoice' })
      await tell(scenario(harness).given(emma).when(order(1)).then(BookSold))
    }
    await expect(told((of) => of)).resolves.toBeUndefined()
    await expect(told((of) => of.thenFails('no stamp').andNothingElse())).resolves.toBeUndefined()
    await expect(told((of) => of.andNothingElse())).rejects.toThrow('events/invoice with shop.book-sold')
  })

  test('that it did not fail, or otherwise', async () => {
    await using harness = shop()
    const wrong = await failure(scenario(harness).when(order(1)).thenFails(RangeError))
    expect(wrong.message).toContain('Expected it to fail with RangeError, and it failed with Error: no 1 of Emma.')
    const none = await failure(scenario(harness).when(order(0)).thenFails('NO_MONEY'))
    expect(none.message).toContain("Expected it to fail with 'NO_MONEY', and it did not fail.")
  })

  test('that what was given was refused', async () => {
    await using harness = testDispatcher()
    harness.dp.events.bind(BookSold, () => {})
    const { message } = await failure(
      scenario(harness)
        .given(order(1))
        .when(new BookSold({ title: 'Emma' })),
    )
    expect(message).toContain('shop.order-book')
    expect(harness.published(BookSold)).toEqual([])
  })

  test('that a lane is parked', async () => {
    await using harness = testDispatcher({ onDead: 'park' })
    harness.dp.events.bind(BookSold, () => Promise.reject(new Error('no')), { name: 'invoice' })
    const sold = new BookSold({ title: 'Emma' })
    const told = scenario(harness)
      .given([sold, { key: 'a' }])
      .when([sold, { key: 'a' }])
      .andNothingElse()
    expect((await failure(told)).message).toContain("events/invoice with shop.book-sold { title: 'Emma' } is parked.")
  })
})

describe('a scenario', () => {
  test('runs when it is awaited, not before, and once', async () => {
    await using harness = shop()
    const told = scenario(harness).given(emma)
    await Promise.resolve()
    expect(harness.dp.isStarted).toBe(false)
    await told
    await told
    await told.finally(() => {})
    expect(harness.published(BookOrdered)).toHaveLength(1)
    expect(() => told.then(BookSold)).toThrow(expect.objectContaining({ code: 'SCENARIO_OVER' }))
  })

  test('is a promise: it can be caught, raced and waited for among others', async () => {
    await using harness = shop()
    expect(scenario(harness)).toBeInstanceOf(Promise)
    expect(
      await scenario(harness)
        .when(order(1))
        .catch((error: unknown) => error),
    ).toBeInstanceOf(ScenarioFailed)
    expect(await Promise.all([scenario(harness), scenario(harness).then(() => 2)])).toEqual([undefined, 2])
    // A function of the old kind is a callback too.
    expect(
      await scenario(harness).then(function () {
        return 3
      }),
    ).toBe(3)
  })

  test('is of a harness alone, and expects messages alone', () => {
    expect(() => scenario(new Dispatcher())).toThrow('Make one with testDispatcher()')
    const told = scenario(testDispatcher())
    expect(() => told.then({ title: 'Emma' } as never)).toThrow('is no message')
    expect(() => told.then(BookSold, 'Emma' as never)).toThrow('Pass some of its fields, or a function')
    expect(() => told.thenFails(1 as never)).toThrow('Pass a class of errors')
  })
})
