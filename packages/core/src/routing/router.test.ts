import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  type Binding,
  defineCommand,
  defineEvent,
  defineQuery,
  Dispatcher,
  type DispatcherOptions,
  Event,
  EventRouter,
  HandlerDoesNotExist,
  HandlerSignatureError,
  ImproperlyConfigured,
  InvalidMessage,
  type MessageType,
  RequestRouter,
} from '../index.ts'

class Placed extends defineEvent<{ id: string }>('shop.placed') {}
class Paid extends defineEvent('shop.paid') {}
class PlaceOrder extends defineCommand<{ id: string }, string>('shop.place-order') {}
class CountOrders extends defineQuery<void, number>('shop.count-orders') {}

const silent = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

function newDispatcher(options: DispatcherOptions = {}): Dispatcher {
  const dp = new Dispatcher({ logger: silent, ...options })
  onTestFinished(() => dp.stop())
  return dp
}

/** The names of the handlers that an event has run. */
async function ranBy(dp: Dispatcher, event: object | string): Promise<string[]> {
  const outcomes = (await dp.handle(event, { waitForResponse: true })) as { handler: string }[]
  return outcomes.map(({ handler }) => handler)
}

describe('bind', () => {
  test('binds a handler to one message', () => {
    const router = new EventRouter()
    const handler = (): void => {}
    router.bind(Placed, handler)
    expect(router.bindings).toMatchObject([{ router: 'event', types: [Placed], handler, shape: 'function' }])
  })

  test('binds one handler to several messages, classes and strings', () => {
    const router = new EventRouter()
    router.bind([Placed, Paid, 'on startup'], () => {})
    expect(router.bindings).toHaveLength(1)
    for (const type of [Placed, Paid, 'on startup']) expect(router.find(type)).toEqual(router.bindings)
  })

  test('keeps the options', () => {
    const router = new EventRouter()
    router.bind(Placed, () => new Paid(), { name: 'pay', inject: { till: 1 }, responseEvent: Paid })
    expect(router.bindings).toMatchObject([{ givenName: 'pay', inject: { till: 1 }, responseEvents: [Paid] }])
  })

  test('takes no part of an option that is undefined', () => {
    const router = new EventRouter()
    router.bind(Placed, () => {}, { name: undefined, inject: undefined, responseEvent: undefined })
    expect(router.problems).toEqual([])
    expect(router.bindings).toMatchObject([{ givenName: undefined, inject: {}, responseEvents: [] }])
  })

  test('throws nothing for a faulty handler, message or option: it keeps the faults, in order', () => {
    const router = new EventRouter()
    router.bind(Placed, 5 as never)
    router.bind(5 as never, (() => {}) as never)
    router.bind(Placed, () => {}, { name: '' })
    expect(router.bindings).toEqual([])
    expect(router.problems.map(({ constructor }) => constructor)).toEqual([
      HandlerSignatureError,
      InvalidMessage,
      ImproperlyConfigured,
    ])
  })

  test('throws once the router is frozen, and works when it is frozen no longer', () => {
    const router = new RequestRouter('command')
    router.freeze(true)
    expect(() => router.bind(PlaceOrder, () => '')).toThrow(
      expect.objectContaining({ constructor: ImproperlyConfigured, code: 'ALREADY_STARTED' }),
    )
    expect(() => router.bind(PlaceOrder, () => '')).toThrow(/^dp\.commands\.bind was called after start\(\)/)
    router.freeze(false)
    router.bind(PlaceOrder, () => '')
    expect(router.bindings).toHaveLength(1)
  })

  test('gives the messages of a string to its handler as they are', async () => {
    const dp = newDispatcher()
    const handler = vi.fn<(event: string) => void>()
    dp.events.bind('on startup', (event) => handler(event))
    await dp.start()
    await dp.publish('on startup', { waitForResponse: true })
    expect(handler.mock.calls).toEqual([['on startup']])
  })
})

