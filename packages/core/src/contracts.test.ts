import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import {
  AbstractHandler,
  Command,
  ContractViolation,
  defineCommand,
  defineEvent,
  defineQuery,
  Dispatcher,
  type DispatcherOptions,
  Event,
  ImproperlyConfigured,
  Query,
  type Middleware,
} from './index.ts'

class Noted extends Event {
  static readonly type: string = 'notes.noted'
  static readonly schema = z.object({ text: z.string().min(1) })
  readonly text: string
  constructor(text: string) {
    super()
    this.text = text
  }
}
class Note extends Command {
  static readonly type = 'notes.note'
  static readonly schema = z.object({ text: z.string().min(1) })
  readonly text: string
  constructor(text: string) {
    super()
    this.text = text
  }
}
class Find extends Query<string[]> {
  static readonly type = 'notes.find'
  static readonly schema = z.object({ word: z.string().min(1) })
  readonly word: string
  constructor(word: string) {
    super()
    this.word = word
  }
}
class LateNoted extends Noted {
  static override readonly type = 'notes.late-noted'
}
class Act extends defineCommand('act') {}

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

function dispatcher(options: DispatcherOptions = {}): Dispatcher {
  vi.clearAllMocks()
  const dp = new Dispatcher({ logger, ...options })
  onTestFinished(() => dp.stop())
  return dp
}

describe('a message of a class with a static schema is checked where it enters:', () => {
  test.each<[string, (dp: Dispatcher) => Promise<unknown>]>([
    ['publish', (dp) => dp.publish(new Noted(''))],
    ['publish, waiting', (dp) => dp.publish(new Noted(''), { waitForResponse: true })],
    ['publish, of a subclass', (dp) => dp.publish(new LateNoted(''))],
    ['publish, with options', (dp) => dp.publish(new Noted(''), { key: 'a' })],
    ['send', (dp) => dp.send(new Note(''))],
    ['request', (dp) => dp.request(new Find(''))],
    ['handle', (dp) => dp.handle(new Note(''))],
    ['handle, waiting', (dp) => dp.handle(new Find(''), { waitForResponse: true })],
  ])('%s', async (_, enter) => {
    const dp = dispatcher()
    const handled = vi.fn(() => [])
    dp.events.bind(Noted, handled)
    dp.commands.bind(Note, handled as never)
    dp.queries.bind(Find, handled)
    await dp.start()
    const refused = enter(dp) // Never thrown from the call.
    await expect(refused).rejects.toThrow(ContractViolation)
    await expect(refused).rejects.toThrow(/breaks its contract[^]*(text|word): /)
    expect(handled).not.toHaveBeenCalled()
  })

  test('an event that nobody handles', async () => {
    const dp = dispatcher()
    dp.queries.bind(Find, () => [])
    await dp.start()
    await expect(dp.publish(new Noted(''))).rejects.toThrow(ContractViolation)
    await expect(dp.publish(new Noted('a'))).resolves.toBeUndefined()
  })

  test.each<[string, (dp: Dispatcher) => void]>([
    ['context.publish', (dp) => dp.commands.bind(Act, (_, { context }) => context.publish(new Noted('')))],
    ['context.send', (dp) => dp.commands.bind(Act, (_, { context }) => context.send(new Note('')))],
    [
      'context.request',
      (dp) => dp.commands.bind(Act, async (_, { context }) => void (await context.request(new Find('')))),
    ],
    ['a response event', (dp) => dp.commands.bind(Act, () => new Noted(''), { responseEvent: Noted })],
    [
      'addEvent',
      (dp) =>
        dp.commands.bind(
          Act,
          class extends AbstractHandler<Act> {
            async handle(): Promise<void> {
              this.addEvent(new Noted(''))
            }
          },
        ),
    ],
  ])('%s, which fails the attempt', async (_, bind) => {
    const dp = dispatcher()
    const handled = vi.fn(() => [])
    dp.events.bind(Noted, handled)
    dp.commands.bind(Note, handled as never)
    dp.queries.bind(Find, handled)
    bind(dp)
    await dp.start()
    await expect(dp.request(new Act())).rejects.toThrow(ContractViolation)
    expect(handled).not.toHaveBeenCalled()
  })

  test('one that a dead letter was edited to', async () => {
    const dp = dispatcher()
    const heard: string[] = []
    dp.events.bind(Noted, (event) => {
      if (event.text === 'bad') throw new Error('bad')
      heard.push(event.text)
    })
    await dp.start()
    const [outcome] = await dp.publish(new Noted('bad'), { waitForResponse: true })
    expect(outcome?.status).toBe('dead')
    const id = (await dp.deadLetters.list()).letters[0]?.id ?? ''
    await expect(dp.deadLetters.editAndReplay(id, () => ({ message: new Noted('') }))).rejects.toThrow(
      ContractViolation,
    )
    await dp.deadLetters.editAndReplay(id, () => ({ message: new Noted('good') }), { waitForResponse: true })
    expect(heard).toEqual(['good'])
  })

  test('context.publish throws at once: the handler can do something else', async () => {
    const dp = dispatcher()
    const heard = vi.fn()
    dp.events.bind(Noted, (event) => heard(event.text))
    dp.commands.bind(Act, (_, { context }) => {
      try {
        context.publish(new Noted(''))
      } catch {
        context.publish(new Noted('instead'))
      }
    })
    await dp.start()
    await dp.request(new Act())
    expect(heard.mock.calls).toEqual([['instead']])
  })

  test('the message itself arrives, if it fits', async () => {
    const dp = dispatcher()
    dp.queries.bind(Find, (query) => [query.word, String(query instanceof Find)])
    await dp.start()
    expect(await dp.request(new Find('a'))).toEqual(['a', 'true'])
  })

  test('a class made with a schema is not checked again: what it holds need not be what it takes', async () => {
    class Added extends defineCommand('added', z.object({ year: z.string().transform(Number) }), {
      result: z.number(),
    }) {}
    const dp = dispatcher()
    dp.commands.bind(Added, (command) => command.year)
    await dp.start()
    expect(await dp.request(new Added({ year: '1815' }))).toBe(1815)
  })

  test('a schema that is asynchronous is refused', async () => {
    class Later extends Event {
      static readonly schema = z.object({}).refine(async () => false)
    }
    const dp = dispatcher()
    dp.events.bind(Later, () => {})
    await dp.start()
    await expect(dp.publish(new Later())).rejects.toThrow("The schema of 'Later' is asynchronous")
  })
})

