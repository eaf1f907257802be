import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  AbstractHandler,
  defineCommand,
  defineEvent,
  defineQuery,
  Dispatcher,
  factory,
  HandlerConstructionFailed,
  ImproperlyConfigured,
  NonErrorThrown,
  type Provider,
  ProviderFailed,
  singleton,
} from '../index.ts'

class Placed extends defineEvent('shop.placed') {}
class PlaceOrder extends defineCommand<void, unknown>('shop.place-order') {}
class CountOrders extends defineQuery<void, unknown>('shop.count-orders') {}

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

/** What was opened, closed and run, in order. */
let log: string[]
let dp: Dispatcher

beforeEach(() => {
  vi.clearAllMocks()
  log = []
  dp = newDispatcher()
})

function newDispatcher(): Dispatcher {
  const made = new Dispatcher({ logger })
  onTestFinished(() => made.stop())
  return made
}

/** A provider that opens its own name, and logs. */
function logged(
  make: typeof singleton<string>,
  name: string,
  options: { async?: boolean; openFails?: Error; closeFails?: Error } = {},
): Provider<string> {
  const step = (verb: string, error: Error | undefined): string | Promise<string> => {
    log.push(`${verb} ${name}`)
    if (options.async) return nextTurn().then(() => (error === undefined ? name : Promise.reject(error)))
    if (error !== undefined) throw error
    return name
  }
  return make(name, () => step('open', options.openFails), {
    close: async (value) => void (await step(`close ${value} as`, options.closeFails)),
  })
}

async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'nothing',
    (error: unknown) => error,
  )
}

describe('a singleton', () => {
  test.each([
    ['at once', false],
    ['asynchronously', true],
  ])('that opens %s is given as its value', async (_, async) => {
    const repo = logged(singleton, 'repo', { async })
    dp.queries.bind(CountOrders, (_query, deps) => deps.repo, { inject: { repo } })
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe('repo')
  })

  test('is opened by start(), not before, and not again for a message', async () => {
    dp.queries.bind(CountOrders, () => 1, { inject: { repo: logged(singleton, 'repo') } })
    expect(log).toEqual([])
    await dp.start()
    expect(log).toEqual(['open repo'])
    await dp.request(new CountOrders())
    await dp.request(new CountOrders())
    expect(log).toEqual(['open repo'])
  })

  test('is opened once for all handlers that name it, and is the same for all', async () => {
    const open = vi.fn(() => ({}))
    const given: unknown[] = []
    dp.queries.bind(CountOrders, (_query, { repo }) => given.push(repo), { inject: { repo: singleton('repo', open) } })
    dp.commands.bind(PlaceOrder, (_command, { store }) => given.push(store), {
      inject: { store: singleton('repo', open) },
    })
    await dp.start()
    await dp.request(new CountOrders())
    await dp.request(new PlaceOrder())
    expect(open).toHaveBeenCalledTimes(1)
    expect(given).toHaveLength(2)
    expect(given[0]).toBe(given[1])
  })

  test('is opened by each dispatcher for itself', async () => {
    const repo = singleton('repo', () => ({}))
    const values = [dp, newDispatcher()].map(async (each) => {
      each.queries.bind(CountOrders, (_query, deps) => deps.repo, { inject: { repo } })
      await each.start()
      return each.request(new CountOrders())
    })
    const [one, other] = await Promise.all(values)
    expect(one).not.toBe(other)
  })

  test.each([
    ['at once', false],
    ['asynchronously', true],
  ])('that closes %s is closed by stop(), in reverse', async (_, async) => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => logged(singleton, name, { async }))
    dp.events.bind(Placed, () => {}, { inject: { a, b } })
    dp.queries.bind(CountOrders, () => 1, { inject: { b, c } })
    await dp.start()
    log = []
    await dp.stop()
    expect(log).toEqual(['close c as c', 'close b as b', 'close a as a'])
  })

  test('stays open until what was accepted has run', async () => {
    dp.events.bind(
      Placed,
      async () => {
        await nextTurn()
        log.push('handled')
      },
      { inject: { repo: logged(singleton, 'repo') } },
    )
    await dp.start()
    await dp.publish(new Placed())
    await dp.stop()
    expect(log).toEqual(['open repo', 'handled', 'close repo as repo'])
  })

  test('is opened anew by the next start()', async () => {
    let opened = 0
    const repo = singleton('repo', () => (opened += 1))
    dp.queries.bind(CountOrders, (_query, deps) => deps.repo, { inject: { repo } })
    await dp.start()
    await dp.stop()
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(2)
  })

  test('can be undefined, and needs no close', async () => {
    dp.queries.bind(CountOrders, (_query, deps) => Object.keys(deps), {
      inject: { nothing: singleton('nothing', () => undefined) },
    })
    await dp.start()
    expect(await dp.request(new CountOrders())).toEqual(['nothing', 'context'])
    await dp.stop()
    expect(logger.error).not.toHaveBeenCalled()
  })
})

