import { describe, expectTypeOf, test } from 'vitest'
import {
  AbstractHandler,
  type Command,
  type Context,
  Dispatcher,
  defineCommand,
  defineEvent,
  defineQuery,
  Event,
  factory,
  type HandlerProtocol,
  module,
  type Outcome,
  Query,
  singleton,
} from './index.ts'

interface Book {
  title: string
}
interface Repo {
  find(title: string): Promise<Book[]>
  add(book: Book): Promise<void>
}

class BookCreated extends defineEvent<{ book: Book }>('library.book-created') {}
class Opened extends defineEvent('library.opened') {}
class CreateBook extends defineCommand<{ title: string }, BookCreated>('library.create-book') {}
class Touch extends defineCommand<{ title: string }>('library.touch') {}
class BookQuery extends defineQuery<{ title: string }, Book[]>('library.book-query') {}
class Count extends Query<number> {
  readonly from: number
  constructor(from: number) {
    super()
    this.from = from
  }
}
class Plain {
  x = 1
}

declare const repo: Repo
declare const openRepo: () => Promise<Repo>
const dp = new Dispatcher()

async function createBook(command: CreateBook, deps: { repo: Repo }) {
  await deps.repo.add({ title: command.title })
  return new BookCreated({ book: { title: command.title } })
}

class FindBooks {
  readonly #repo: Repo
  constructor(deps: { repo: Repo }) {
    this.#repo = deps.repo
  }
  async handle(query: BookQuery) {
    return this.#repo.find(query.title)
  }
}

describe('bind takes', () => {
  test('a function with no, one or two parameters', () => {
    dp.queries.bind(BookQuery, async () => [])
    dp.queries.bind(BookQuery, async (query) => [{ title: query.title }])
    dp.queries.bind(Count, (query, { context }) => {
      expectTypeOf(query).toEqualTypeOf<Count>()
      expectTypeOf(context).toEqualTypeOf<Context>()
      return query.from
    })
  })

  test('injected values, and what providers open, under their names', () => {
    dp.commands.bind(CreateBook, createBook, { inject: { repo }, responseEvent: BookCreated })
    dp.commands.bind(CreateBook, createBook, { inject: { repo: singleton('repo', openRepo) } })
    dp.queries.bind(BookQuery, async (query, deps) => deps.repo.find(query.title), {
      inject: { repo: factory('repo', openRepo, { close: async (opened) => void opened.find('') }) },
    })
  })

  test('a class with handle, constructed with what inject names', () => {
    dp.queries.bind(BookQuery, FindBooks, { inject: { repo } })
  })

  test('a ready-made object', () => {
    dp.queries.bind(BookQuery, new FindBooks({ repo }))
    dp.queries.bind(Count, { handle: (query) => query.from })
  })

  test('a class that collects events', () => {
    class Creates extends AbstractHandler<Touch> {
      async handle(command: Touch) {
        this.addEvent(new BookCreated({ book: { title: command.title } }))
      }
    }
    class ByHand implements HandlerProtocol<Touch, void> {
      async handle() {}
      async addEvent() {}
      async dumpEvents() {
        return []
      }
    }
    dp.commands.bind(Touch, Creates)
    dp.commands.bind(Touch, ByHand)
  })

  test('one object argument named by argname, of a function or of handle', () => {
    dp.commands.bind(Touch, async ({ cmd, repo, context }) => repo.add({ title: cmd.title + context.id }), {
      argname: 'cmd',
      inject: { repo },
    })
    class Touches {
      async handle({ cmd }: { cmd: Touch }) {
        expectTypeOf(cmd.title).toEqualTypeOf<string>()
      }
    }
    dp.commands.bind(Touch, Touches, { argname: 'cmd' })
  })

  test('several messages for one handler, as their union', () => {
    dp.events.bind([BookCreated, Plain], (event) => expectTypeOf(event).toEqualTypeOf<BookCreated | Plain>())
    dp.events.bind([BookCreated, 'on startup'], (event) =>
      expectTypeOf(event).toEqualTypeOf<BookCreated | 'on startup'>(),
    )
  })

  test('a string, which is the message', () => {
    dp.events.bind('on startup', (event) => expectTypeOf(event).toEqualTypeOf<'on startup'>())
  })

  test('a base class, for all its subclasses', () => {
    dp.events.bind(Event, (event, { context }) => context.publish(event))
  })

  test('a void command that returns its response event, or several', () => {
    dp.commands.bind(Touch, async () => new BookCreated({ book: { title: '' } }), { responseEvent: BookCreated })
    dp.commands.bind(Touch, async () => [new Opened()], { responseEvent: [BookCreated, Opened] })
  })

  test('a plain class on any router', () => {
    dp.events.bind(Plain, (event) => event.x)
    dp.commands.bind(Plain, (command) => command.x)
    dp.queries.bind(Plain, (query) => query.x)
  })
})

