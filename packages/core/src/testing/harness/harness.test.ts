import { describe, expect, test } from 'vitest'
import { Dispatcher, defineCommand, defineEvent, defineQuery, module, singleton } from '../../index.ts'
import { testDispatcher } from '../index.ts'

class Ordered extends defineEvent<{ n: number }>('shop.ordered') {}
class Charge extends defineCommand<{ n: number }, string>('shop.charge') {}
class Price extends defineQuery<{ n: number }, number>('shop.price') {}

const never = (): never => {
  throw new Error('must not be called')
}

class Charging {
  constructor() {
    never()
  }

  handle(_command: Charge): string {
    return 'charged'
  }
}

const payments = module('payments', (m) => {
  m.commands.bind(Charge, Charging, { name: 'charge', inject: { bank: singleton('bank', never) } })
})
const sales = module('sales', (m) => {
  m.events.bind(
    Ordered,
    async ({ n }, { context }) => {
      const price = await context.request(new Price({ n }))
      await context.request(new Charge({ n: price }))
    },
    { name: 'sell' },
  )
})

describe('replace()', () => {
  test('has a function answer, and neither constructs the class nor opens what is injected', async () => {
    await using harness = testDispatcher()
    harness.dp.mount(payments)
    const spy = harness.replace<Charge>('charge', ({ n }, { context }) => `${n} by ${context.handler}`)
    await harness.start()
    expect(await harness.dp.request(new Charge({ n: 5 }), { key: 'a' })).toBe('5 by commands/charge')
    expect(spy.handler).toBe('commands/charge')
    expect(spy.messages).toEqual([new Charge({ n: 5 })])
    expect(spy.calls).toMatchObject([{ key: 'a', attempt: 1, status: 'returned', value: '5 by commands/charge' }])
  })

  test('keeps the middleware of the program around it', async () => {
    await using harness = testDispatcher()
    harness.dp.use(async (_message, { next }) => `[${String(await next())}]`)
    harness.dp.mount(payments)
    harness.replace('commands/charge', () => 'ok')
    await harness.start()
    expect(await harness.dp.request(new Charge({ n: 5 }))).toBe('[ok]')
  })

  test('refuses a name that there is not, and lists those that there are', () => {
    const harness = testDispatcher()
    expect(() => harness.replace('x', never)).toThrow('No handler is called "x". There are: none')
    harness.dp.mount(payments)
    harness.dp.mount(sales)
    expect(() => harness.replace('chrage', never)).toThrow(
      'No handler is called "chrage". There are: events/sell, commands/charge.',
    )
  })

  test('refuses a name that several have', () => {
    const other = testDispatcher()
    other.dp.events.bind(Ordered, () => {}, { name: 'same' })
    other.dp.queries.bind(Price, () => 1, { name: 'same' })
    expect(() => other.replace('same', never)).toThrow('Several handlers are called "same"')
    expect(() => other.replace('queries/same', () => 2)).not.toThrow()
  })

  test('comes before the start', async () => {
    await using harness = testDispatcher()
    harness.dp.mount(sales)
    await harness.start()
    expect(() => harness.replace('sell', never)).toThrow(expect.objectContaining({ code: 'ALREADY_STARTED' }))
  })
})

test('spy() watches a handler that runs as ever, at any time, with what it throws', async () => {
  await using harness = testDispatcher()
  const error = new Error('no')
  harness.dp.events.bind(Ordered, () => Promise.reject(error), { name: 'sell' })
  await harness.start()
  const [first, second] = [harness.spy<Ordered>('sell'), harness.spy<Ordered>('events/sell')]
  await harness.dp.publish(new Ordered({ n: 1 }))
  await harness.settled()
  expect(first.calls).toMatchObject([{ message: { n: 1 }, status: 'threw', error }])
  expect(second.calls).toHaveLength(1)
  expect(harness.deliveries()).toMatchObject([{ outcome: 'dead', error }])
})

describe('stub()', () => {
  test('answers for a module that is not there', async () => {
    await using harness = testDispatcher()
    harness.dp.mount(sales)
    const price = harness.stub(Price, ({ n }) => n * 10)
    const charge = harness.stub(Charge, () => 'charged', { name: 'bank' })
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 2 }))
    await harness.settled()
    expect(price.messages).toEqual([new Price({ n: 2 })])
    expect(charge.messages).toEqual([new Charge({ n: 20 })])
    expect(charge.handler).toBe('commands/bank')
  })

  test('takes strings and classes without a marker, and is told their kind', async () => {
    class Plain {
      readonly n = 1
    }
    await using harness = testDispatcher()
    const spy = harness.stub('tick', () => {}, { kind: 'event' })
    harness.stub(Plain, () => 1, { kind: 'query' })
    await harness.start()
    await harness.dp.publish('tick')
    expect(await harness.dp.request(new Plain())).toBe(1)
    expect(spy.messages).toEqual(['tick'])
    expect(() => testDispatcher().stub(Plain, () => 1)).toThrow("does not know the kind of 'Plain'")
  })
})

describe('testDispatcher()', () => {
  test('is silent, and keeps warnings and errors', async () => {
    await using harness = testDispatcher()
    harness.dp.events.bind(Ordered, never)
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 1 }))
    await harness.settled()
    expect(harness.log).toMatchObject([{ level: 'error', text: expect.stringContaining('must not be called') }])
  })

  test('begins when it is told to', async () => {
    const startMs = Date.UTC(1815, 11, 23)
    expect(testDispatcher({ startMs }).clock.now()).toBe(startMs)
  })

  test('takes the dispatcher of a program that makes its own', async () => {
    await using harness = testDispatcher({
      workers: 3,
      make: (options) => {
        const dp = new Dispatcher({ ...options, maxDepth: 5 })
        dp.mount(sales)
        return dp
      },
    })
    harness.stub(Price, () => 1)
    harness.stub(Charge, () => 'charged')
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 1 }))
    await harness.settled()
    expect(harness.dp.limits.workers).toBe(3)
    expect(harness.deliveries({ handler: 'sell', type: Ordered })).toMatchObject([{ outcome: 'done' }])
    expect(harness.deliveries({ type: 'shop.price' })).toHaveLength(1)
  })

  test('refuses a dispatcher with another clock, a clock, and an option that there is not', () => {
    expect(() => testDispatcher({ make: () => new Dispatcher() })).toThrow(
      expect.objectContaining({ code: 'NOT_OF_HARNESS' }),
    )
    const harness = testDispatcher()
    expect(() => testDispatcher({ clock: harness.clock } as object)).toThrow('the harness has one of its own')
    expect(() => testDispatcher({ workerz: 1 } as object)).toThrow("no option 'workerz'")
  })

  test('stops what hangs, at the deadline of its clock', async () => {
    const harness = testDispatcher()
    harness.dp.events.bind(Ordered, () => new Promise(() => {}))
    await harness.start()
    await harness.dp.publish(new Ordered({ n: 1 }))
    await harness.stop({ deadlineMs: 1 })
    expect(harness.deliveries()).toMatchObject([{ outcome: 'stopped' }])
  })
})

test('what is no message type is refused, and so is a timeout that is none', async () => {
  const harness = testDispatcher()
  expect(() => harness.published({} as never)).toThrow('Pass a message class')
  await expect(harness.settled({ timeoutMs: -1 })).rejects.toThrow('timeoutMs')
  expect(() => harness.deliveries({ handler: 'x' })).toThrow('No handler is called "x"')
})
