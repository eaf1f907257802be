import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  Aborted,
  defineCommand,
  defineEvent,
  defineQuery,
  Dispatcher,
  type DispatcherOptions,
  factory,
  HandlerConstructionFailed,
  HandlerDoesNotExist,
  HandlerSignatureError,
  type IambusError,
  ImproperlyConfigured,
  InvalidMessage,
  InvalidOption,
  module,
  NonErrorThrown,
  NotAccepting,
  singleton,
  WrongKind,
} from './index.ts'

class Placed extends defineEvent('shop.placed') {}
class Paid extends defineEvent('shop.paid') {}
class PlaceOrder extends defineCommand<void, unknown>('shop.place-order') {}
class CountOrders extends defineQuery<void, unknown>('shop.count-orders') {}
class Unknown extends defineCommand('shop.unknown') {}
class UnknownQuery extends defineQuery<void, number>('shop.unknown-query') {}

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

/** What every handler of `dp` calls when it runs. */
const ran = vi.fn<(type: string) => void>()

/** Handles one message of each kind. */
let dp: Dispatcher

beforeEach(() => {
  vi.resetAllMocks()
  dp = newDispatcher()
})

function newDispatcher(options: DispatcherOptions = {}): Dispatcher {
  const made = new Dispatcher({ logger, ...options })
  made.events.bind(Placed, (_event, { context }) => ran(context.type))
  made.commands.bind(PlaceOrder, (_command, { context }) => ran(context.type))
  made.queries.bind(CountOrders, (_query, { context }) => ran(context.type))
  return made
}

type Verb = 'publish' | 'send' | 'request' | 'handle'
type Send = (message: unknown, options?: object | null) => Promise<unknown>

/** A verb without its types: what a program without a compiler can pass to it. `send` is not asked to wait. */
function untyped(verb: Verb): Send {
  const send = (dp[verb] as Send).bind(dp)
  return (message, options) => {
    if (verb !== 'send' || !options || !('waitForResponse' in options)) return send(message, options)
    const { waitForResponse: _, ...others } = options
    return send(message, others)
  }
}

/** What each verb takes, so that only what is tested is wrong. */
const verbs: [verb: Verb, kind: string, message: object][] = [
  ['publish', 'an event', new Placed()],
  ['send', 'a command', new PlaceOrder()],
  ['request', 'a query', new CountOrders()],
  ['handle', 'an event', new Placed()],
  ['handle', 'a command', new PlaceOrder()],
]

/** An error of this class and code, whose text matches. */
function refusal(type: new (...args: never) => IambusError, code: string, text: RegExp): Error {
  return expect.objectContaining({ constructor: type, code, message: expect.stringMatching(text) }) as Error
}

/** What start() reports in `problems` for one fault. */
function fault(...args: Parameters<typeof refusal>): Error {
  return expect.objectContaining({
    constructor: ImproperlyConfigured,
    code: 'IMPROPERLY_CONFIGURED',
    problems: [refusal(...args)],
    message: expect.stringMatching(args[2]),
  }) as Error
}