describe('the reply to a message of a class with a result', () => {
  const result = z.object({ id: z.string(), tags: z.array(z.string()).default([]) })
  class Ask extends defineQuery('ask', z.object({ of: z.unknown().optional() }), { result }) {}
  class Other extends defineQuery('other', z.object({}), { result: z.number() }) {}

  test.each<[string, (reply: unknown) => unknown]>([
    ['at once', (reply) => reply],
    ['later', async (reply) => reply],
  ])('given %s, is checked, and stays as it is', async (_, give) => {
    const dp = dispatcher()
    dp.queries.bind(Ask, (query) => give(query.of) as never)
    await dp.start()
    const reply = { id: 'a', more: 1 }
    expect(await dp.request(new Ask({ of: reply }))).toBe(reply)
    const refused = dp.request(new Ask({ of: { id: 5, tags: [1] } }))
    await expect(refused).rejects.toThrow(ContractViolation)
    await expect(refused).rejects.toMatchObject({ type: 'ask', issues: [{ path: 'id' }, { path: 'tags[0]' }] })
    await expect(refused).rejects.toThrow(/^The reply to 'ask' breaks its contract/)
  })

  test('of a handler of several messages is checked by what the message says', async () => {
    const dp = dispatcher()
    const types: never = [Ask, Other, 'count'] as never
    dp.queries.bind(types, ((query: unknown) => (query instanceof Ask ? { id: 'a' } : 'text')) as never)
    await dp.start()
    expect(await dp.request(new Ask({}))).toEqual({ id: 'a' })
    expect(await dp.request('count')).toBe('text')
    await expect(dp.request(new Other({}))).rejects.toThrow("The reply to 'other' breaks its contract")
  })

  test('that breaks it fails the attempt: what it recorded is dropped, and nothing is published', async () => {
    class Said extends defineEvent('said') {}
    const dp = dispatcher()
    const heard = vi.fn()
    dp.events.bind(Said, heard)
    class Asked extends AbstractHandler<Ask, never> {
      async handle(_: Ask, deps: { context: { publish(event: Said): void } }): Promise<never> {
        deps.context.publish(new Said())
        this.addEvent(new Said())
        return 5 as never
      }
    }
    dp.queries.bind(Ask, Asked)
    await dp.start()
    await expect(dp.request(new Ask({}))).rejects.toThrow(ContractViolation)
    expect(heard).not.toHaveBeenCalled()
  })

  test('may be an instance that is a response event', async () => {
    class Created extends defineEvent<{ id: string }>('created') {}
    class Create extends defineCommand('create', z.object({}), { result: z.instanceof(Created) }) {}
    const dp = dispatcher()
    const heard = vi.fn()
    dp.events.bind(Created, (event) => heard(event.id))
    dp.commands.bind(Create, () => new Created({ id: 'a' }), { responseEvent: Created })
    await dp.start()
    expect(await dp.request(new Create({}))).toBeInstanceOf(Created)
    expect(heard.mock.calls).toEqual([['a']])
  })

  test.each<[string, Middleware]>([
    ['forgets it', async (_message, { next }) => void (await next())],
    ['answers in the place of the handler', () => ({ name: 'a' })],
  ])('is checked where it comes out: middleware that %s breaks the contract', async (_, middleware) => {
    const dp = dispatcher()
    dp.use(middleware)
    dp.queries.bind(Ask, () => ({ id: 'a' }) as never)
    await dp.start()
    await expect(dp.request(new Ask({}))).rejects.toMatchObject({ code: 'CONTRACT_VIOLATION' })
  })

  test('is the own error of the handler, where it throws', async () => {
    const dp = dispatcher()
    dp.queries.bind(Ask, () => {
      throw new TypeError('own')
    })
    await dp.start()
    await expect(dp.request(new Ask({}))).rejects.toThrow(new TypeError('own'))
  })
})

