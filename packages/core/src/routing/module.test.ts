import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  defineCommand,
  defineEvent,
  defineQuery,
  Dispatcher,
  ImproperlyConfigured,
  InvalidOption,
  module,
  type ModuleScope,
} from '../index.ts'

class Placed extends defineEvent('shop.placed') {}
class PlaceOrder extends defineCommand<void, string>('shop.place-order') {}
class CountOrders extends defineQuery<void, number>('shop.count-orders') {}

const silent = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

let dp: Dispatcher

beforeEach(() => {
  dp = newDispatcher()
})

function newDispatcher(): Dispatcher {
  const made = new Dispatcher({ logger: silent })
  onTestFinished(() => made.stop())
  return made
}

const orders = module('orders', (m) => {
  m.commands.bind(PlaceOrder, () => 'placed')
  m.queries.bind(CountOrders, () => 7)
  m.events.bind(Placed, () => {}, { name: 'log' })
})

describe('a module', () => {
  test('groups handlers of all kinds', async () => {
    dp.mount(orders)
    await dp.start()
    expect(await dp.request(new PlaceOrder())).toBe('placed')
    expect(await dp.request(new CountOrders())).toBe(7)
    expect(await dp.publish(new Placed(), { waitForResponse: true })).toMatchObject([{ handler: 'events/log' }])
  })

  test('binds nothing before it is mounted', () => {
    const setup = vi.fn<(m: ModuleScope) => void>()
    const part = module('part', setup)
    expect(setup).not.toHaveBeenCalled()
    dp.mount(part)
    expect(setup).toHaveBeenCalledTimes(1)
  })

  test('is free of any one dispatcher: it can be mounted on several', async () => {
    const other = newDispatcher()
    for (const each of [dp, other]) {
      each.mount(orders)
      await each.start()
      expect(await each.request(new CountOrders())).toBe(7)
    }
  })

  test('can mount other modules, and instances with decorated methods', async () => {
    class Count {
      @dp.queries.register(CountOrders)
      count(): number {
        return 7
      }
    }
    const inner = module('inner', (m) => m.commands.bind(PlaceOrder, () => 'placed'))
    const outer = module('outer', (m) => {
      m.mount(inner)
      m.mount(new Count())
    })
    dp.mount(outer)
    await dp.start()
    expect(await dp.request(new PlaceOrder())).toBe('placed')
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('binds its handlers in their place among the others', async () => {
    dp.events.bind(Placed, () => {}, { name: 'before' })
    dp.mount(orders)
    dp.events.bind(Placed, () => {}, { name: 'after' })
    await dp.start()
    const outcomes = await dp.publish(new Placed(), { waitForResponse: true })
    expect(outcomes.map(({ handler }) => handler)).toEqual(['events/before', 'events/log', 'events/after'])
  })

  test('leaves the faults of its handlers to start()', async () => {
    dp.mount(module('faulty', (m) => m.events.bind(Placed, 5 as never)))
    await expect(dp.start()).rejects.toMatchObject({ problems: [{ code: 'HANDLER_SIGNATURE' }] })
  })

  test('whose setup throws makes mount throw the same', () => {
    const error = new Error('no such table')
    const faulty = module('faulty', () => {
      throw error
    })
    expect(() => dp.mount(faulty)).toThrow(error)
  })
})

describe('mount refuses a module', () => {
  const mountedTwice = expect.objectContaining({ constructor: ImproperlyConfigured, code: 'MOUNTED_TWICE' }) as Error

  test('a second time, and its handlers stay bound once', async () => {
    dp.mount(orders)
    expect(() => dp.mount(orders)).toThrow(mountedTwice)
    expect(() => dp.mount(orders)).toThrow(/^A module 'orders' is mounted already\. Mount it once, or give/)
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('of a name that another has, without setting it up', () => {
    const setup = vi.fn<(m: ModuleScope) => void>()
    dp.mount(orders)
    expect(() => dp.mount(module('orders', setup))).toThrow(mountedTwice)
    expect(setup).not.toHaveBeenCalled()
  })

  test('of a name that an outer module has', () => {
    const outer = module('orders', (m) => m.mount(orders))
    expect(() => dp.mount(outer)).toThrow(mountedTwice)
  })

  test('that mounts itself', () => {
    const snake = module('snake', (m) => m.mount(snake))
    expect(() => dp.mount(snake)).toThrow(mountedTwice)
  })

  test.each<[string, () => unknown]>([
    ['that works', async (): Promise<void> => {}],
    // Its rejection is observed: it would fail the whole run otherwise.
    ['that fails', async (): Promise<void> => Promise.reject(new Error('no such table'))],
  ])('with an asynchronous setup %s', (_, setup) => {
    expect(() => dp.mount(module('late', setup))).toThrow(
      expect.objectContaining({ constructor: ImproperlyConfigured, code: 'ASYNC_MODULE' }),
    )
    expect(() => dp.mount(module('later', setup))).toThrow(
      /setup of module 'later' is asynchronous\. Make it synchronous/,
    )
  })

  test('after start()', async () => {
    dp.queries.bind(CountOrders, () => 7)
    await dp.start()
    const setup = vi.fn<(m: ModuleScope) => void>()
    expect(() => dp.mount(module('late', setup))).toThrow(expect.objectContaining({ code: 'ALREADY_STARTED' }))
    expect(setup).not.toHaveBeenCalled()
  })
})

test('what a module keeps of its scope cannot bind after start()', async () => {
  const kept: ModuleScope[] = []
  dp.mount(module('keeps', (m) => void kept.push(m)))
  dp.mount(orders)
  await dp.start()
  expect(kept).toHaveLength(1)
  for (const { events, queries } of kept) {
    expect(() => events.bind(Placed, () => {})).toThrow(/^dp\.events\.bind was called after start\(\)/)
    expect(() => queries.register(CountOrders)).toThrow(/^dp\.queries\.register was called after start\(\)/)
  }
})

describe('module() refuses', () => {
  test.each<[string, unknown, unknown, string]>([
    ['an empty name', '', () => {}, 'The name of a module is "". Pass a string'],
    ['a name that is no string', 5, () => {}, 'The name of a module is 5. Pass a string'],
    ['a setup in the place of the name', () => {}, undefined, 'The name of a module is an anonymous function'],
    ['no setup', 'orders', undefined, "The module 'orders' was given undefined. Pass a function"],
    ['a setup that is no function', 'orders', orders, "The module 'orders' was given an instance of Module"],
  ])('%s', (_, name, setup, text) => {
    expect(() => module(name as string, setup as () => void)).toThrow(InvalidOption)
    expect(() => module(name as string, setup as () => void)).toThrow(text)
  })
})

test('a module whose setup failed keeps the dispatcher from starting with half of it', async () => {
  const fresh = new Dispatcher()
  const broken = module('broken', (m) => {
    m.events.bind('bound', () => {})
    throw new Error('no database')
  })
  expect(() => fresh.mount(broken)).toThrow('no database')
  await expect(fresh.start()).rejects.toMatchObject({
    problems: [{ code: 'MODULE_FAILED', message: expect.stringContaining("'broken' failed") }],
  })
})