describe('what is refused, and runs nothing:', () => {
  afterEach(async () => {
    // A delivery that a refusal has left behind would start with the next one.
    if (dp.isStarted) await dp.publish('anything')
    await dp.stop({ deadlineMs: 0 })
    // oxlint-disable-next-line vitest/no-standalone-expect -- holds for every test of this block
    expect(ran).not.toHaveBeenCalled()
  })

  describe('a message', () => {
    test.each(verbs)('before start(), by %s of %s', async (verb, _kind, message) => {
      await expect(untyped(verb)(message)).rejects.toEqual(
        refusal(NotAccepting, 'NOT_ACCEPTING', /not started.*`await dp\.start\(\)`/),
      )
    })

    test.each(verbs)('while start() opens what it needs, by %s of %s', async (verb, _kind, message) => {
      const opened = Promise.withResolvers<void>()
      dp.events.bind(Paid, () => {}, { inject: { repo: singleton('repo', () => opened.promise) } })
      const starting = dp.start()
      await expect(untyped(verb)(message)).rejects.toEqual(
        refusal(NotAccepting, 'NOT_ACCEPTING', /is starting.*`await dp\.start\(\)`/),
      )
      opened.resolve()
      await starting
    })

    test.each(verbs)('after stop(), by %s of %s', async (verb, _kind, message) => {
      await dp.start()
      await dp.stop()
      await expect(untyped(verb)(message)).rejects.toEqual(
        refusal(NotAccepting, 'NOT_ACCEPTING', /is stopped.*`await dp\.start\(\)` again/),
      )
    })

    test.each<[Verb, object | string, RegExp]>([
      ['send', new Unknown(), /No handler is bound to 'shop\.unknown'\. Bind one before start\(\)/],
      ['send', 'tidy up', /No handler is bound to 'tidy up'\. Bind one before start\(\)/],
      ['request', new UnknownQuery(), /No handler is bound to 'shop\.unknown-query'\. Bind one before start\(\)/],
      ['request', 'ping', /No handler is bound to 'ping'\. Bind one before start\(\)/],
      ['handle', new Unknown(), /No handler is bound to 'shop\.unknown'\. Bind one before start\(\)/],
      ['handle', 'ping', /No handler is bound to 'ping'\. Bind one before start\(\)/],
    ])('that has no handler, by %s: %o', async (verb, message, text) => {
      await dp.start()
      await expect(untyped(verb)(message)).rejects.toEqual(refusal(HandlerDoesNotExist, 'HANDLER_DOES_NOT_EXIST', text))
      const waiting = untyped(verb)(message, { waitForResponse: true })
      await expect(waiting).rejects.toEqual(refusal(HandlerDoesNotExist, 'HANDLER_DOES_NOT_EXIST', text))
    })

    test('that has no handler, with a remedy that would work', async () => {
      await dp.start()
      await expect(untyped('request')(new UnknownQuery())).rejects.toThrow(/dp\.queries\.bind/)
      await expect(untyped('send')('tidy up')).rejects.not.toThrow(/bind\(tidy up,/)
    })

    test.each<[string, unknown, RegExp]>([
      ['null', null, /^null is no message.*defineEvent/],
      ['undefined', undefined, /^undefined is no message.*defineEvent/],
      ['a number', 5, /^5 is no message.*defineEvent/],
      ['an empty string', '', /^"" is no message.*defineEvent/],
      ['a plain object', { title: 'Emma' }, /^a plain object is no message.*defineEvent/],
      ['an array of messages', [new Placed()], /^an array of 1 is no message.*defineEvent/],
      ['a class', Placed, /Placed is no message.*new Placed/],
      ['a promise of a message', Promise.resolve(new Placed()), /^A promise is no message.*Await it/],
    ])('that is %s, by every verb', async (_, message, text) => {
      await dp.start()
      const invalid = refusal(InvalidMessage, 'INVALID_MESSAGE', text)
      for (const [verb] of verbs) {
        await expect(untyped(verb)(message), verb).rejects.toEqual(invalid)
        await expect(untyped(verb)(message, { waitForResponse: true }), verb).rejects.toEqual(invalid)
      }
    })

    test.each<[Verb, object, RegExp]>([
      ['publish', new PlaceOrder(), /'shop\.place-order' is of kind 'command': send\(\) it/],
      ['publish', new CountOrders(), /'shop\.count-orders' is of kind 'query': request\(\)/],
      ['send', new Placed(), /'shop\.placed' is of kind 'event': publish\(\) it/],
      ['send', new CountOrders(), /'shop\.count-orders' is of kind 'query': request\(\)/],
      ['request', new Placed(), /'shop\.placed' is of kind 'event': publish\(\) it/],
      ['publish', new Unknown(), /'shop\.unknown' is of kind 'command': send\(\) it/],
      ['send', new UnknownQuery(), /'shop\.unknown-query' is of kind 'query': request\(\)/],
    ])('of the wrong kind, by %s: %o', async (verb, message, text) => {
      await dp.start()
      await expect(untyped(verb)(message)).rejects.toEqual(refusal(WrongKind, 'WRONG_KIND', text))
    })
  })

  describe('an option of a message:', () => {
    test.each(verbs)('that there is not, by %s of %s', async (verb, _kind, message) => {
      await dp.start()
      await expect(untyped(verb)(message, { delay: 3 })).rejects.toEqual(
        refusal(InvalidOption, 'INVALID_OPTION', /^A message has no option 'delay'. It has: id, key, headers,/),
      )
    })

    test('that is null, of what a handler records or asks', async () => {
      dp.events.bind('records', (_event, { context }) => context.publish(new Placed(), null as never))
      dp.queries.bind('asks', (_query, { context }) => context.request(new CountOrders(), null as never))
      await dp.start()
      const error = refusal(InvalidOption, 'INVALID_OPTION', /options of a message are null/)
      expect(await dp.publish('records', { waitForResponse: true })).toMatchObject([{ error }])
      await expect(dp.request('asks')).rejects.toEqual(error)
      await expect(dp.deadLetters.list(null as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    })

    test('to wait, where the verb does not', async () => {
      await dp.start()
      const sent = (dp.send as Send)(new PlaceOrder(), { waitForResponse: true })
      await expect(sent).rejects.toEqual(refusal(InvalidOption, 'INVALID_OPTION', /^send\(\) does not wait/))
    })

    test('that nobody waits by, of what a handler records', async () => {
      dp.events.bind('records', (_event, { context }) => context.publish(new Placed(), { timeoutMs: 5 } as never))
      await dp.start()
      const outcomes = await dp.publish('records', { waitForResponse: true })
      expect(outcomes).toMatchObject([
        {
          error: {
            message: "A message has no option 'timeoutMs'. It has: id, key, headers, correlationId, delayMs, at.",
          },
        },
      ])
    })

    test.each<[string, object, RegExp]>([
      ['a key that is a number', { key: 5 }, /The key of a message is 5\. .*String\(5\)/],
      ['an empty key', { key: '' }, /The key of a message is ""\. Pass a string that is not empty/],
      ['a key that is an object', { key: { id: 5 } }, /The key of a message is a plain object\. Pass a string/],
      ['an id that is a number', { id: 5 }, /The id of a message is 5\. .*String\(5\)/],
      ['an empty id', { id: '' }, /The id of a message is ""\. Pass a string that is not empty/],
      ['an id that is null', { id: null }, /The id of a message is null\. Pass a string/],
      ['an empty correlation id', { correlationId: '' }, /The correlationId of a message is ""\. Pass a string/],
      [
        'headers that are a string',
        { headers: 'acme' },
        /The headers of a message are "acme"\. Pass an object of strings/,
      ],
      ['headers that are null', { headers: null }, /The headers of a message are null\. Pass an object of strings/],
      ['headers in an array', { headers: ['acme'] }, /The headers of a message are an array of 1\. Pass an object/],
      ['a header that is a number', { headers: { tenant: 5 } }, /The header 'tenant' is 5\. Headers are strings/],
      ['a header that is null', { headers: { tenant: null } }, /The header 'tenant' is null\. Headers are strings/],
    ])('%s, by every verb', async (_, options, text) => {
      await dp.start()
      const invalid = refusal(InvalidOption, 'INVALID_OPTION', text)
      for (const [verb, , message] of verbs) {
        await expect(untyped(verb)(message, options), verb).rejects.toEqual(invalid)
        await expect(untyped(verb)(message, { ...options, waitForResponse: true }), verb).rejects.toEqual(invalid)
      }
    })

    test.each<[string, unknown, RegExp]>([
      ['below 0', -1, /timeoutMs is -1\. Pass a number of milliseconds, 0 or more/],
      ['that is not a number', Number.NaN, /timeoutMs is NaN\. Pass a number of milliseconds/],
      ['that is a text', '5s', /timeoutMs is "5s"\. Pass a number of milliseconds/],
      ['that is null', null, /timeoutMs is null\. Pass a number of milliseconds/],
      ['longer than a timer can wait', 2 ** 31, /timeoutMs is 2147483648, longer than .*2147483647 ms.*Pass less/],
      ['without end', Number.POSITIVE_INFINITY, /timeoutMs is Infinity, longer than .*2147483647 ms.*Pass less/],
    ])('a timeoutMs %s, by every verb', async (_, timeoutMs, text) => {
      await dp.start()
      const invalid = refusal(InvalidOption, 'INVALID_OPTION', text)
      for (const [verb, , message] of verbs) {
        await expect(untyped(verb)(message, { timeoutMs }), verb).rejects.toEqual(invalid)
        await expect(untyped(verb)(message, { timeoutMs, waitForResponse: true }), verb).rejects.toEqual(invalid)
      }
    })

    test('all of them in the shape of null, by every verb and by stop', async () => {
      await dp.start()
      const invalid = refusal(InvalidOption, 'INVALID_OPTION', /null/)
      for (const [verb, , message] of verbs) await expect(untyped(verb)(message, null), verb).rejects.toEqual(invalid)
      await expect(dp.stop(null as never)).rejects.toEqual(invalid)
    })

    test('a signal that is aborted already, by every verb, with its reason as the cause', async () => {
      await dp.start()
      const reason = new Error('the user has left')
      const options = { signal: AbortSignal.abort(reason) }
      for (const [verb, , message] of verbs) {
        for (const waitForResponse of [false, true]) {
          const error: unknown = await untyped(verb)(message, { ...options, waitForResponse }).catch((e: unknown) => e)
          expect(error, verb).toEqual(
            refusal(Aborted, 'ABORTED', /The signal given to \w+\(\) was aborted: the user has left/),
          )
          expect((error as Aborted).cause).toBe(reason)
        }
      }
    })

    test('a signal that was aborted with a text, which is its reason', async () => {
      await dp.start()
      const refused = dp.publish(new Placed(), { signal: AbortSignal.abort('the user has left') })
      await expect(refused).rejects.toThrow(/was aborted: "?the user has left"?\.?$/)
    })

    test.each(verbs)('a signal that is none, such as its controller, by %s of %s', async (verb, _kind, message) => {
      await dp.start()
      await expect(untyped(verb)(message, { signal: new AbortController() })).rejects.toEqual(
        refusal(InvalidOption, 'INVALID_OPTION', /signal.*an instance of AbortController/),
      )
    })
  })

  describe('binding after start():', () => {
    test.each<[string, () => void, RegExp]>([
      ['events.bind', () => dp.events.bind(Paid, () => {}), /^dp\.events\.bind was called after start\(\).*before/],
      [
        'commands.bind',
        () => dp.commands.bind(Unknown, () => {}),
        /^dp\.commands\.bind was called after start\(\).*before/,
      ],
      ['queries.bind', () => dp.queries.bind('ping', () => 1), /^dp\.queries\.bind was called after start\(\).*before/],
      ['events.register', () => dp.events.register(Paid), /^dp\.events\.register was called after start\(\).*before/],
      ['events.use', () => dp.events.use(() => {}), /^dp\.events\.use was called after start\(\).*before/],
      ['use', () => dp.use(() => {}), /^dp\.use\(\) was called after start\(\).*before/],
      ['mount', () => dp.mount(module('late', () => {})), /^dp\.mount\(\) was called after start\(\).*before/],
    ])('by %s, from the call of start() on', async (_, bind, text) => {
      const refused = refusal(ImproperlyConfigured, 'ALREADY_STARTED', text)
      const starting = dp.start()
      expect(bind).toThrow(refused)
      await starting
      expect(bind).toThrow(refused)
      await dp.stop()
      expect(bind).toThrow(refused)
    })
  })

  describe('at start(), a handler', () => {
    test.each<[string, unknown, RegExp]>([
      [
        'that is no function and has no handle',
        { run() {} },
        /a plain object is no handler\. Pass a function, a class/,
      ],
      ['that is missing', undefined, /undefined is no handler\. Pass a function, a class/],
      ['that is a class without handle', Paid, /The class Paid has no method 'handle'\. Add one/],
      ['with three parameters and no argname', thirdParameter, /thirdParameter has 3 parameters.*'argname'/],
    ])('%s', async (_, handler, text) => {
      dp.events.bind(Paid, handler as never)
      await expect(dp.start()).rejects.toEqual(fault(HandlerSignatureError, 'HANDLER_SIGNATURE', text))
    })

    test('whose class has a constructor that throws', async () => {
      const cause = new Error('no till')
      class Broken {
        constructor() {
          throw cause
        }
        handle(): void {}
      }
      dp.events.bind(Paid, Broken)
      const error: unknown = await dp.start().catch((thrown: unknown) => thrown)
      const text = /The constructor of handler class Broken threw: no till/
      expect(error).toEqual(fault(HandlerConstructionFailed, 'HANDLER_CONSTRUCTION_FAILED', text))
      expect((error as ImproperlyConfigured).problems[0]?.cause).toBe(cause)
    })

    test('with a provider that is of another kind elsewhere', async () => {
      dp.events.bind(Paid, () => {}, { inject: { till: singleton('till', () => 1) } })
      dp.events.bind(Paid, () => {}, { inject: { till: factory('till', () => 1) } })
      await expect(dp.start()).rejects.toEqual(
        fault(
          ImproperlyConfigured,
          'PROVIDER_TWO_KINDS',
          /The provider 'till' is a singleton .* a factory .*Choose one/,
        ),
      )
    })

    test('that is a method of a class that was not mounted', async () => {
      class Log {
        @dp.events.register(Paid)
        log(_event: Paid): void {}
      }
      expect(Log).toBeTypeOf('function')
      await expect(dp.start()).rejects.toEqual(
        fault(ImproperlyConfigured, 'NOT_MOUNTED', /The method 'log' was registered for 'shop\.paid'.*dp\.mount\(new/),
      )
    })

    test('that is a method of a class that was mounted twice', async () => {
      class Log {
        @dp.events.register(Paid)
        log(_event: Paid): void {}
      }
      dp.mount(new Log())
      dp.mount(new Log())
      await expect(dp.start()).rejects.toEqual(
        fault(ImproperlyConfigured, 'MOUNTED_TWICE', /The method 'log' .* mounted 2 times\. Mount it once/),
      )
    })

    test('with an option that does not exist, by bind and by register', async () => {
      const text = /dp\.events\.bind has no option 'injcet'\. It has: name, inject, argname, responseEvent/
      dp.events.bind(Paid, () => {}, { injcet: {} } as never)
      await expect(dp.start()).rejects.toEqual(fault(InvalidOption, 'INVALID_OPTION', text))
      dp = newDispatcher()
      dp.events.register(Paid, { injcet: {} } as never)(() => {})
      await expect(dp.start()).rejects.toEqual(fault(InvalidOption, 'INVALID_OPTION', /no option 'injcet'/))
    })

    test.each<[string, object, RegExp]>([
      ['workers of 0', { workers: 0 }, /workers is 0\. Pass a whole number, 1 or more, or Infinity/],
      ['workers below 0', { workers: -1 }, /workers is -1\. Pass a whole number/],
      ['workers that are not whole', { workers: 1.5 }, /workers is 1\.5\. Pass a whole number/],
      ['workers that are not a number', { workers: Number.NaN }, /workers is NaN\. Pass a whole number/],
      ['workers that are a text', { workers: '4' }, /workers is "4"\. Pass a whole number/],
      ['workers that are null', { workers: null }, /workers is null\. Pass a whole number/],
      ['a timeoutMs below 0', { timeoutMs: -1 }, /timeoutMs is -1\. Pass a number of milliseconds, 0 or more/],
      ['a timeoutMs that is not a number', { timeoutMs: Number.NaN }, /timeoutMs is NaN\. Pass a number of mill/],
      ['a timeoutMs that is a text', { timeoutMs: '5s' }, /timeoutMs is "5s"\. Pass a number of milliseconds/],
      ['a timeoutMs that is null', { timeoutMs: null }, /timeoutMs is null\. Pass a number of milliseconds/],
      ['a timeoutMs longer than a timer can wait', { timeoutMs: 2 ** 31 }, /timeoutMs is 2147483648, longer .*less/],
    ])('with %s, by bind and by register', async (_, options, text) => {
      dp.events.bind(Paid, () => {}, options as never)
      await expect(dp.start()).rejects.toEqual(fault(InvalidOption, 'INVALID_OPTION', text))
      dp = newDispatcher()
      dp.events.register(Paid, options as never)(() => {})
      await expect(dp.start()).rejects.toEqual(fault(InvalidOption, 'INVALID_OPTION', text))
    })

    test('with a wrong option, by its name or what it handles', async () => {
      dp.events.bind(Paid, function charge() {}, { timeoutMs: -1 })
      await expect(dp.start()).rejects.toThrow(/charge|shop\.paid/)
    })

    test('with options that are null', async () => {
      dp.events.bind(Paid, () => {}, null as never)
      await expect(dp.start()).rejects.toEqual(fault(InvalidOption, 'INVALID_OPTION', /null/))
    })
  })

  describe('at stop(), a deadlineMs', () => {
    test.each<[string, unknown, RegExp]>([
      ['below 0', -1, /deadlineMs is -1\. Pass a number of milliseconds, 0 or more/],
      ['that is not a number', Number.NaN, /deadlineMs is NaN\. Pass a number of milliseconds/],
      ['that is a text', '5s', /deadlineMs is "5s"\. Pass a number of milliseconds/],
      ['longer than a timer can wait', 2 ** 31, /deadlineMs is 2147483648, longer than .*2147483647 ms.*or Infinity/],
    ])('%s: the dispatcher goes on', async (_, deadlineMs, text) => {
      await dp.start()
      await expect(dp.stop({ deadlineMs: deadlineMs as number })).rejects.toEqual(
        refusal(InvalidOption, 'INVALID_OPTION', text),
      )
      expect(dp.isStarted).toBe(true)
    })

    test('that is wrong, also where there is nothing to stop', async () => {
      await expect(dp.stop({ deadlineMs: -1 })).rejects.toEqual(
        refusal(InvalidOption, 'INVALID_OPTION', /deadlineMs is -1/),
      )
    })
  })

  describe('by new Dispatcher(),', () => {
    test.each<[string, object, RegExp]>([
      [
        'an option that does not exist',
        { loger: logger },
        /new Dispatcher\(\) has no option 'loger'\. It has: .*logger/,
      ],
      ['options that are null', null as never, /The options of new Dispatcher\(\) are null\. Pass an object/],
      ['options that are a text', 'fast' as never, /The options of new Dispatcher\(\) are "fast"\. Pass an object/],
      ['a maxDepth of 0', { maxDepth: 0 }, /maxDepth is 0\. Pass a whole number, 1 or more/],
      ['a maxDepth that is not whole', { maxDepth: 1.5 }, /maxDepth is 1\.5\. Pass a whole number/],
      ['a maxDepth without end', { maxDepth: Number.POSITIVE_INFINITY }, /maxDepth is Infinity\. Pass a whole number/],
      ['a maxDepth that is null', { maxDepth: null }, /maxDepth is null\. Pass a whole number/],
      ['a dedupeMs that is null', { dedupeMs: null }, /dedupeMs is null\. Pass a number of milliseconds/],
      ['a maxDepth that is a text', { maxDepth: '10' }, /maxDepth is "10"\. Pass a whole number/],
      ['a dedupeMs below 0', { dedupeMs: -1 }, /dedupeMs is -1\. Pass a number of milliseconds, 0 or more/],
      ['a dedupeMs that is a text', { dedupeMs: '5m' }, /dedupeMs is "5m"\. Pass a number of milliseconds/],
      ['workers of 0', { workers: 0 }, /^workers is 0\. Pass a whole number, 1 or more, or Infinity/],
      ['workers below 0', { workers: -1 }, /^workers is -1\. Pass a whole number, 1 or more, or Infinity/],
      ['workers that are not whole', { workers: 1.5 }, /^workers is 1\.5\. Pass a whole number/],
      ['workers that are not a number', { workers: Number.NaN }, /^workers is NaN\. Pass a whole number/],
      ['workers that are a text', { workers: '4' }, /^workers is "4"\. Pass a whole number/],
      ['workers that are null', { workers: null }, /^workers is null\. Pass a whole number/],
      ['a capacity that is a number', { capacity: 5 }, /capacity is 5\. Pass both marks/],
      ['a capacity that is null', { capacity: null }, /capacity is null\. Pass both marks/],
      ['a capacity with an unknown field', { capacity: { high: 5, lo: 1 } }, /capacity has no option 'lo'.*high, low/],
      ['a high capacity of 0', { capacity: { high: 0, low: 0 } }, /^capacity\.high is 0\. Pass a whole number, 1 or/],
      ['a capacity without high', { capacity: { low: 0 } }, /^capacity is an object with low\. Pass both marks/],
      ['a capacity without low', { capacity: { high: 5 } }, /^capacity is an object with high\. Pass both marks/],
      ['a low capacity below 0', { capacity: { high: 5, low: -1 } }, /^capacity\.low is -1\. Pass a whole number/],
      [
        'a low capacity above the high one',
        { capacity: { high: 1, low: 2 } },
        /^capacity\.low is 2, above capacity\.high, which is 1\. Pass less/,
      ],
      ['a whenFull that does not exist', { whenFull: 'drop' }, /'whenFull' is "drop"\. Pass 'wait' or 'throw'/],
      [
        'a stallAfterMs below 0',
        { stallAfterMs: -1 },
        /^stallAfterMs is -1\. Pass a number of milliseconds, 0 or more/,
      ],
      ['a stallAfterMs that is too long', { stallAfterMs: 2 ** 31 }, /^stallAfterMs is 2147483648, longer than/],
      ['a shutdownSignals in a text', { shutdownSignals: 'SIGTERM' }, /'shutdownSignals' is "SIGTERM"\. Pass an array/],
      ['an engine that is no class', { engine: 5 }, /'engine' is 5\. Pass a class/],
      ['a logger without methods', { logger: {} }, /'logger' is a plain object\. Pass one with debug\(\)/],
      ['a logger that is null', { logger: null }, /'logger' is null\. Pass one with debug\(\)/],
      ['a clock without methods', { clock: {} }, /'clock' is a plain object\. Pass one with now\(\)/],
      ['a clock without timers', { clock: { now: () => 0 } }, /'clock' is a plain object\. Pass one with after\(\)/],
    ])('%s', (_, options, text) => {
      expect(() => new Dispatcher(options)).toThrow(refusal(InvalidOption, 'INVALID_OPTION', text))
    })

    test.each(['events', 'commands', 'queries'])('options of the router %s that cannot be', (router) => {
      for (const [options, text] of [
        [{ workers: 0 }, `^${router}\\.workers is 0\\. Pass a whole number, 1 or more, or Infinity`],
        [{ workers: -1 }, `^${router}\\.workers is -1\\.`],
        [{ workers: 1.5 }, `^${router}\\.workers is 1\\.5\\.`],
        [{ workers: Number.NaN }, `^${router}\\.workers is NaN\\.`],
        [{ workers: '4' }, `^${router}\\.workers is "4"\\.`],
        [{ worker: 4 }, `${router} has no option 'worker'\\. It has: workers`],
        [5, `${router} are 5\\. Pass an object`],
        [null, `${router} are null\\. Pass an object`],
      ] as const) {
        const invalid = refusal(InvalidOption, 'INVALID_OPTION', new RegExp(text))
        expect(() => new Dispatcher({ [router]: options })).toThrow(invalid)
      }
    })

    test('workers of a router that are null', () => {
      expect(() => new Dispatcher({ events: { workers: null as never } })).toThrow(
        refusal(InvalidOption, 'INVALID_OPTION', /events\.workers is null/),
      )
    })

    test('a low capacity that is wrong, saying that it can be 0', () => {
      expect(() => new Dispatcher({ capacity: { high: 5, low: -1 } })).toThrow(/0 or more/)
    })
  })

  describe('by dp.limits,', () => {
    const counts: [unknown, string][] = [
      [0, '0'],
      [-1, '-1'],
      [1.5, '1\\.5'],
      [Number.NaN, 'NaN'],
      ['4', '"4"'],
      [null, 'null'],
    ]

    test.each(counts)('workers of %o, and they stay as they were', (workers, shown) => {
      dp.events.bind(Paid, () => {}, { name: 'charge', workers: 3 })
      const { limits } = dp
      for (const [limit, where] of [
        [limits, ''],
        [limits.events, 'events\\.'],
        [limits.commands, 'commands\\.'],
        [limits.queries, 'queries\\.'],
        [limits.handler('events/charge'), 'events/charge: '],
      ] as const) {
        limit.workers = 3
        const text = new RegExp(`^${where}workers is ${shown}\\. Pass a whole number, 1 or more, or Infinity`)
        expect(() => Object.assign(limit, { workers })).toThrow(refusal(InvalidOption, 'INVALID_OPTION', text))
        expect(limit.workers).toBe(3)
      }
    })

    test.each<[string, unknown, RegExp]>([
      ['that is a number', 5, /capacity is 5\. Pass both marks/],
      ['with low above high', { high: 1, low: 2 }, /^capacity\.low is 2, above capacity\.high, which is 1/],
      ['with a high of 0', { high: 0, low: 0 }, /^capacity\.high is 0\. Pass a whole number/],
      ['with an unknown field', { high: 5, low: 1, mid: 3 }, /capacity has no option 'mid'/],
    ])('a capacity %s, and it stays as it was', (_, capacity, text) => {
      dp.limits.capacity = { high: 9, low: 8 }
      expect(() => Object.assign(dp.limits, { capacity })).toThrow(refusal(InvalidOption, 'INVALID_OPTION', text))
      expect(dp.limits.capacity).toEqual({ high: 9, low: 8 })
    })

    test('a handler that there is not, with the names that there are', () => {
      for (const name of ['events/charge', 'charge', 5]) {
        expect(() => dp.limits.handler(name as never)).toThrow(
          refusal(InvalidOption, 'INVALID_OPTION', /^There is no handler ('|"|)(events\/charge|charge|5).*There are: /),
        )
      }
    })
  })

  describe('among the shutdownSignals, a name', () => {
    afterEach(() => process.removeAllListeners('SIGTRM'))

    test('that is no signal', async () => {
      const start = async () => {
        dp = newDispatcher({ shutdownSignals: ['SIGTRM' as never] })
        await dp.start()
      }
      await expect(start()).rejects.toEqual(refusal(InvalidOption, 'INVALID_OPTION', /SIGTRM/))
    })

    test('of a signal that cannot be caught', async () => {
      const close = vi.fn()
      const start = async () => {
        dp = newDispatcher({ shutdownSignals: ['SIGKILL'] })
        dp.events.bind(Paid, () => {}, { inject: { till: singleton('till', () => 1, { close }) } })
        await dp.start()
      }
      const error: unknown = await start().catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(Error)
      expect(dp.isStarted).toBe(false)
      expect(error).toEqual(refusal(InvalidOption, 'INVALID_OPTION', /SIGKILL/))
    })
  })

  test('what is no middleware, by use', () => {
    for (const [middleware, shown] of [
      [undefined, 'undefined'],
      [5, '5'],
      [{ incoming() {} }, 'a plain object'],
    ] as const) {
      expect(() => dp.use(middleware as never)).toThrow(
        refusal(
          ImproperlyConfigured,
          'INVALID_MIDDLEWARE',
          new RegExp(`^${shown} is no middleware\\. Pass a function, or`),
        ),
      )
    }
  })
})

describe('a signal', () => {
  test('that is aborted while the handler runs rejects the request, and aborts the signal of the handler', async () => {
    const goOn = Promise.withResolvers<string>()
    const signals: AbortSignal[] = []
    dp.queries.bind('slow', (_query, { context }) => {
      signals.push(context.signal)
      return goOn.promise
    })
    await dp.start()
    const controller = new AbortController()
    const answer = dp.request('slow', { signal: controller.signal })
    expect(signals[0]?.aborted).toBe(false)
    const reason = new Error('the user has left')
    controller.abort(reason)
    const error: unknown = await answer.catch((thrown: unknown) => thrown)
    expect(error).toEqual(refusal(Aborted, 'ABORTED', /The signal given to request\(\) was aborted: the user has left/))
    expect((error as Aborted).cause).toBe(reason)
    expect(signals[0]?.aborted).toBe(true)
    expect(signals[0]?.reason).toBe(error)
    goOn.resolve('too late')
    await dp.stop()
  })

  test('that is aborted while the request waits in its lane keeps it from running', async () => {
    const goOn = Promise.withResolvers<void>()
    const started: string[] = []
    dp.queries.bind('slow', (_query, { context }) => {
      started.push(context.id)
      return goOn.promise
    })
    await dp.start()
    const first = dp.request('slow', { key: 'a', id: 'first' })
    const controller = new AbortController()
    const second = dp.request('slow', { key: 'a', id: 'second', signal: controller.signal })
    const third = dp.request('slow', { key: 'a', id: 'third' })
    controller.abort()
    await expect(second).rejects.toEqual(refusal(Aborted, 'ABORTED', /was aborted/))
    goOn.resolve()
    await Promise.all([first, third])
    expect(started).toEqual(['first', 'third'])
    await dp.stop()
  })

  test('that is aborted after the answer has no effect', async () => {
    await dp.start()
    const controller = new AbortController()
    await dp.request(new CountOrders(), { signal: controller.signal })
    controller.abort()
    expect(await dp.stop()).toBeUndefined()
    expect(ran.mock.calls).toEqual([['shop.count-orders']])
    expect(logger.warn).not.toHaveBeenCalled()
  })

  test('that is aborted after an event was accepted has no effect on its handlers', async () => {
    const seen: boolean[] = []
    dp.events.bind(Paid, async (_event, { context }) => {
      await nextTurn()
      seen.push(context.signal.aborted)
    })
    await dp.start()
    const controller = new AbortController()
    await dp.publish(new Paid(), { signal: controller.signal })
    controller.abort()
    await dp.stop()
    expect(seen).toEqual([false])
  })
})

describe('a handler that throws something that is no error', () => {
  const thrown: [string, unknown][] = [
    ['undefined', undefined],
    ['null', null],
    ['"out of stock"', 'out of stock'],
    ['5', 5],
    ['a plain object', { status: 500 }],
  ]

  /** Throws it at once for 'throws', and rejects with it for 'rejects'. */
  function bindTo(kind: 'queries' | 'events', value: unknown): void {
    const router = dp[kind] as Dispatcher['queries']
    router.bind(
      'throws',
      () => {
        throw value
      },
      { name: 'throws' },
    )
    router.bind('rejects', () => Promise.reject(value), { name: 'rejects' })
  }

  test.each(thrown)('(%s) gives whoever requested it an error that shows it', async (shown, value) => {
    bindTo('queries', value)
    await dp.start()
    for (const query of ['throws', 'rejects']) {
      const error: unknown = await dp.request(query).catch((e: unknown) => e)
      expect(error).toEqual(
        refusal(NonErrorThrown, 'NON_ERROR_THROWN', /^Something that is no Error.*Throw an Error instead/),
      )
      expect((error as NonErrorThrown).message).toContain(`was thrown: ${shown}.`)
      expect((error as NonErrorThrown).thrown).toBe(value)
    }
    await dp.stop()
  })

  test.each(thrown)(
    '(%s) makes its event dead, with such an error in the outcome and in the notice',
    async (_, value) => {
      bindTo('events', value)
      await dp.start()
      const error = expect.objectContaining({ constructor: NonErrorThrown, thrown: value }) as Error
      for (const event of ['throws', 'rejects']) {
        expect(await dp.publish(event, { waitForResponse: true })).toEqual([
          { handler: `events/${event}`, status: 'dead', error },
        ])
        expect(logger.error).toHaveBeenLastCalledWith(
          expect.objectContaining({ handler: `events/${event}`, err: error }),
          expect.stringContaining(`events/${event} failed on '${event}'`),
        )
      }
      await dp.stop()
    },
  )
})

describe('a result that is no instance of the responseEvent', () => {
  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a text', 'placed'],
    ['an instance of another event', new Placed()],
    ['an object with the same fields', {}],
    ['an array without any', [new Placed(), null]],
  ])('(%s) is the response, and nothing is published', async (_, result) => {
    const paid = vi.fn()
    dp.events.bind(Paid, () => paid())
    dp.commands.bind('pay', () => result as Paid, { responseEvent: Paid })
    await dp.start()
    expect(await dp.request('pay')).toBe(result)
    await dp.stop()
    expect(paid).not.toHaveBeenCalled()
    expect(ran).not.toHaveBeenCalled()
    expect(logger.error).not.toHaveBeenCalled()
  })

  test('keeps no instance beside it in an array from being published', async () => {
    const paid = vi.fn()
    dp.events.bind(Paid, (event) => paid(event))
    const event = new Paid()
    dp.commands.bind('pay', () => [null, event, 'paid'], { responseEvent: Paid })
    await dp.start()
    await dp.send('pay')
    await dp.stop()
    expect(paid.mock.calls).toEqual([[event]])
  })
})

function thirdParameter(_event: Paid, _deps: object, _third: unknown): void {}