describe('bind refuses', () => {
  test('a missing inject', () => {
    // @ts-expect-error createBook needs repo
    dp.commands.bind(CreateBook, createBook)
    // @ts-expect-error FindBooks needs repo
    dp.queries.bind(BookQuery, FindBooks)
  })

  test('a wrong dependency', () => {
    // @ts-expect-error 5 is no Repo
    dp.commands.bind(CreateBook, createBook, { inject: { repo: 5 } })
    // @ts-expect-error a number is opened
    dp.commands.bind(CreateBook, createBook, { inject: { repo: singleton('repo', () => 5) } })
  })

  test('a wrong message', () => {
    // @ts-expect-error another message
    dp.queries.bind(BookQuery, async (_query: CreateBook) => [])
  })

  test('a wrong result', () => {
    // @ts-expect-error not books
    dp.queries.bind(BookQuery, async () => 5)
    // @ts-expect-error a void command answers nothing, unless it is a response event
    dp.commands.bind(Touch, async () => new BookCreated({ book: { title: '' } }))
    class Wrong {
      async handle(_query: BookQuery) {
        return 5
      }
    }
    // @ts-expect-error not books
    dp.queries.bind(BookQuery, Wrong)
  })

  test('the reserved name context in inject', () => {
    // @ts-expect-error reserved
    dp.queries.bind(BookQuery, async () => [], { inject: { context: 1 } })
  })

  test('an argname that the handler does not take', () => {
    // @ts-expect-error cmdd
    dp.commands.bind(Touch, async ({ cmdd }) => {}, { argname: 'cmd' })
  })

  test('a ready-made object that collects events', () => {
    class Creates extends AbstractHandler<Touch> {
      async handle() {}
    }
    // @ts-expect-error its events would mix
    dp.commands.bind(Touch, new Creates())
  })

  test('the wrong kind', () => {
    // @ts-expect-error a command is not told
    dp.events.bind(Touch, () => {})
    // @ts-expect-error an event is not asked
    dp.commands.bind(BookCreated, () => {})
    // @ts-expect-error a command is no query
    dp.queries.bind(Touch, () => {})
    // @ts-expect-error one of several
    dp.events.bind([BookCreated, Touch], () => {})
    // @ts-expect-error a response event is an event
    dp.commands.bind(Touch, async () => {}, { responseEvent: Touch })
  })

  test('what is no handler or no message', () => {
    // @ts-expect-error no handler
    dp.events.bind(BookCreated, 5)
    // @ts-expect-error no message
    dp.events.bind(5, () => {})
  })
})

describe('register', () => {
  test('decorates functions, classes and methods, with the same checks', () => {
    dp.events.register(BookCreated)(async (event) => event.book.title)
    dp.queries.register(BookQuery, { inject: { repo } })(FindBooks)
    class Handlers {
      @dp.events.register(BookCreated)
      async created(event: BookCreated) {
        return event.book
      }

      @dp.commands.register(CreateBook, { inject: { repo } })
      async create(command: CreateBook, deps: { repo: Repo }) {
        return createBook(command, deps)
      }

      // @ts-expect-error another message
      @dp.events.register(BookCreated)
      async wrong(_event: Touch) {}
    }
    @dp.queries.register(BookQuery)
    class Found {
      async handle(query: BookQuery) {
        return [{ title: query.title }]
      }
    }
    // @ts-expect-error FindBooks needs repo
    dp.queries.register(BookQuery)(FindBooks)
    // @ts-expect-error not books
    dp.queries.register(BookQuery)(async () => 5)
    expectTypeOf<Handlers | Found>()
  })
})