describe('the handlers of an event', () => {
  class Base extends Event {}
  class Middle extends Base {}
  class Leaf extends Middle {}

  const one = (): void => {}
  const two = (): void => {}

  test('are all that are bound to it, in the order of their binding', () => {
    const router = new EventRouter()
    router.bind(Leaf, two)
    router.bind(Leaf, one)
    expect(handlersIn(router, Leaf)).toEqual([two, one])
  })

  test('are none where nothing is bound to it', () => {
    const router = new EventRouter()
    router.bind(Leaf, one)
    expect(handlersIn(router, Placed)).toEqual([])
    expect(handlersIn(router, 'on startup')).toEqual([])
  })

  test('are also those bound to its base classes, still in the order of their binding', () => {
    const router = new EventRouter()
    router.bind(Base, one)
    router.bind(Leaf, two)
    expect(handlersIn(router, Leaf)).toEqual([one, two])
  })

  test('are also those bound to the marker Event', () => {
    const router = new EventRouter()
    router.bind(Event, one)
    expect([Base, Leaf, Placed].map((type) => handlersIn(router, type))).toEqual([[one], [one], [one]])
    expect(handlersIn(router, 'on startup')).toEqual([])
  })

  test('are not those bound to its subclasses', () => {
    const router = new EventRouter()
    router.bind(Leaf, one)
    expect(handlersIn(router, Middle)).toEqual([])
  })

  test('are, for plain classes, those bound to a plain base class', () => {
    class PlainBase {
      readonly id = 1
    }
    class PlainLeaf extends PlainBase {}
    const router = new EventRouter()
    router.bind(PlainBase, one)
    expect(handlersIn(router, PlainLeaf)).toEqual([one])
  })

  test.each<[string, (router: EventRouter) => void]>([
    ['the base bound first', (router) => [Base, Middle].forEach((type) => router.bind(type, one, { name: type.name }))],
    ['the base bound last', (router) => [Middle, Base].forEach((type) => router.bind(type, one, { name: type.name }))],
  ])('run one function once, by the binding to the nearest class, with %s', (_, bind) => {
    const router = new EventRouter()
    bind(router)
    expect(namesIn(router, Leaf)).toEqual(['Middle'])
    expect(namesIn(router, Middle)).toEqual(['Middle'])
    expect(namesIn(router, Base)).toEqual(['Base'])
  })

  test('count a binding to several classes as near as the nearest of them', () => {
    const router = new EventRouter()
    router.bind([Base, Leaf], one, { name: 'base and leaf' })
    router.bind(Middle, one, { name: 'middle' })
    expect(namesIn(router, Leaf)).toEqual(['base and leaf'])
    expect(namesIn(router, Middle)).toEqual(['middle'])
  })

  test('run one class, or one object, once as well', () => {
    class Handler {
      handle(): void {}
    }
    const object = new Handler()
    const router = new EventRouter()
    for (const type of [Base, Leaf]) router.bind(type, Handler, { name: `class for ${type.name}` })
    for (const type of [Base, Leaf]) router.bind(type, object, { name: `object for ${type.name}` })
    expect(namesIn(router, Leaf)).toEqual(['class for Leaf', 'object for Leaf'])
  })

  test('run one function twice where it is bound twice to one class: each bind is a handler', () => {
    const router = new EventRouter()
    router.bind(Leaf, one, { name: 'first' })
    router.bind(Leaf, one, { name: 'second' })
    expect(namesIn(router, Leaf)).toEqual(['first', 'second'])
  })

  test('run another function as well, however alike it is', () => {
    const make = () => (): void => {}
    const router = new EventRouter()
    router.bind(Base, make(), { name: 'base' })
    router.bind(Leaf, make(), { name: 'leaf' })
    expect(namesIn(router, Leaf)).toEqual(['base', 'leaf'])
  })

  test('are found for classes that nobody has named before they are published', async () => {
    const dp = newDispatcher()
    dp.events.bind(Base, one, { name: 'base' })
    await dp.start()
    class Late extends Leaf {}
    expect(await ranBy(dp, new Late())).toEqual(['events/base'])
    expect(await ranBy(dp, new (class extends Late {})())).toEqual(['events/base'])
  })

  test('get the very instance that was published', async () => {
    const dp = newDispatcher()
    const got: Base[] = []
    dp.events.bind(Base, (event) => void got.push(event))
    await dp.start()
    const leaf = new Leaf()
    await dp.publish(leaf)
    expect(got).toEqual([leaf])
    expect(got[0]).toBe(leaf)
  })
})

