import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  defineCommand,
  defineEvent,
  defineQuery,
  Dispatcher,
  HandlerSignatureError,
  ImproperlyConfigured,
  singleton,
} from '../index.ts'

class Placed extends defineEvent<{ id: string }>('shop.placed') {}
class Paid extends defineEvent<{ id: string }>('shop.paid') {}
class PlaceOrder extends defineCommand<{ id: string }, string>('shop.place-order') {}
class CountOrders extends defineQuery<void, number>('shop.count-orders') {}

class Plain {
  readonly id = 1
}

const silent = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
const placed = new Placed({ id: 'a' })

let dp: Dispatcher

beforeEach(() => {
  dp = newDispatcher()
})

function newDispatcher(): Dispatcher {
  const made = new Dispatcher({ logger: silent })
  onTestFinished(() => made.stop())
  return made
}

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

describe('register(Message)(handler)', () => {
  test('binds a function and gives it back', async () => {
    const count = async (): Promise<number> => 7
    expect(dp.queries.register(CountOrders)(count)).toBe(count)
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('binds to several messages, with options', async () => {
    const got: string[] = []
    dp.events.register([Placed, Paid], { name: 'both', inject: { prefix: 'order ' } })((event, { prefix }) => {
      got.push(prefix + event.id)
    })
    await dp.start()
    expect(await ranBy(placed)).toEqual(['events/both'])
    expect(await ranBy(new Paid({ id: 'b' }))).toEqual(['events/both'])
    expect(got).toEqual(['order a', 'order b'])
  })

  test('binds a class', async () => {
    class Count {
      handle(): number {
        return 7
      }
    }
    dp.queries.register(CountOrders)(Count)
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('leaves faults to start()', async () => {
    dp.events.register(Placed)(5 as never)
    dp.events.register(5 as never)((() => {}) as never)
    expect(await problems()).toEqual([
      expect.stringMatching(/^HANDLER_SIGNATURE: 5 is no handler/),
      expect.stringMatching(/^INVALID_MESSAGE: A handler was bound to 5/),
    ])
  })

  // String() throws for such an object.
  test('leaves to start() the fault of a message that cannot be shown as text', async () => {
    dp.events.register(Object.create(null) as never)((() => {}) as never)
    expect(await problems()).toEqual([expect.stringMatching(/^INVALID_MESSAGE: A handler was bound to a plain object/)])
  })

  test('throws after start(), also where register() itself was called before', async () => {
    const early = dp.events.register(Placed)
    dp.events.bind(Paid, () => {})
    await dp.start()
    const alreadyStarted = expect.objectContaining({
      constructor: ImproperlyConfigured,
      code: 'ALREADY_STARTED',
    }) as Error
    expect(() => dp.events.register(Placed)).toThrow(alreadyStarted)
    expect(() => early(() => {})).toThrow(alreadyStarted)
  })
})

describe('as a decorator of a class', () => {
  test('register binds the class, and leaves it as it is', async () => {
    @dp.queries.register(CountOrders)
    class Count {
      static readonly start = 6
      handle(): number {
        return Count.start + 1
      }
    }
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
    expect(Count.name).toBe('Count')
  })

  test('register constructs it with what is injected', async () => {
    @dp.queries.register(CountOrders, { inject: { repo: singleton('repo', async () => ({ size: 7 })) } })
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
    expect(Count).toBeTypeOf('function')
  })

  test('several of them bind it to several messages', async () => {
    @dp.events.register(Placed, { name: 'placed' })
    @dp.events.register(Paid, { name: 'paid' })
    class Log {
      handle(): void {}
    }
    await dp.start()
    expect(await ranBy(placed)).toEqual(['events/placed'])
    expect(await ranBy(new Paid({ id: 'a' }))).toEqual(['events/paid'])
    expect(Log).toBeTypeOf('function')
  })
})

describe('as a decorator of methods', () => {
  test('register binds them to the mounted instance, under the names of class and method', async () => {
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

      @dp.events.register(Placed)
      log(_event: Placed): void {}
    }
    dp.mount(new Orders())
    await dp.start()
    expect(await dp.request(new PlaceOrder({ id: 'a' }))).toBe('a')
    expect(await dp.request(new CountOrders())).toBe(1)
    expect(await ranBy(placed)).toEqual(['events/Orders.log'])
  })

  test('register takes the same options', async () => {
    class Orders {
      @dp.queries.register(CountOrders, { name: 'count', inject: { extra: 5 } })
      count(_query: CountOrders, { extra }: { extra: number }): number {
        return 2 + extra
      }
    }
    dp.mount(new Orders())
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('private ones can be decorated', async () => {
    class Orders {
      readonly #size = 7

      @dp.queries.register(CountOrders, { name: 'count' })
      #count(): number {
        return this.#size
      }

      countTwice(): number {
        return this.#count() * 2
      }
    }
    const orders = new Orders()
    dp.mount(orders)
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
    expect(orders.countTwice()).toBe(14)
  })

  test('those named by a symbol can be decorated', async () => {
    const count = Symbol('count')
    class Orders {
      @dp.queries.register(CountOrders)
      [count](): number {
        return 7
      }
    }
    dp.mount(new Orders())
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('static ones can be decorated: their class is mounted', async () => {
    class Orders extends Plain {
      static readonly size = 7

      @dp.queries.register(CountOrders)
      static count(): number {
        return this.size
      }
    }
    dp.mount(Orders)
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('static ones are bound by mounting their class, the others by mounting an instance', async () => {
    class Orders {
      @dp.queries.register(CountOrders)
      static count(): number {
        return 7
      }

      @dp.events.register(Placed)
      log(_event: Placed): void {}
    }
    dp.mount(new Orders())
    expect(await problems()).toEqual([expect.stringMatching(/^NOT_MOUNTED: The method 'count'/)])
    dp.mount(Orders)
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
    expect(await ranBy(placed)).toEqual(['events/Orders.log'])
  })

  test('static ones are inherited, and named after the class that is mounted', async () => {
    class Base extends Plain {
      @dp.events.register(Placed)
      static log(_event: Placed): void {}
    }
    class Derived extends Base {}
    dp.mount(Derived)
    await dp.start()
    expect(await ranBy(placed)).toEqual(['events/Derived.log'])
  })

  test('one method can be registered for several messages', async () => {
    class Orders {
      @dp.events.register(Placed)
      @dp.events.register(Paid)
      log(_event: Placed | Paid): void {}
    }
    dp.mount(new Orders())
    await dp.start()
    expect(await ranBy(placed)).toEqual([expect.stringMatching(/^events\/Orders\.log(#2)?$/)])
    expect(await ranBy(new Paid({ id: 'a' }))).toEqual([expect.stringMatching(/^events\/Orders\.log(#2)?$/)])
  })

  test('one method registered for a class and its base runs once, as a function would', async () => {
    class Rush extends Placed {
      static override readonly type = 'shop.rush'
    }
    class Orders {
      @dp.events.register(Placed)
      @dp.events.register(Rush)
      log(_event: Placed): void {}
    }
    dp.mount(new Orders())
    await dp.start()
    expect(await ranBy(new Rush({ id: 'a' }))).toHaveLength(1)
  })

  test('a subclass inherits them', async () => {
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
      override size(): number {
        return 7
      }
    }
    dp.mount(new Derived())
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('a subclass overrides them', async () => {
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

  test('a subclass adds its own to those it inherits', async () => {
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
    dp.mount(new Derived())
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
    expect(await dp.request(new PlaceOrder({ id: 'a' }))).toBe('a')
  })

  test('a decorator above wraps what is bound', async () => {
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

  test('a decorator above wraps a private method, too', async () => {
    class Orders {
      @plusOne
      @dp.queries.register(CountOrders)
      #count(): number {
        return 6
      }
      sum(): number {
        return this.#count()
      }
    }
    const orders = new Orders()
    dp.mount(orders)
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
    expect(orders.sum()).toBe(7)
  })

  test('a method with three parameters is refused', async () => {
    class Orders {
      @(dp.events.register(Placed) as (method: unknown, context: ClassMethodDecoratorContext) => void)
      log(_event: Placed, _deps: object, _third: unknown): void {}
    }
    dp.mount(new Orders())
    expect(await problems()).toEqual([expect.stringMatching(/^HANDLER_SIGNATURE: .*log has 3 parameters/)])
  })
})

describe('mount', () => {
  const another = new Dispatcher({ logger: silent })

  class Orders {
    @another.queries.register(CountOrders)
    count(): number {
      return 7
    }
  }

  test('binds nothing until the instance is mounted: start() names each method and what it is for', async () => {
    class Forgotten {
      @dp.queries.register(CountOrders)
      count(): number {
        return 7
      }
      @dp.events.register([Placed, Paid])
      log(_event: Placed | Paid): void {}
    }
    expect(new Forgotten().count()).toBe(7)
    expect(await problems()).toEqual([
      expect.stringMatching(
        /^NOT_MOUNTED: The method 'log' was registered for 'shop.placed', 'shop.paid', and no instance/,
      ),
      expect.stringMatching(/^NOT_MOUNTED: The method 'count' .* no instance.*Call dp\.mount\(new TheClass\(\)\)/),
    ])
  })

  test('makes up for it, after start() has refused', async () => {
    class Forgotten {
      @dp.queries.register(CountOrders)
      count(): number {
        return 7
      }
    }
    await expect(dp.start()).rejects.toThrow(ImproperlyConfigured)
    dp.mount(new Forgotten())
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test.each([
    ['the same instance', 1],
    ['two instances of one class', 2],
  ])('of %s twice is reported by start()', async (_, instances) => {
    class Twice {
      @dp.queries.register(CountOrders)
      count(): number {
        return 7
      }
    }
    const first = new Twice()
    dp.mount(first)
    dp.mount(instances === 1 ? first : new Twice())
    expect(await problems()).toEqual([
      expect.stringMatching(
        /^MOUNTED_TWICE: The method 'count' was registered once, .* mounted 2 times\. Mount it once/,
      ),
    ])
  })

  test.each<[string, unknown, string]>([
    ['an instance without decorated methods', new Plain(), 'an instance of Plain'],
    ['an instance whose methods another dispatcher has registered', new Orders(), 'an instance of Orders'],
    ['a plain object', {}, 'a plain object'],
    ['an object without a prototype', Object.create(null), 'a plain object'],
    ['a class in the place of an instance', Orders, 'the (class|function) Orders'],
    ['null', null, 'null'],
    ['undefined', undefined, 'undefined'],
    ['a number', 5, '5'],
    ['a string', 'orders', '"orders"'],
  ])('refuses %s at once', (_, part, shown) => {
    dp.events.bind(Placed, () => {})
    const text = new RegExp(`There is nothing to mount in ${shown}\\. Pass a module, or an instance`)
    expect(() => dp.mount(part as object)).toThrow(text)
    expect(() => dp.mount(part as object)).toThrow(
      expect.objectContaining({ constructor: ImproperlyConfigured, code: 'NOTHING_TO_MOUNT' }),
    )
  })

  test('throws after start()', async () => {
    class Late {
      @dp.queries.register(CountOrders)
      count(): number {
        return 7
      }
    }
    dp.mount(new Late())
    await dp.start()
    expect(() => dp.mount(new Late())).toThrow(expect.objectContaining({ code: 'ALREADY_STARTED' }))
    expect(() => dp.mount(new Late())).toThrow(/^dp\.mount\(\) was called after start\(\)/)
  })

  test('of two instances of different classes binds both', async () => {
    class One {
      @dp.events.register(Placed)
      log(_event: Placed): void {}
    }
    class Two {
      @dp.events.register(Placed)
      log(_event: Placed): void {}
    }
    dp.mount(new Two())
    dp.mount(new One())
    await dp.start()
    expect(await ranBy(placed)).toEqual(['events/Two.log', 'events/One.log'])
  })
})

test('a class registered as a decorator needs a handle', async () => {
  dp.events.register(Placed)(Plain as never)
  await expect(dp.start()).rejects.toMatchObject({ problems: [expect.any(HandlerSignatureError)] })
})

/** A decorator that adds one to what the method returns. */
function plusOne(method: (...args: never[]) => number, _context: ClassMethodDecoratorContext): () => number {
  return function (this: unknown, ...args: unknown[]) {
    return Reflect.apply(method, this, args) + 1
  }
}