describe('start() reports a contract that is none:', () => {
  test.each<[string, object, string]>([
    ['a version', { version: 0 }, "The version of 'Wrong' is 0. Make it a whole number, 1 or more."],
    ['a schema', { schema: { type: 'object' } }, "The schema of 'Wrong' is a plain object. Pass one by the Standard"],
    ['an upcast', { upcast: 1 }, "The static upcast of 'Wrong' is 1. Make it a function, or give it another name."],
    ['a revive', { revive: 1 }, "The static revive of 'Wrong' is 1."],
  ])('%s, of a class that is bound or named in messages', async (_, statics, text) => {
    const Wrong = Object.assign(class Wrong extends Event {}, statics)
    for (const options of [{}, { messages: [Wrong] }]) {
      const dp = dispatcher(options)
      dp.events.bind('messages' in options ? Noted : Wrong, () => {})
      await expect(dp.start()).rejects.toMatchObject({ problems: [{ code: 'INVALID_CONTRACT' }] })
      await expect(dp.start()).rejects.toThrow(text)
    }
  })

  test('one that nobody named is told to its caller', async () => {
    const Wrong = Object.assign(class Wrong extends Event {}, { version: 0 })
    const dp = dispatcher()
    dp.events.bind(Noted, () => {})
    await dp.start()
    await expect(dp.publish(new Wrong())).rejects.toThrow(ImproperlyConfigured)
  })
})

describe('messages', () => {
  class AlsoNoted extends defineEvent('notes.noted') {}

  test('take part in the check for types of one name', async () => {
    const dp = dispatcher({ messages: [AlsoNoted] })
    dp.events.bind(Noted, () => {})
    await expect(dp.start()).rejects.toThrow("one name, 'notes.noted': class Noted, class AlsoNoted. Give each its own")
    const among = dispatcher({ messages: [Note, Noted, AlsoNoted, 'notes.note'] })
    among.events.bind('anything', () => {})
    await expect(among.start()).rejects.toMatchObject({ problems: [{ code: 'TYPE_TAKEN' }, { code: 'TYPE_TAKEN' }] })
  })

  test('may name what is bound, and a class again', async () => {
    const dp = dispatcher({ messages: [Noted, Note, Note] })
    dp.events.bind(Noted, () => {})
    await expect(dp.start()).resolves.toBeUndefined()
  })

  test.each<[unknown, string]>([
    [Noted, "The dispatcher's messages are the"],
    [[Noted, 5], "Among the dispatcher's messages is 5. Pass an array of message classes and strings."],
    [[''], `Among the dispatcher's messages is "".`],
    [[class extends Event {}], "Among the dispatcher's messages is a class without a name. Give it a `static type"],
  ])('cannot be %j', (messages, text) => {
    expect(() => new Dispatcher({ messages: messages as never })).toThrow(text)
  })

  test('of which one inherits the name of another are told so', async () => {
    class Quiet extends Noted {}
    const dp = dispatcher({ messages: [Quiet] })
    dp.events.bind(Noted, () => {})
    await expect(dp.start()).rejects.toThrow(
      "'notes.noted': class Noted, class Quiet (which inherits it from Noted). Give each its own static type.",
    )
  })
})

describe('a name that a minifier may change', () => {
  class Plain {
    readonly text = 'a note'
  }
  class Marked extends Event {}
  class Replied extends Event {}

  test('is said once for all types, those of responses and of messages too', async () => {
    const dp = dispatcher({ messages: [Marked, Plain, Note] })
    dp.events.bind([Plain, Noted, 'on startup', Event], () => {})
    dp.commands.bind(Act, () => new Replied(), { responseEvent: Replied })
    await dp.start()
    const text =
      'These types have the names of their classes, which a minifier may change: Plain, Replied, Marked. ' +
      'Give each a static type, if messages are to be kept or sent elsewhere.'
    expect(logger.info.mock.calls).toEqual([[{ types: ['Plain', 'Replied', 'Marked'] }, text]])
  })

  test('is not said where there is none', async () => {
    const dp = dispatcher()
    dp.events.bind([Noted, LateNoted, 'on startup'], () => {})
    await dp.start()
    expect(logger.info).not.toHaveBeenCalled()
  })
})