describe('the handler of a command or query', () => {
  test('is the one bound to its very class', async () => {
    const dp = newDispatcher()
    dp.commands.bind(PlaceOrder, (command) => `placed ${command.id}`)
    dp.queries.bind(CountOrders, () => 7)
    await dp.start()
    expect(await dp.request(new PlaceOrder({ id: 'a' }))).toBe('placed a')
    expect(await dp.request(new CountOrders())).toBe(7)
  })

  test('is not the one bound to its base class, or to a subclass', async () => {
    class Rush extends PlaceOrder {}
    class Later extends Rush {}
    const dp = newDispatcher()
    const handler = vi.fn(() => '')
    dp.commands.bind(Rush, () => handler())
    await dp.start()
    await expect(dp.send(new PlaceOrder({ id: 'a' }))).rejects.toThrow(HandlerDoesNotExist)
    await expect(dp.send(new Later({ id: 'a' }))).rejects.toThrow(HandlerDoesNotExist)
    expect(handler).not.toHaveBeenCalled()
  })

  test('can be bound to a string', async () => {
    const dp = newDispatcher()
    dp.queries.bind('ping', (message) => `${message}, pong`)
    await dp.start()
    expect(await dp.request('ping')).toBe('ping, pong')
  })

  test('can take several messages', async () => {
    const dp = newDispatcher()
    dp.queries.bind(['ping', 'pong'], (message) => message)
    await dp.start()
    expect(await Promise.all([dp.request('ping'), dp.request('pong')])).toEqual(['ping', 'pong'])
  })

  test('is found for a plain class by the router that binds it', async () => {
    class Plain {
      readonly id = 1
    }
    const dp = newDispatcher()
    dp.queries.bind(Plain, () => 'answered')
    await dp.start()
    expect(await dp.request(new Plain())).toBe('answered')
    await expect(dp.publish(new Plain())).rejects.toThrow(/'Plain' is of kind 'query'/)
  })

  test('is not hidden by an event handler of its base class: it runs, or start() reports two routers', async () => {
    class Plain {
      readonly id = 1
    }
    class PlainCommand extends Plain {}
    const dp = newDispatcher()
    dp.events.bind(Plain, () => {})
    dp.commands.bind(PlainCommand, () => 'acted')
    const acted = dp.start().then(
      () => dp.request(new PlainCommand()),
      (error: ImproperlyConfigured) => error.problems.map(({ code }) => code),
    )
    expect([['TWO_ROUTERS'], 'acted']).toContainEqual(await acted)
  })
})

describe('a router of one’s own', () => {
  /** Also gives a string event to handlers of its prefix: those of 'order' get 'order placed'. */
  class PrefixRouter extends EventRouter {
    override find(type: MessageType): readonly Binding[] {
      const own = super.find(type)
      return typeof type === 'string' ? [...own, ...super.find(type.split(' ', 1)[0] as string)] : own
    }
  }

  /** Refuses handlers without a name. */
  class NamedRouter extends RequestRouter<'command'> {
    protected override add(binding: Binding): void {
      if (binding.givenName === undefined) throw new ImproperlyConfigured('UNNAMED', 'A command handler needs a name.')
      super.add(binding)
    }
  }

  test('is made by the dispatcher, once', () => {
    const dp = newDispatcher({ eventsRouter: PrefixRouter, commandsRouter: NamedRouter })
    expect(dp.events).toBeInstanceOf(PrefixRouter)
    expect(dp.commands).toBeInstanceOf(NamedRouter)
    expect(dp.events).toBe(dp.events)
    expect(dp.commands.kind).toBe('command')
  })

  test('finds handlers by its own find', async () => {
    const dp = newDispatcher({ eventsRouter: PrefixRouter })
    dp.events.bind('order', () => {}, { name: 'any' })
    dp.events.bind('order placed', () => {}, { name: 'placed' })
    await dp.start()
    expect(await ranBy(dp, 'order placed')).toEqual(['events/placed', 'events/any'])
    expect(await ranBy(dp, 'order paid')).toEqual(['events/any'])
  })

  test('is asked for the handlers of a type once', async () => {
    const dp = newDispatcher({ eventsRouter: PrefixRouter })
    dp.events.bind([Placed, 'order'], () => {})
    const find = vi.spyOn(dp.events, 'find')
    await dp.start()
    for (const event of [new Placed({ id: 'a' }), 'order', new Placed({ id: 'b' }), 'order']) await dp.handle(event)
    expect(find.mock.calls).toEqual([[Placed], ['order']])
  })

  test('refuses a binding by an error of ours, which start() reports with all others', async () => {
    const dp = newDispatcher({ commandsRouter: NamedRouter })
    dp.commands.bind(PlaceOrder, () => '')
    dp.commands.bind(PlaceOrder, 5 as never)
    await expect(dp.start()).rejects.toMatchObject({
      code: 'IMPROPERLY_CONFIGURED',
      problems: [{ code: 'UNNAMED' }, { code: 'HANDLER_SIGNATURE' }],
    })
  })

  test('lets pass what it does not refuse', async () => {
    const dp = newDispatcher({ commandsRouter: NamedRouter })
    dp.commands.bind(PlaceOrder, () => 'placed', { name: 'place' })
    await dp.start()
    expect(await dp.request(new PlaceOrder({ id: 'a' }))).toBe('placed')
  })

  test('that fails in add in any other way, fails in bind', () => {
    class Broken extends RequestRouter<'query'> {
      protected override add(): void {
        throw new TypeError('broken')
      }
    }
    const dp = newDispatcher({ queriesRouter: Broken })
    expect(() => dp.queries.bind(CountOrders, () => 1)).toThrow(new TypeError('broken'))
  })
})

function handlersIn(router: EventRouter, type: MessageType): object[] {
  return router.find(type).map(({ handler }) => handler)
}

function namesIn(router: EventRouter, type: MessageType): (string | undefined)[] {
  return router.find(type).map(({ givenName }) => givenName)
}