describe('a singleton that cannot be opened', () => {
  test('makes start() fail, with its name and its own error as the cause', async () => {
    const cause = new Error('connection refused')
    dp.events.bind(Placed, () => {}, { inject: { repo: logged(singleton, 'repo', { openFails: cause }) } })
    const error = await thrownBy(dp.start())
    expect(error).toBeInstanceOf(ProviderFailed)
    expect(error).toMatchObject({
      code: 'PROVIDER_FAILED',
      provider: 'repo',
      message: "The singleton 'repo' could not be opened: connection refused",
    })
    expect((error as Error).cause).toBe(cause)
    expect(dp.isStarted).toBe(false)
  })

  test('with something that is no error is wrapped', async () => {
    const notAnError: unknown = 'refused'
    dp.events.bind(Placed, () => {}, { inject: { repo: singleton('repo', () => Promise.reject(notAnError)) } })
    expect(await thrownBy(dp.start())).toMatchObject({
      code: 'PROVIDER_FAILED',
      cause: expect.objectContaining({ constructor: NonErrorThrown, thrown: 'refused' }),
    })
  })

  test('has those opened before it closed, in reverse, and those after it not opened', async () => {
    const [a, b, last] = ['a', 'b', 'last'].map((name) => logged(singleton, name, { async: true }))
    const bad = logged(singleton, 'bad', { async: true, openFails: new Error('refused') })
    dp.events.bind(Placed, () => {}, { inject: { a, b } })
    dp.queries.bind(CountOrders, () => 1, { inject: { bad, last } })
    await expect(dp.start()).rejects.toThrow("The singleton 'bad' could not be opened")
    expect(log).toEqual(['open a', 'open b', 'open bad', 'close b as b', 'close a as a'])
  })

  test('has no handler class constructed', async () => {
    const constructed = vi.fn()
    class Count {
      constructor() {
        constructed()
      }
      handle(): void {}
    }
    dp.queries.bind(CountOrders, Count, {
      inject: { bad: singleton('bad', () => Promise.reject(new Error('refused'))) },
    })
    await expect(dp.start()).rejects.toThrow(ProviderFailed)
    expect(constructed).not.toHaveBeenCalled()
  })

  test('can be tried again: start() opens all of them anew', async () => {
    const open = vi
      .fn(() => 'opened')
      .mockImplementationOnce(() => {
        throw new Error('connection refused')
      })
    const inject = { first: logged(singleton, 'first'), second: singleton('second', open) }
    dp.queries.bind(CountOrders, (_query, { second }) => second, { inject })
    await expect(dp.start()).rejects.toThrow('connection refused')
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe('opened')
    expect(log).toEqual(['open first', 'close first as first', 'open first'])
  })

  test('leaves the dispatcher open for more handlers', async () => {
    const open = vi.fn(() => 'opened').mockRejectedValueOnce(new Error('refused'))
    dp.queries.bind(CountOrders, () => 1, { inject: { repo: singleton<string>('repo', open) } })
    await expect(dp.start()).rejects.toThrow('refused')
    dp.commands.bind(PlaceOrder, () => 'placed')
    await dp.start()
    expect(await dp.request(new PlaceOrder())).toBe('placed')
  })
})