describe('the verbs', () => {
  const book = new BookCreated({ book: { title: 'Emma' } })

  test('request is typed by its message', () => {
    expectTypeOf(dp.request(new BookQuery({ title: 'x' }))).toEqualTypeOf<Promise<Book[]>>()
    expectTypeOf(dp.request(new Count(1))).toEqualTypeOf<Promise<number>>()
    expectTypeOf(dp.request(new CreateBook({ title: 'x' }))).toEqualTypeOf<Promise<BookCreated>>()
    expectTypeOf(dp.request(new Touch({ title: 'x' }))).toEqualTypeOf<Promise<void>>()
    expectTypeOf(dp.request(new Plain())).toEqualTypeOf<Promise<unknown>>()
    expectTypeOf(dp.request('ping')).toEqualTypeOf<Promise<unknown>>()
  })

  test('publish resolves to outcomes only where it waits', () => {
    expectTypeOf(dp.publish(book)).toEqualTypeOf<Promise<void>>()
    expectTypeOf(dp.publish(book, { key: 'a' })).toEqualTypeOf<Promise<void>>()
    expectTypeOf(dp.publish(book, { waitForResponse: true })).toEqualTypeOf<Promise<Outcome[]>>()
    expectTypeOf(dp.publish(book, { waitForResponse: Math.random() > 0.5 })).toEqualTypeOf<Promise<Outcome[] | void>>()
  })

  test('handle gives what the message is asked for', () => {
    expectTypeOf(dp.handle(book)).toEqualTypeOf<Promise<void>>()
    expectTypeOf(dp.handle(book, { waitForResponse: true })).toEqualTypeOf<Promise<Outcome[]>>()
    expectTypeOf(dp.handle(new BookQuery({ title: 'x' }), { waitForResponse: true })).toEqualTypeOf<Promise<Book[]>>()
    expectTypeOf(dp.handle('x', { waitForResponse: true })).toEqualTypeOf<Promise<unknown>>()
  })

  test('plain classes and strings fit every verb', () => {
    void dp.publish(new Plain())
    void dp.send(new Plain())
    void dp.publish('on startup')
    void dp.send('tidy up')
  })

  test('the wrong kind is refused', () => {
    // @ts-expect-error a command is not published
    void dp.publish(new Touch({ title: '' }))
    // @ts-expect-error a query is not published
    void dp.publish(new BookQuery({ title: '' }))
    // @ts-expect-error an event is not sent
    void dp.send(book)
    // @ts-expect-error a query is not sent
    void dp.send(new BookQuery({ title: '' }))
    // @ts-expect-error an event is not requested
    void dp.request(book)
    // @ts-expect-error a number is no message
    void dp.publish(5)
    // @ts-expect-error null is no message
    void dp.send(null)
  })

  test('the context of a handler refuses the same', () => {
    dp.events.bind(BookCreated, async (event, { context }) => {
      context.publish(event)
      context.send(new Touch({ title: '' }))
      expectTypeOf(context.request(new Count(1))).toEqualTypeOf<Promise<number>>()
      // @ts-expect-error a command is not published
      context.publish(new Touch({ title: '' }))
      // @ts-expect-error an event is not sent
      context.send(event)
      // @ts-expect-error an event is not requested
      await context.request(event)
    })
  })
})

describe('defineEvent, defineCommand, defineQuery', () => {
  test('give classes with the payload as fields', () => {
    expectTypeOf(new BookCreated({ book: { title: '' } }).book).toEqualTypeOf<Book>()
    expectTypeOf(new BookQuery({ title: '' })).toExtend<Query<Book[]>>()
    expectTypeOf(new Touch({ title: '' })).toExtend<Command>()
    expectTypeOf(new Opened()).toExtend<Event>()
    expectTypeOf(BookCreated.type).toEqualTypeOf<string>()
  })

  test('refuse a wrong payload, and writing to it', () => {
    // @ts-expect-error a misspelt field
    void new BookQuery({ titel: 'x' })
    // @ts-expect-error missing payload
    void new BookQuery()
    // @ts-expect-error no payload expected
    void new Opened({ x: 1 })
    // @ts-expect-error readonly
    new BookQuery({ title: '' }).title = 'y'
  })
})

test('a module binds with the same checks', () => {
  module('catalog', (m) => {
    m.queries.bind(BookQuery, FindBooks, { inject: { repo } })
    // @ts-expect-error a command is not told
    m.events.bind(Touch, () => {})
  })
})

