import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { defineCommand, defineEvent, Dispatcher, Event, EventRouter, RequestRouter } from '../index.ts'
import { responseCycles } from './response-cycles.ts'

class Placed extends defineEvent('shop.placed') {}
class Paid extends defineEvent('shop.paid') {}
class Shipped extends defineEvent('shop.shipped') {}
class PlaceOrder extends defineCommand<void, string>('shop.place-order') {}

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

let dp: Dispatcher

beforeEach(() => {
  vi.clearAllMocks()
  dp = new Dispatcher({ logger })
  onTestFinished(() => dp.stop())
})

describe('response events that lead back', () => {
  /** Binds a handler that answers each event with others. */
  function answer(router: EventRouter, type: typeof Placed, ...responseEvent: (typeof Placed)[]): void {
    router.bind(type, () => {}, { responseEvent })
  }

  test('to their own handler are a warning, and start() goes on', async () => {
    answer(dp.events, Placed, Placed)
    await dp.start()
    expect(dp.isStarted).toBe(true)
    expect(logger.warn.mock.calls).toEqual([
      [
        { cycle: ['shop.placed', 'shop.placed'] },
        expect.stringContaining('Response events feed themselves: shop.placed -> shop.placed.'),
      ],
    ])
  })

  test('over several handlers are one warning that names them in order', async () => {
    answer(dp.events, Placed, Paid)
    answer(dp.events, Paid, Shipped)
    answer(dp.events, Shipped, Placed)
    await dp.start()
    expect(logger.warn.mock.calls.map(([fields]) => fields as unknown)).toEqual([
      { cycle: ['shop.placed', 'shop.paid', 'shop.shipped', 'shop.placed'] },
    ])
  })

  test('in several cycles are a warning each', () => {
    const router = new EventRouter()
    answer(router, Placed, Placed, Paid)
    answer(router, Paid, Shipped)
    answer(router, Shipped, Paid)
    expect(responseCycles(router.bindings)).toEqual([
      ['shop.placed', 'shop.placed'],
      ['shop.paid', 'shop.shipped', 'shop.paid'],
    ])
  })

  test('are none where they only lead on, also by two ways to one event', async () => {
    dp.commands.bind(PlaceOrder, () => '', { responseEvent: Placed } as never)
    answer(dp.events, Placed, Paid, Shipped)
    answer(dp.events, Paid, Shipped)
    dp.events.bind(Shipped, () => {})
    await dp.start()
    expect(logger.warn).not.toHaveBeenCalled()
  })

  test('by a handler of a base class are a warning, too', () => {
    const router = new EventRouter()
    router.bind(Event, () => new Paid(), { responseEvent: Paid })
    expect(responseCycles(router.bindings)).toHaveLength(1)
  })

  test('are none by a command handler of a base class, which the event does not reach', () => {
    class Plain {
      readonly id = 1
    }
    class Derived extends Plain {}
    const router = new RequestRouter('command')
    router.bind(Plain, () => new Derived() as never, { responseEvent: Derived })
    expect(responseCycles(router.bindings)).toEqual([])
  })

  // 14 layers of two events, each leading to both of the next: 2 ** 14 ways.
  test('are looked for in a time that grows with the handlers, not with the ways through them', () => {
    const layers = Array.from({ length: 14 }, (_, layer) =>
      [0, 1].map((n) => class extends defineEvent(`${layer}-${n}`) {}),
    )
    const router = new EventRouter()
    layers.forEach((types, layer) => types.forEach((type) => answer(router, type, ...(layers[layer + 1] ?? []))))
    let looks = 0
    const watched = router.bindings.map((binding) => ({
      ...binding,
      get responseEvents() {
        looks += 1
        return binding.responseEvents
      },
    }))
    expect(responseCycles(watched)).toEqual([])
    expect(looks).toBeLessThan(watched.length ** 2)
  })
})
