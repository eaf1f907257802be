import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  defineCommand,
  defineEvent,
  defineQuery,
  Dispatcher,
  type ImproperlyConfigured,
  singleton,
} from '../../src/index.ts'

class Placed extends defineEvent('shop.placed') {}
class Paid extends defineEvent('shop.paid') {}
class PlaceOrder extends defineCommand<{ id: string }, string>('shop.place-order') {}
class CountOrders extends defineQuery<void, number>('shop.count-orders') {}

const silent = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

let dp: Dispatcher

beforeEach(() => {
  dp = new Dispatcher({ logger: silent })
  onTestFinished(() => dp.stop())
})

/** The names of the handlers that an event has run. */
async function ranBy(event: object): Promise<string[]> {
  return (await dp.publish(event, { waitForResponse: true })).map(({ handler }) => handler)
}

/** What start() reports: the code and text of each problem. */
async function problems(): Promise<string[]> {
  const found = await dp.start().then(
    () => [],
    (error: ImproperlyConfigured) => error.problems,
  )
  return found.map(({ code, message }) => `${code}: ${message}`)
}

describe('a legacy decorator of a class', () => {
  test('binds it, constructed with what is injected', async () => {
    @dp.queries.register(CountOrders, { name: 'count', inject: { repo: singleton('repo', async () => ({ size: 7 })) } })
    class Count {
      readonly #repo: { size: number }
      constructor({ repo }: { repo: { size: number } }) {
        this.#repo = repo
      }
      handle(): number {
        return this.#repo.size
      }
    }
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
    expect(Count.name).toBe('Count')
  })
})

describe('a legacy decorator of methods', () => {
  test('binds them to the mounted instance, under the names of class and method', async () => {
    class Orders {
      readonly #ids: string[] = []

      @dp.commands.register(PlaceOrder)
      async place(command: PlaceOrder): Promise<string> {
        this.#ids.push(command.id)
        return command.id
      }

      @dp.queries.register(CountOrders)
      count(): number {
        return this.#ids.length
      }

      @dp.events.register([Placed, Paid])
      log(_event: Placed | Paid): void {}
    }
    dp.mount(new Orders())
    await dp.start()
    expect(await dp.request(new PlaceOrder({ id: 'a' }))).toBe('a')
    expect(await dp.request(new CountOrders())).toBe(1)
    expect(await ranBy(new Placed())).toEqual(['events/Orders.log'])
    expect(await ranBy(new Paid())).toEqual(['events/Orders.log'])
  })

  test('takes the same options', async () => {
    class Orders {
      @dp.queries.register(CountOrders, { inject: { extra: 5 } })
      count(_query: CountOrders, { extra }: { extra: number }): number {
        return 2 + extra
      }
    }
    dp.mount(new Orders())
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('binds those of a base class for an instance of a subclass', async () => {
    class Base {
      @dp.queries.register(CountOrders)
      count(): number {
        return this.size()
      }
      size(): number {
        return 0
      }
    }
    class Derived extends Base {
      @dp.commands.register(PlaceOrder)
      place(command: PlaceOrder): string {
        return command.id
      }
      override size(): number {
        return 7
      }
    }
    dp.mount(new Derived())
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
    expect(await dp.request(new PlaceOrder({ id: 'a' }))).toBe('a')
  })

  test('binds the method of a subclass that overrides a decorated one', async () => {
    class Base {
      @dp.queries.register(CountOrders)
      count(): number {
        return 0
      }
    }
    class Derived extends Base {
      override count(): number {
        return super.count() + 7
      }
    }
    dp.mount(new Derived())
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('leaves those of a subclass alone when an instance of the base is mounted', async () => {
    class Base {
      @dp.queries.register(CountOrders)
      count(): number {
        return 7
      }
    }
    class Derived extends Base {
      @dp.commands.register(PlaceOrder)
      place(command: PlaceOrder): string {
        return command.id
      }
    }
    dp.mount(new Base())
    expect(new Derived().place(new PlaceOrder({ id: 'a' }))).toBe('a')
    expect(await problems()).toEqual([expect.stringMatching(/^NOT_MOUNTED: The method 'place'/)])
  })

  test('binds what a decorator above it makes of the method', async () => {
    class Orders {
      @plusOne
      @dp.queries.register(CountOrders)
      count(): number {
        return 6
      }
    }
    dp.mount(new Orders())
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('binds static ones when their class is mounted', async () => {
    class Orders {
      static readonly size: number = 7
      readonly id = 1

      @dp.queries.register(CountOrders)
      static count(): number {
        return this.size
      }
    }
    dp.mount(Orders)
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('binds nothing of a class that is not mounted: start() reports it', async () => {
    class Forgotten {
      @dp.queries.register(CountOrders)
      count(): number {
        return 7
      }
    }
    expect(new Forgotten().count()).toBe(7)
    expect(await problems()).toEqual([
      expect.stringMatching(/^NOT_MOUNTED: The method 'count' was registered for 'shop\.count-orders'.*dp\.mount/),
    ])
  })

  test('is reported where two instances of its class are mounted', async () => {
    class Twice {
      @dp.queries.register(CountOrders)
      count(): number {
        return 7
      }
    }
    dp.mount(new Twice())
    dp.mount(new Twice())
    expect(await problems()).toEqual([expect.stringMatching(/^MOUNTED_TWICE: The method 'count' .* mounted 2 times/)])
  })
})

/** A legacy decorator that adds one to what the method returns. */
function plusOne(_prototype: object, _name: string, descriptor: PropertyDescriptor): void {
  const method = descriptor.value as (...args: unknown[]) => number
  descriptor.value = function (this: unknown, ...args: unknown[]): number {
    return Reflect.apply(method, this, args) + 1
  }
}