describe('limits', () => {
  test('are given to the dispatcher, to its routers and to bind, register and modules', () => {
    void new Dispatcher({ workers: 8, events: { workers: 4 }, commands: {}, queries: { workers: Infinity } })
    void new Dispatcher({ capacity: { high: 10, low: 5 }, whenFull: 'throw', stallAfterMs: 1_000 })
    dp.events.bind(BookCreated, () => {}, { workers: 2, timeoutMs: 100 })
    dp.commands.bind(CreateBook, createBook, { inject: { repo }, workers: 2, timeoutMs: 100 })
    dp.queries.bind(BookQuery, FindBooks, { inject: { repo }, workers: 2, timeoutMs: 100 })
    dp.commands.bind(Touch, async ({ cmd }) => void cmd, { argname: 'cmd', workers: 2, timeoutMs: 100 })
    dp.events.register(BookCreated, { workers: 2, timeoutMs: 100 })(() => {})
    module('catalog', (m) => m.events.bind(BookCreated, () => {}, { workers: 2, timeoutMs: 100 }))
  })

  test('are numbers, and nothing else is among the options', () => {
    // @ts-expect-error a text
    void new Dispatcher({ workers: '8' })
    // @ts-expect-error null is no limit
    void new Dispatcher({ workers: null })
    // @ts-expect-error a number where the options of a router belong
    void new Dispatcher({ events: 4 })
    // @ts-expect-error a timeout is that of a handler
    void new Dispatcher({ events: { timeoutMs: 100 } })
    // @ts-expect-error both marks
    void new Dispatcher({ capacity: { high: 10 } })
    // @ts-expect-error a number
    void new Dispatcher({ capacity: 10 })
    // @ts-expect-error nothing is dropped
    void new Dispatcher({ whenFull: 'drop' })
    // @ts-expect-error several
    void new Dispatcher({ shutdownSignals: 'SIGTERM' })
    // @ts-expect-error misspelt
    void new Dispatcher({ shutdownSignals: ['SIGTRM'] })
    // @ts-expect-error no engine
    void new Dispatcher({ engine: Plain })
    // @ts-expect-error no clock
    void new Dispatcher({ clock: {} })
    // @ts-expect-error no logger
    void new Dispatcher({ logger: {} })
    // @ts-expect-error a text
    dp.events.bind(BookCreated, () => {}, { workers: '2' })
    // @ts-expect-error a text
    dp.events.bind(BookCreated, () => {}, { timeoutMs: '5s' })
    // @ts-expect-error the capacity is that of the dispatcher
    dp.events.bind(BookCreated, () => {}, { capacity: { high: 10, low: 5 } })
  })

  test('are read and changed by dp.limits', () => {
    const { limits } = dp
    for (const limit of [limits, limits.events, limits.commands, limits.queries, limits.handler('events/x')]) {
      expectTypeOf(limit.workers).toEqualTypeOf<number>()
      limit.workers = 3
    }
    limits.capacity = { high: 10, low: 5 }
    expectTypeOf(limits.capacity.high).toEqualTypeOf<number>()
    // @ts-expect-error both marks are set together
    limits.capacity.high = 10
    // @ts-expect-error set its workers
    limits.events = 3
    // @ts-expect-error a text
    limits.workers = '3'
    // @ts-expect-error its limits are not replaced
    dp.limits = limits
  })
})

describe('time', () => {
  const { signal } = new AbortController()

  test('is limited by a number of milliseconds or a signal, for every verb', () => {
    void dp.publish(new Opened(), { timeoutMs: 5, signal })
    void dp.publish(new Opened(), { timeoutMs: 5, signal, waitForResponse: true })
    void dp.send(new Touch({ title: '' }), { timeoutMs: 5, signal })
    void dp.handle(new Opened(), { timeoutMs: 5, signal })
    expectTypeOf(dp.request(new Count(1), { timeoutMs: 5, signal })).toEqualTypeOf<Promise<number>>()
    // @ts-expect-error a text
    void dp.request(new Count(1), { timeoutMs: '5s' })
    // @ts-expect-error a controller is no signal
    void dp.request(new Count(1), { signal: new AbortController() })
    // @ts-expect-error a key is a text
    void dp.publish(new Opened(), { key: 5 })
  })

  test('in a handler is limited for what is requested, not for what is recorded', () => {
    dp.events.bind(BookCreated, async (event, { context }) => {
      expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>()
      expectTypeOf(context.stopping).toEqualTypeOf<boolean>()
      await context.request(new Count(1), { timeoutMs: 5, signal: context.signal })
      // @ts-expect-error it leaves when the handler has succeeded
      context.publish(event, { timeoutMs: 5 })
      // @ts-expect-error it leaves when the handler has succeeded
      context.send(new Touch({ title: '' }), { signal })
    })
  })

  test('of a stop is limited by a deadline', () => {
    expectTypeOf(dp.stop({ deadlineMs: Infinity })).toEqualTypeOf<Promise<void>>()
    // @ts-expect-error a deadline
    void dp.stop({ timeoutMs: 5 })
  })
})
