import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  AbstractHandler,
  defineCommand,
  defineEvent,
  defineQuery,
  Dispatcher,
  EventRouter,
  factory,
  ImproperlyConfigured,
  RequestRouter,
  singleton,
} from '../index.ts'
import { nameHandlers } from './wiring.ts'

class Placed extends defineEvent('shop.placed') {}
class Paid extends defineEvent('shop.paid') {}
class Shipped extends defineEvent('shop.shipped') {}
class PlaceOrder extends defineCommand<void, string>('shop.place-order') {}
class CountOrders extends defineQuery<void, number>('shop.count-orders') {}
class Plain {
  readonly id = 1
}

const handler = (() => {}) as never
const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

let dp: Dispatcher

beforeEach(() => {
  vi.clearAllMocks()
  dp = new Dispatcher({ logger })
  onTestFinished(() => dp.stop())
})

/** What start() reports; empty where it starts. */
async function faults(): Promise<ImproperlyConfigured['problems']> {
  return dp.start().then(
    () => [],
    (error: ImproperlyConfigured) => error.problems,
  )
}

/** The same, each fault as its code and its text. */
async function problems(): Promise<string[]> {
  return (await faults()).map(({ code, message }) => `${code}: ${message}`)
}

describe('start() reports', () => {
  test('a second handler of a command, or of a query, naming both', async () => {
    dp.commands.bind(PlaceOrder, function place() {
      return ''
    })
    dp.commands.bind(PlaceOrder, () => '', { name: 'place-again' })
    dp.queries.bind(CountOrders, () => 1)
    dp.queries.bind([CountOrders, 'count'], () => 2)
    expect(await problems()).toEqual([
      "TWO_HANDLERS: The command 'shop.place-order' has 2 handlers: place, place-again. It can have one: remove the others.",
      "TWO_HANDLERS: The query 'shop.count-orders' has 2 handlers: shop.count-orders#1, shop.count-orders#2. It can have one: remove the others.",
    ])
  })

  test('a name given to two handlers of one router', async () => {
    dp.events.bind(Placed, () => {}, { name: 'log' })
    dp.events.bind(Paid, () => {}, { name: 'log' })
    expect(await problems()).toEqual(["NAME_TAKEN: 2 handlers have one name on dp.events: 'log'. Give each its own."])
  })

  test('two classes of one type name', async () => {
    class AlsoPlaced extends defineEvent('shop.placed') {}
    dp.events.bind(Placed, () => {})
    dp.events.bind(AlsoPlaced, () => {})
    expect(await problems()).toEqual([
      "TYPE_TAKEN: 2 message types have one name, 'shop.placed': class Placed, class AlsoPlaced. Give each its own static type.",
    ])
  })

  test('a string and a class of one type name', async () => {
    dp.events.bind([Plain, 'Plain'], () => {})
    expect(await problems()).toEqual([expect.stringMatching(/^TYPE_TAKEN: .*'Plain': class Plain, a string/)])
  })

  test('a response event whose type name is that of another class', async () => {
    class AlsoPlaced extends defineEvent('shop.placed') {}
    dp.events.bind(Placed, () => {})
    dp.events.bind(Paid, () => new AlsoPlaced(), { responseEvent: AlsoPlaced })
    expect(await problems()).toEqual([expect.stringMatching(/^TYPE_TAKEN: .*'shop.placed'/)])
  })

  test('a plain class, or a string, on two routers', async () => {
    dp.events.bind(Plain, () => {})
    dp.queries.bind(Plain, () => 1)
    dp.commands.bind('tidy up', () => {})
    dp.queries.bind('tidy up', () => 1)
    expect(await problems()).toEqual([
      "TWO_ROUTERS: 'Plain' is bound on dp.events and dp.queries. A message is of one kind: bind it on one router.",
      "TWO_ROUTERS: 'tidy up' is bound on dp.commands and dp.queries. A message is of one kind: bind it on one router.",
    ])
  })

  test.each<[string, () => void, string]>([
    [
      'a command on dp.events',
      () => dp.events.bind(PlaceOrder as never, handler),
      "'shop.place-order' is a class of kind 'command' and was bound on dp.events. Bind it on dp.commands.",
    ],
    [
      'an event on dp.commands',
      () => dp.commands.bind(Placed as never, handler),
      "'shop.placed' is a class of kind 'event' and was bound on dp.commands. Bind it on dp.events.",
    ],
    [
      'a command on dp.queries',
      () => dp.queries.bind(PlaceOrder as never, handler),
      "'shop.place-order' is a class of kind 'command' and was bound on dp.queries. Bind it on dp.commands.",
    ],
    [
      'a query among the messages of a handler on dp.events',
      () => dp.events.bind([Placed, CountOrders] as never, handler),
      "'shop.count-orders' is a class of kind 'query' and was bound on dp.events. Bind it on dp.queries.",
    ],
  ])('%s, and names the router for it', async (_, bind, text) => {
    bind()
    expect(await problems()).toEqual([`WRONG_ROUTER: ${text}`])
  })

  test.each([
    ['inject names context', { inject: { context: 1 } }],
    ['argname is context', { argname: 'context' }],
  ])('that %s: the name is reserved', async (_, options) => {
    dp.events.bind(Placed, () => {}, options as never)
    expect(await problems()).toEqual([expect.stringMatching(/^RESERVED_NAME: The name 'context' is reserved.*another/)])
  })

  test('a provider that is a singleton here and a factory there', async () => {
    const open = (): number => 1
    dp.events.bind(Placed, () => {}, { inject: { till: singleton('till', open) } })
    dp.queries.bind(CountOrders, () => 1, { inject: { till: factory('till', open) } })
    expect(await problems()).toEqual([
      "PROVIDER_TWO_KINDS: The provider 'till' is a singleton in one place and a factory in another. Choose one.",
    ])
  })

  test.each([
    ['opened by two functions', singleton('till', () => 1), singleton('till', () => 1)],
    [
      'closed by two functions',
      singleton('till', openTill, { close() {} }),
      singleton('till', openTill, { close() {} }),
    ],
    ['closed in one place only', factory('till', openTill, { close() {} }), factory('till', openTill)],
  ])('two providers of one name, %s', async (_, one, other) => {
    dp.events.bind(Placed, () => {}, { inject: { one, other } })
    expect(await problems()).toEqual([
      "PROVIDER_TWO_FUNCTIONS: The provider 'till' is made of two different functions. Make it once, or give each its own name.",
    ])
  })

  test.each<[string, object, RegExp]>([
    ['a name that is no string', { name: 5 }, /^INVALID_NAME: The name of a handler is 5\. Pass a string/],
    ['an empty name', { name: '' }, /^INVALID_NAME: The name of a handler is ""/],
    ['inject that is no object', { inject: 'till' }, /^INVALID_INJECT: 'inject' is "till"\. Pass an object/],
    ['inject that is null', { inject: null }, /^INVALID_INJECT: 'inject' is null/],
    ['an argname that is no string', { argname: 5 }, /^HANDLER_SIGNATURE: argname is 5\. Pass a string/],
    ['an empty argname', { argname: '' }, /^HANDLER_SIGNATURE: argname is ""/],
    [
      'an argname that inject names',
      { argname: 'a', inject: { a: 1 } },
      /^HANDLER_SIGNATURE: argname is "a".*'inject'/,
    ],
    [
      'a response event that is a string',
      { responseEvent: 'paid' },
      /^INVALID_RESPONSE_EVENT: .* "paid"\. Pass an event/,
    ],
    ['a response event that is null', { responseEvent: null }, /^INVALID_RESPONSE_EVENT: .* null/],
    [
      'a response event that is a command',
      { responseEvent: [Paid, PlaceOrder] },
      /^INVALID_RESPONSE_EVENT: A responseEvent is 'shop.place-order', a command\. Pass an event class/,
    ],
  ])('%s', async (_, options, text) => {
    dp.events.bind(Placed, () => {}, options as never)
    expect(await problems()).toEqual([expect.stringMatching(text)])
  })

  test.each<[string, unknown, RegExp]>([
    ['a number', 5, /^INVALID_MESSAGE: A handler was bound to 5\. Bind it to a message class or a string/],
    ['null', null, /^INVALID_MESSAGE: A handler was bound to null/],
    ['an empty string', '', /^INVALID_MESSAGE: A handler was bound to ""/],
    [
      'an instance in the place of its class',
      new Placed(),
      /^INVALID_MESSAGE: A handler was bound to an instance of Placed/,
    ],
    [
      'a handler in the place of the message',
      () => {},
      /^INVALID_MESSAGE: A handler was bound to an anonymous function/,
    ],
    ['no message at all', [], /^INVALID_MESSAGE: A handler was bound to an empty array\. Name a message class/],
    ['a class without a name', class extends Plain {}, /^INVALID_MESSAGE: .*without a name\. Give it a `static type/],
    ['one bad message of several', [Placed, undefined], /^INVALID_MESSAGE: A handler was bound to undefined/],
  ])('a handler bound to %s', async (_, message, text) => {
    dp.events.bind(message as never, (() => {}) as never)
    expect(await problems()).toEqual([expect.stringMatching(text)])
  })

  test('a handler that cannot be called, and a ready-made object that collects events', async () => {
    class Collecting extends AbstractHandler {
      handle(): void {}
    }
    dp.events.bind(Placed, 5 as never)
    dp.events.bind(Placed, new Collecting() as never)
    expect(await problems()).toEqual([
      expect.stringMatching(/^HANDLER_SIGNATURE: 5 is no handler/),
      expect.stringMatching(/^HANDLER_SIGNATURE: an instance of Collecting collects events.*Bind its class/),
    ])
  })

  test('an inject for a ready-made object, which is constructed already', async () => {
    dp.events.bind(Placed, { handle() {} }, { inject: { till: 1 } })
    expect(await problems()).toEqual([
      expect.stringMatching(/^HANDLER_SIGNATURE: a plain object is constructed already.*Bind its class/),
    ])
  })

  // `in` would also find what every object inherits.
  test('nothing for an argname that only every object has', async () => {
    dp.events.bind(Placed, () => {}, { argname: 'valueOf' })
    expect(await problems()).toEqual([])
  })

  test('each class whose constructor throws', async () => {
    class Broken {
      constructor() {
        throw new Error('no till')
      }
      handle(): void {}
    }
    dp.events.bind(Placed, Broken)
    dp.events.bind(Paid, class AlsoBroken extends Broken {})
    expect(await problems()).toEqual([
      'HANDLER_CONSTRUCTION_FAILED: The constructor of handler class Broken threw: no till',
      'HANDLER_CONSTRUCTION_FAILED: The constructor of handler class AlsoBroken threw: no till',
    ])
  })
})

describe('start() has nothing against', () => {
  test('several handlers of one event', async () => {
    for (const name of ['one', 'two']) dp.events.bind(Placed, () => {}, { name })
    expect(await faults()).toEqual([])
  })

  test('one message named twice in one binding', async () => {
    dp.queries.bind([CountOrders, CountOrders], () => 1)
    expect(await faults()).toEqual([])
  })

  test('one name on two routers', async () => {
    dp.commands.bind(PlaceOrder, () => '', { name: 'orders' })
    dp.queries.bind(CountOrders, () => 1, { name: 'orders' })
    expect(await faults()).toEqual([])
  })

  test('one provider in several places, made once or of the same functions', async () => {
    const options = { close() {} }
    const till = singleton('till', openTill, options)
    dp.events.bind(Placed, () => {}, { inject: { till, again: till } })
    dp.queries.bind(CountOrders, () => 1, { inject: { till: singleton('till', openTill, options) } })
    expect(await faults()).toEqual([])
  })

  test('a subclass beside its base class, each with a type name of its own', async () => {
    class Rush extends Placed {
      static override readonly type = 'shop.rush'
    }
    dp.events.bind([Placed, Rush], () => {})
    expect(await faults()).toEqual([])
  })
})

describe('the error of start()', () => {
  test('lists all faults at once, one numbered line each', async () => {
    dp.events.bind(Placed, 5 as never)
    dp.commands.bind(PlaceOrder, () => '')
    dp.commands.bind(PlaceOrder, () => '')
    dp.queries.bind(CountOrders, () => 1, { colour: 'red' } as never)
    await expect(dp.start()).rejects.toThrow(
      [
        'The dispatcher cannot start: 3 problems.',
        "  1. 5 is no handler. Pass a function, a class with a method 'handle', or an object that has one.",
        "  2. dp.queries.bind has no option 'colour'. It has: name, inject, argname, responseEvent, workers, timeoutMs, recover, onDead, durable, formerly, from.",
        "  3. The command 'shop.place-order' has 2 handlers: shop.place-order#1, shop.place-order#2. It can have one: remove the others.",
      ].join('\n'),
    )
  })

  test('counts a single fault as one', async () => {
    dp.events.bind(Placed, 5 as never)
    await expect(dp.start()).rejects.toThrow(/^The dispatcher cannot start: 1 problem\.\n {2}1\. 5 is no handler/)
  })

  test('is an ImproperlyConfigured with the faults in problems, each with a code of its own', async () => {
    dp.events.bind(Placed, 5 as never)
    dp.events.bind(Placed, () => {}, { name: '' })
    const error: unknown = await dp.start().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ImproperlyConfigured)
    expect(error).toMatchObject({
      code: 'IMPROPERLY_CONFIGURED',
      problems: [{ code: 'HANDLER_SIGNATURE' }, { code: 'INVALID_NAME' }],
    })
  })

  test('leaves the dispatcher unstarted and open: what is missing can be bound, and it starts', async () => {
    class Forgotten {
      @dp.queries.register(CountOrders)
      count(): number {
        return 7
      }
    }
    await expect(dp.start()).rejects.toThrow(ImproperlyConfigured)
    expect(dp.isStarted).toBe(false)
    dp.mount(new Forgotten())
    dp.commands.bind(PlaceOrder, () => 'placed')
    await dp.start()
    expect(await dp.request(new PlaceOrder())).toBe('placed')
  })

  test('comes again from the next start(), as long as the fault is there', async () => {
    dp.events.bind(Placed, 5 as never)
    expect(await problems()).toHaveLength(1)
    expect(await problems()).toHaveLength(1)
  })

  test('has, for a fault of one bind, the stack of that bind', async () => {
    function bindWrongly(): void {
      dp.events.bind(Placed, 5 as never)
    }
    bindWrongly()
    const [fault] = await faults()
    expect(fault?.stack).toContain('bindWrongly')
  })

  test.each<[string, (binding: 'first' | 'last') => void]>([
    ['NAME_TAKEN', (binding) => dp.events.bind(binding, () => {}, { name: 'log' })],
    ['TYPE_TAKEN', (binding) => dp.events.bind(binding === 'first' ? Plain : 'Plain', () => {})],
    [
      'TWO_ROUTERS',
      (binding) => {
        if (binding === 'first') dp.commands.bind(Plain, () => 1)
        else dp.queries.bind(Plain, () => 1)
      },
    ],
    ['TWO_HANDLERS', () => dp.queries.bind('count', () => 1)],
    [
      'PROVIDER_TWO_FUNCTIONS',
      (binding) => dp.events.bind(binding, () => {}, { inject: { t: singleton('t', () => 1) } }),
    ],
    [
      'PROVIDER_TWO_KINDS',
      (binding) => {
        const make = binding === 'first' ? factory<number> : singleton<number>
        dp.events.bind(binding, () => {}, { inject: { t: make('t', openTill) } })
      },
    ],
  ])('has, for a fault of two binds such as %s, the stack of the last of them', async (code, bind) => {
    function bindFirst(): void {
      bind('first')
    }
    function bindLast(): void {
      bind('last')
    }
    bindFirst()
    bindLast()
    const [problem, ...more] = await faults()
    expect(more).toEqual([])
    expect(problem?.code).toBe(code)
    expect(problem?.stack).toMatch(/^ImproperlyConfigured: .*\n +at .*bind/)
    expect(problem?.stack).toContain('bindLast')
  })

  // A class that `defineEvent` made, and nobody extended, has no name.
  test('shows two types of one name so that they can be told', async () => {
    const One = defineEvent('shop.thing')
    dp.events.bind([One, 'shop.thing'], () => {})
    const [problem] = await problems()
    expect(problem).not.toContain('class ,')
  })
})

describe('the name of a handler', () => {
  test('is the one that was given', () => {
    const router = new EventRouter()
    router.bind(Placed, function own() {}, { name: 'given' })
    expect(namesIn(router)).toEqual(['given'])
  })

  test('is that of its function, its class, or the class of the object', () => {
    class Log {
      handle(): void {}
    }
    const arrow = (): void => {}
    const router = new EventRouter()
    router.bind(Placed, function declared() {})
    router.bind(Placed, arrow)
    router.bind(Placed, Log)
    router.bind(Paid, new Log())
    expect(namesIn(router)).toEqual(['declared', 'arrow', 'Log', 'Log#2'])
  })

  test('is <type>#<n> where it has none, numbered by type, after the first of several messages', () => {
    const router = new EventRouter()
    router.bind(Placed, () => {})
    router.bind('on startup', () => {})
    router.bind([Placed, Paid], { handle() {} })
    router.bind(
      Placed,
      class {
        handle() {}
      },
    )
    expect(namesIn(router)).toEqual(['shop.placed#1', 'on startup#1', 'shop.placed#2', 'shop.placed#3'])
  })

  test('gets a number where it is taken and was not given', () => {
    const router = new EventRouter()
    for (const type of [Placed, Paid, Shipped]) router.bind(type, function log() {})
    expect(namesIn(router)).toEqual(['log', 'log#2', 'log#3'])
  })

  test('yields to one that is given later', () => {
    const router = new EventRouter()
    router.bind(Placed, function log() {})
    router.bind(Placed, () => {})
    router.bind(Paid, () => {}, { name: 'log' })
    router.bind(Paid, () => {}, { name: 'shop.placed#1' })
    expect(namesIn(router)).toEqual(['log#2', 'shop.placed#2', 'log', 'shop.placed#1'])
  })

  test('is counted for each router by itself', () => {
    const events = new EventRouter()
    const queries = new RequestRouter('query')
    events.bind(Placed, function log() {})
    queries.bind(CountOrders, function log() {
      return 1
    })
    expect([...nameHandlers([...events.bindings, ...queries.bindings]).values()]).toEqual(['log', 'log'])
  })
})

function openTill(): number {
  return 1
}

function namesIn(router: EventRouter): string[] {
  return [...nameHandlers(router.bindings).values()]
}