describe('singletons are closed', () => {
  test('when a handler class cannot be constructed', async () => {
    class Broken {
      constructor() {
        throw new Error('no till')
      }
      handle(): void {}
    }
    dp.queries.bind(CountOrders, Broken, { inject: { repo: logged(singleton, 'repo') } })
    await expect(dp.start()).rejects.toThrow(ImproperlyConfigured)
    expect(log).toEqual(['open repo', 'close repo as repo'])
  })

  test('also after one of them whose close fails, at once or later: that is a notice, and stop() resolves', async () => {
    const [a, d] = ['a', 'd'].map((name) => logged(singleton, name))
    const b = logged(singleton, 'b', { closeFails: new Error('b is stuck') })
    const c = logged(singleton, 'c', { closeFails: new Error('c is stuck'), async: true })
    dp.events.bind(Placed, () => {}, { inject: { a, b, c, d } })
    await dp.start()
    log = []
    expect(await dp.stop()).toBeUndefined()
    expect(log).toEqual(['close d as d', 'close c as c', 'close b as b', 'close a as a'])
    expect(logger.error.mock.calls).toEqual([
      [
        expect.objectContaining({ provider: 'c', err: new Error('c is stuck') }),
        expect.stringContaining("'c' could not be closed"),
      ],
      [
        expect.objectContaining({ provider: 'b', err: new Error('b is stuck') }),
        expect.stringContaining("'b' could not be closed"),
      ],
    ])
  })

  test('after a start that failed, with the failure of start() for its caller', async () => {
    const stuck = logged(singleton, 'stuck', { closeFails: new Error('stuck') })
    const bad = logged(singleton, 'bad', { openFails: new Error('refused') })
    dp.events.bind(Placed, () => {}, { inject: { stuck, bad } })
    await expect(dp.start()).rejects.toThrow("The singleton 'bad' could not be opened: refused")
    expect(logger.error).toHaveBeenCalledTimes(1)
  })
})

describe('a factory', () => {
  test('is opened for each attempt, not by start(), and closed before the caller has the answer', async () => {
    const session = logged(factory, 'session', { async: true })
    dp.queries.bind(
      CountOrders,
      (_query, deps) => {
        log.push('handled')
        return deps.session
      },
      { inject: { session } },
    )
    await dp.start()
    expect(log).toEqual([])
    const attempt = ['open session', 'handled', 'close session as session']
    expect(await dp.request(new CountOrders())).toBe('session')
    expect(log).toEqual(attempt)
    await dp.request(new CountOrders())
    expect(log).toEqual([...attempt, ...attempt])
  })

  test('gives attempts side by side a value each', async () => {
    const goOn = Promise.withResolvers<void>()
    const session = factory('session', () => ({}))
    dp.queries.bind(CountOrders, (_query, deps) => goOn.promise.then(() => deps.session), { inject: { session } })
    await dp.start()
    const [one, other] = [dp.request(new CountOrders()), dp.request(new CountOrders())]
    goOn.resolve()
    expect(await one).not.toBe(await other)
  })

  test('is closed after a failure, which its caller gets', async () => {
    const error = new Error('no such order')
    dp.queries.bind(CountOrders, () => Promise.reject(error), { inject: { session: logged(factory, 'session') } })
    await dp.start()
    await expect(dp.request(new CountOrders())).rejects.toBe(error)
    expect(log).toEqual(['open session', 'close session as session'])
  })

  test('opened twice in one attempt, under two names, is one', async () => {
    const session = logged(factory, 'session')
    dp.queries.bind(CountOrders, () => 1, { inject: { session, again: session } })
    await dp.start()
    await dp.request(new CountOrders())
    expect(log).toEqual(['open session', 'close session as session'])
  })

  test('is closed in reverse of its opening, like others of its attempt', async () => {
    dp.queries.bind(CountOrders, () => 1, {
      inject: { a: logged(factory, 'a'), b: logged(factory, 'b', { async: true }) },
    })
    await dp.start()
    await dp.request(new CountOrders())
    expect(log).toEqual(['open a', 'open b', 'close b as b', 'close a as a'])
  })

  test('stands beside singletons and plain values', async () => {
    const inject = { one: logged(singleton, 'one'), each: logged(factory, 'each'), plain: 'plain' }
    dp.queries.bind(CountOrders, (_query, { one, each, plain }) => [one, each, plain], { inject })
    await dp.start()
    expect(await dp.request(new CountOrders())).toEqual(['one', 'each', 'plain'])
  })

  test('that cannot be opened fails the attempt, with those opened before it closed, and the handler not run', async () => {
    const cause = new Error('pool is empty')
    const good = logged(factory, 'good')
    const bad = logged(factory, 'bad', { openFails: cause })
    const handler = vi.fn(() => 1)
    dp.queries.bind(CountOrders, () => handler(), { inject: { good, bad } })
    await dp.start()
    const error = await thrownBy(dp.request(new CountOrders()))
    expect(error).toBeInstanceOf(ProviderFailed)
    expect(error).toMatchObject({
      provider: 'bad',
      message: "The factory 'bad' could not be opened: pool is empty",
      cause,
    })
    expect(log).toEqual(['open good', 'open bad', 'close good as good'])
    expect(handler).not.toHaveBeenCalled()
  })

  test('that cannot be opened does not fail start(), nor the next attempt', async () => {
    const open = vi
      .fn(() => 'session')
      .mockImplementationOnce(() => {
        throw new Error('pool is empty')
      })
    dp.queries.bind(CountOrders, (_query, { session }) => session, { inject: { session: factory('session', open) } })
    await dp.start()
    await expect(dp.request(new CountOrders())).rejects.toThrow('pool is empty')
    expect(await dp.request(new CountOrders())).toBe('session')
  })

  test('whose close fails is a notice: the answer stands, and the others are closed', async () => {
    const stuck = logged(factory, 'stuck', { closeFails: new Error('stuck') })
    dp.queries.bind(CountOrders, () => 7, { inject: { other: logged(factory, 'other'), stuck } })
    await dp.start()
    expect(await dp.request(new CountOrders())).toBe(7)
    expect(log).toEqual(['open other', 'open stuck', 'close stuck as stuck', 'close other as other'])
    expect(logger.error.mock.calls).toEqual([
      [expect.objectContaining({ provider: 'stuck', err: new Error('stuck') }), expect.stringContaining("'stuck'")],
    ])
  })
})

describe('a handler class', () => {
  /** Answers with how many instances there have been, itself included. */
  class Counting {
    static instances = 0
    readonly injected: object

    constructor(injected: object) {
      Counting.instances += 1
      this.injected = injected
    }

    handle(_query: object, deps: object): unknown {
      return { instances: Counting.instances, injected: this.injected, hasContext: 'context' in { ...deps } }
    }
  }

  beforeEach(() => {
    Counting.instances = 0
  })

  test('is constructed once, by start(), with what is injected; handle gets the context', async () => {
    const repo = singleton('repo', () => 'opened')
    dp.queries.bind(CountOrders, Counting, { inject: { repo, plain: 1 } })
    expect(Counting.instances).toBe(0)
    await dp.start()
    expect(Counting.instances).toBe(1)
    const answer = { instances: 1, injected: { repo: 'opened', plain: 1 }, hasContext: true }
    expect(await dp.request(new CountOrders())).toEqual(answer)
    expect(await dp.request(new CountOrders())).toEqual(answer)
  })

  test('is constructed once for each bind', async () => {
    dp.queries.bind(CountOrders, Counting)
    dp.commands.bind(PlaceOrder, Counting)
    await dp.start()
    expect(Counting.instances).toBe(2)
  })

  test('is constructed for each attempt where a factory is injected', async () => {
    let opened = 0
    dp.queries.bind(CountOrders, Counting, { inject: { session: factory('session', () => (opened += 1)), plain: 1 } })
    await dp.start()
    expect(Counting.instances).toBe(0)
    expect(await dp.request(new CountOrders())).toMatchObject({ instances: 1, injected: { session: 1, plain: 1 } })
    expect(await dp.request(new CountOrders())).toMatchObject({ instances: 2, injected: { session: 2, plain: 1 } })
  })

  test('is constructed for each attempt where it collects events', async () => {
    const constructed = vi.fn()
    class Place extends AbstractHandler<PlaceOrder, string> {
      readonly #till: string
      constructor({ till }: { till: string }) {
        super()
        constructed()
        this.#till = till
      }
      handle(): string {
        return this.#till
      }
    }
    dp.commands.bind(PlaceOrder, Place, { inject: { till: singleton('till', () => 'opened') } })
    await dp.start()
    expect(constructed).toHaveBeenCalledTimes(0)
    expect(await dp.request(new PlaceOrder())).toBe('opened')
    expect(await dp.request(new PlaceOrder())).toBe('opened')
    expect(constructed).toHaveBeenCalledTimes(2)
  })

  test('that throws when it is constructed for an attempt fails that one, and its factories are closed', async () => {
    class Broken {
      constructor() {
        throw new Error('no till')
      }
      handle(): void {}
    }
    dp.queries.bind(CountOrders, Broken, { inject: { session: logged(factory, 'session') } })
    await dp.start()
    const error = await thrownBy(dp.request(new CountOrders()))
    expect(error).toBeInstanceOf(HandlerConstructionFailed)
    expect(error).toMatchObject({ code: 'HANDLER_CONSTRUCTION_FAILED', cause: new Error('no till') })
    expect(log).toEqual(['open session', 'close session as session'])
  })
})

describe('what is injected', () => {
  test('comes with the context, as the second argument of a function', async () => {
    dp.queries.bind(CountOrders, (_query, deps) => ({ ...deps, context: deps.context.type }), {
      inject: { a: 1, b: 2 },
    })
    await dp.start()
    expect(await dp.request(new CountOrders())).toEqual({ a: 1, b: 2, context: 'shop.count-orders' })
  })

  test.each<[string, { repo: unknown }]>([
    ['plain values', { repo: 'repo' }],
    ['a singleton', { repo: singleton('repo', () => 'repo') }],
    ['a factory', { repo: factory('repo', () => 'repo') }],
  ])('as %s comes in one object with the message where argname names it', async (_, inject) => {
    dp.queries.bind(CountOrders, (args) => ({ ...args, context: args.context.type }), { argname: 'query', inject })
    await dp.start()
    const query = new CountOrders()
    expect(await dp.request(query)).toEqual({ query, repo: 'repo', context: 'shop.count-orders' })
  })

  test('is not in the one object of handle with argname: the constructor has it', async () => {
    class Count {
      handle(args: { query: CountOrders }): unknown {
        return Object.keys(args).sort()
      }
    }
    dp.queries.bind(CountOrders, Count, { argname: 'query', inject: { repo: 'repo' } })
    await dp.start()
    expect(await dp.request(new CountOrders())).toEqual(['context', 'query'])
  })

  test('is an object of its own for each attempt', async () => {
    const seen: object[] = []
    dp.events.bind(Placed, (_event, deps) => void seen.push(deps), { inject: { repo: 'repo' } })
    await dp.start()
    await dp.publish(new Placed())
    await dp.publish(new Placed())
    expect(seen).toHaveLength(2)
    expect(seen[0]).not.toBe(seen[1])
  })
})
