import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import {
  type Binding,
  type Delivery,
  Dispatcher,
  defineCommand,
  defineEvent,
  defineQuery,
  dispatcher,
  Engine,
  EventRouter,
  type MessageType,
  type PublishOptions,
  RequestRouter,
  singleton,
} from './index.ts'

class Created extends defineEvent<{ title: string }>('test.created') {}
class Create extends defineCommand<{ title: string }, string>('test.create') {}
class Find extends defineQuery<{ title: string }, string[]>('test.find') {}

const silent = () => ({ debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() })

/** A dispatcher that answers each kind of message. */
function bus(options = {}) {
  const dp = new Dispatcher({ logger: silent(), ...options })
  const told: string[] = []
  dp.events.bind(Created, (event) => told.push(event.title), { name: 'tell' })
  dp.commands.bind(Create, (command) => `created ${command.title}`, { name: 'create' })
  dp.queries.bind(Find, (query) => [query.title], { name: 'find' })
  return { dp, told }
}

describe('the verbs', () => {
  test('publish tells an event to every handler, and resolves to nothing when it is accepted', async () => {
    const { dp, told } = bus()
    dp.events.bind(Created, (event) => void told.push(`also ${event.title}`))
    await dp.start()
    expect(await dp.publish(new Created({ title: 'Emma' }))).toBeUndefined()
    await dp.stop()
    expect(told).toEqual(['Emma', 'also Emma'])
  })

  test('publish with waitForResponse resolves to one outcome per handler, in the order of binding, never thrown', async () => {
    const { dp } = bus()
    const boom = new Error('boom')
    dp.events.bind(Created, async () => nextTurn(7), { name: 'slow' })
    dp.events.bind(Created, () => Promise.reject(boom), { name: 'fails' })
    await dp.start()
    expect(await dp.publish(new Created({ title: 'Emma' }), { waitForResponse: true })).toEqual([
      { handler: 'events/tell', status: 'done', value: 1 },
      { handler: 'events/slow', status: 'done', value: 7 },
      { handler: 'events/fails', status: 'dead', error: boom },
    ])
    await dp.stop()
  })

  test('publish with waitForResponse of an event without handlers resolves to no outcomes', async () => {
    const { dp } = bus()
    await dp.start()
    expect(await dp.publish('nobody', { waitForResponse: true })).toEqual([])
    await dp.stop()
  })

  test('send resolves when the command is accepted, before it is handled', async () => {
    const { dp } = bus()
    let handled = false
    dp.commands.bind('slow', async () => {
      await nextTurn()
      handled = true
    })
    await dp.start()
    expect(await dp.send('slow')).toBeUndefined()
    expect(handled).toBe(false)
    await dp.stop()
    expect(handled).toBe(true)
  })

  test('request resolves to the answer of a query, or of a command', async () => {
    const { dp } = bus()
    await dp.start()
    expect(await dp.request(new Find({ title: 'Emma' }))).toEqual(['Emma'])
    expect(await dp.request(new Create({ title: 'Emma' }))).toBe('created Emma')
    await dp.stop()
  })

  test('request rejects with the very error of the handler, thrown or rejected', async () => {
    const { dp } = bus()
    const error = new TypeError('no such book')
    dp.queries.bind('throws', () => {
      throw error
    })
    dp.queries.bind('rejects', async () => {
      throw error
    })
    await dp.start()
    await expect(dp.request('throws')).rejects.toBe(error)
    await expect(dp.request('rejects')).rejects.toBe(error)
    await dp.stop()
  })

  test('handle publishes, sends and asks, by the kind of the message', async () => {
    const { dp, told } = bus()
    const asked: string[] = []
    dp.queries.bind('ask', () => asked.push('ask'))
    await dp.start()
    expect(await dp.handle(new Created({ title: 'told' }))).toBeUndefined()
    expect(await dp.handle('ask')).toBeUndefined()
    expect(await dp.handle(new Create({ title: 'x' }))).toBeUndefined()
    expect(await dp.handle(new Create({ title: 'x' }), { waitForResponse: true })).toBe('created x')
    expect(await dp.handle(new Find({ title: 'x' }), { waitForResponse: true })).toEqual(['x'])
    expect(await dp.handle(new Created({ title: 'waited' }), { waitForResponse: true })).toEqual([
      { handler: 'events/tell', status: 'done', value: 2 },
    ])
    await dp.stop()
    expect(told).toEqual(['told', 'waited'])
    expect(asked).toEqual(['ask'])
  })

  test('a refusal is a rejection, never thrown from the call', async () => {
    const { dp } = bus()
    for (const refused of [dp.publish('x'), dp.send('x'), dp.request('x'), dp.handle('x')]) {
      await expect(refused).rejects.toMatchObject({ code: 'NOT_ACCEPTING' })
    }
  })

  test('a plain class is of the kind of the router that binds it', async () => {
    class Plain {
      readonly n = 1
    }
    const { dp } = bus()
    dp.queries.bind(Plain, (query) => query.n + 1)
    await dp.start()
    expect(await dp.handle(new Plain(), { waitForResponse: true })).toBe(2)
    await expect(dp.publish(new Plain())).rejects.toMatchObject({ code: 'WRONG_KIND' })
    await dp.stop()
  })

  test('the same id again is accepted with a notice, and runs once', async () => {
    const logger = silent()
    let now = 1_000
    const { dp, told } = bus({ logger, dedupeMs: 100, clock: { now: () => now, after: () => ({ cancel: () => {} }) } })
    await dp.start()
    await dp.publish(new Created({ title: 'once' }), { id: 'a' })
    await dp.publish(new Created({ title: 'twice' }), { id: 'a' })
    const outcomes = await dp.publish(new Created({ title: 'thrice' }), { id: 'a', waitForResponse: true })
    expect(outcomes).toEqual([{ handler: 'events/tell', status: 'skipped' }])
    expect(told).toEqual(['once'])
    expect(logger.info).toHaveBeenCalledTimes(2)
    now += 100
    await dp.publish(new Created({ title: 'after the window' }), { id: 'a' })
    await dp.stop()
    expect(told).toEqual(['once', 'after the window'])
  })

  test('a refused message does not use up its id', async () => {
    const { dp, told } = bus()
    await dp.start()
    await expect(dp.publish(new Created({ title: 'x' }), { id: 'a', key: '' })).rejects.toThrow('key')
    await dp.publish(new Created({ title: 'x' }), { id: 'a' })
    await dp.stop()
    expect(told).toEqual(['x'])
  })
})

describe('start and stop', () => {
  test('isStarted tells whether messages are taken', async () => {
    const { dp } = bus()
    expect(dp.isStarted).toBe(false)
    const starting = dp.start()
    expect(dp.isStarted).toBe(false)
    await starting
    expect(dp.isStarted).toBe(true)
    const stopping = dp.stop()
    expect(dp.isStarted).toBe(false)
    await stopping
    expect(dp.isStarted).toBe(false)
  })

  test('start twice starts once', async () => {
    const { dp } = bus()
    const open = vi.fn(() => 1)
    dp.queries.bind('x', () => 1, { inject: { one: singleton('one', open) } })
    await Promise.all([dp.start(), dp.start()])
    await dp.start()
    expect(open).toHaveBeenCalledTimes(1)
    await dp.stop()
  })

  test('start without a handler warns, and stays unstarted, and handlers can still be bound', async () => {
    const logger = silent()
    const dp = new Dispatcher({ logger })
    await dp.start()
    expect(dp.isStarted).toBe(false)
    expect(logger.warn.mock.lastCall?.[1]).toContain('No handler is bound')
    dp.events.bind('late', () => {})
    await dp.start()
    expect(dp.isStarted).toBe(true)
    await dp.stop()
  })

  test('after start the map is frozen, also on routers made later, and stays so after stop', async () => {
    const dp = new Dispatcher({ logger: silent() })
    dp.events.bind('x', () => {})
    const starting = dp.start()
    for (const when of ['starting', 'started', 'stopped']) {
      expect(() => dp.events.bind('y', () => {}), when).toThrow(expect.objectContaining({ code: 'ALREADY_STARTED' }))
      expect(() => dp.queries.bind('y', () => {}), when).toThrow('before start()')
      expect(() => dp.use(() => {}), when).toThrow('before start()')
      expect(() => dp.mount({}), when).toThrow('before start()')
      if (when === 'starting') await starting
      else await dp.stop()
    }
  })

  test('stop runs what was accepted, and what that causes, to the end', async () => {
    const { dp, told } = bus()
    dp.events.bind('first', async (_event, { context }) => {
      await nextTurn()
      context.publish('second')
    })
    dp.events.bind('second', async (_event, { context }) => {
      await nextTurn()
      context.publish(new Created({ title: await context.request(new Create({ title: 'third' })) }))
    })
    await dp.start()
    await dp.publish('first')
    await dp.stop()
    expect(told).toEqual(['created third'])
  })

  test('while it stops, nothing is taken from outside; a handler may see it in its context', async () => {
    const { dp } = bus()
    const seen: unknown[] = []
    dp.events.bind('x', async (_event, { context }) => {
      seen.push(context.stopping)
      await nextTurn()
      seen.push(context.stopping)
      await dp.publish('y').catch((error) => seen.push(error.code))
    })
    await dp.start()
    await dp.publish('x')
    const stopping = dp.stop()
    await expect(dp.publish('x')).rejects.toMatchObject({ code: 'NOT_ACCEPTING' })
    await stopping
    expect(seen).toEqual([false, true, 'NOT_ACCEPTING'])
  })

  test('stop twice stops once; stop without start does nothing', async () => {
    const close = vi.fn()
    const { dp } = bus()
    dp.queries.bind('x', () => 1, { inject: { one: singleton('one', () => 1, { close }) } })
    await dp.stop()
    await dp.start()
    await Promise.all([dp.stop(), dp.stop()])
    await dp.stop()
    expect(close).toHaveBeenCalledTimes(1)
  })

  test('stop during start waits for it, then stops', async () => {
    const opened = Promise.withResolvers<number>()
    const close = vi.fn()
    const { dp } = bus()
    dp.queries.bind('x', () => 1, { inject: { one: singleton('one', () => opened.promise, { close }) } })
    const starting = dp.start()
    const stopping = dp.stop()
    opened.resolve(1)
    await Promise.all([starting, stopping])
    expect(dp.isStarted).toBe(false)
    expect(close).toHaveBeenCalledWith(1)
  })

  test('it can start again, over the same map, with singletons opened anew', async () => {
    const { dp, told } = bus()
    const open = vi.fn(() => ({}))
    dp.queries.bind('x', (_query, deps) => deps.one, { inject: { one: singleton('one', open) } })
    await dp.start()
    const before = await dp.request('x')
    const stopping = dp.stop()
    await Promise.all([dp.start(), stopping])
    expect(await dp.request('x')).not.toBe(before)
    await dp.publish(new Created({ title: 'again' }))
    await dp.stop()
    expect(open).toHaveBeenCalledTimes(2)
    expect(told).toEqual(['again'])
  })

  test('await using stops it', async () => {
    const { dp, told } = bus()
    {
      await using started = dp
      await started.start()
      await started.publish(new Created({ title: 'in the block' }))
    }
    expect(dp.isStarted).toBe(false)
    expect(told).toEqual(['in the block'])
  })
})

describe('the deadline of stop', () => {
  /** A clock whose timers fire when told to. */
  function manualClock() {
    const timers = new Set<() => void>()
    const after = (_delayMs: number, run: () => void) => {
      timers.add(run)
      return { cancel: () => void timers.delete(run) }
    }
    return { clock: { now: () => 0, after }, timers, fire: () => [...timers].forEach((run) => run()) }
  }

  test('aborts the signals of what runs, reports each delivery, and resolves', async () => {
    const logger = silent()
    const { clock, fire } = manualClock()
    const dp = new Dispatcher({ logger, clock })
    const reasons: unknown[] = []
    const forever = Promise.withResolvers<void>()
    dp.events.bind('work', (_event, { context }) => {
      context.signal.addEventListener('abort', () => reasons.push(context.signal.reason))
      return forever.promise
    })
    dp.queries.bind('ask', (_query, { context }) => {
      const { signal } = context
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    })
    await dp.start()
    await dp.publish('work', { key: 'a', id: 'running' })
    await dp.publish('work', { key: 'a', id: 'waiting' })
    const outcomes = dp.publish('work', { key: 'a', waitForResponse: true })
    const answer = expect(dp.request('ask')).rejects.toMatchObject({ code: 'STOPPED' })
    const stopping = dp.stop()
    await nextTurn()
    fire()
    await stopping
    await answer
    expect(await outcomes).toMatchObject([{ status: 'stopped', error: { code: 'STOPPED' } }])
    expect(reasons).toMatchObject([{ code: 'STOPPED' }])
    const reported = logger.error.mock.calls.map(([fields]) => `${fields.state} ${fields.type} ${fields.id}`)
    expect(reported).toHaveLength(4)
    expect(reported).toContain('running work running')
    expect(reported).toContain('waiting work waiting')
  })

  test('a handler that goes on after it causes nothing any more, and its end is reported', async () => {
    const logger = silent()
    const { dp, told } = bus({ logger })
    const goOn = Promise.withResolvers<void>()
    const caught: unknown[] = []
    dp.events.bind('work', async (_event, { context }) => {
      context.publish(new Created({ title: 'recorded before' }))
      await goOn.promise
      try {
        context.publish(new Created({ title: 'recorded after' }))
      } catch (error) {
        caught.push(error)
      }
    })
    await dp.start()
    await dp.publish('work')
    await dp.stop({ deadlineMs: 0 })
    goOn.resolve()
    await nextTurn()
    expect(told).toEqual([])
    expect(caught).toMatchObject([{ code: 'STOPPED' }])
    expect(logger.warn.mock.lastCall?.[1]).toContain('after it had been given up')
  })

  test('a handler that outlives it keeps its lane, also after a new start', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const goOn = Promise.withResolvers<void>()
    const order: string[] = []
    dp.events.bind('work', async (_event, { context }) => {
      order.push(`${context.id} starts`)
      if (context.id === 'old') await goOn.promise
      order.push(`${context.id} ends`)
    })
    await dp.start()
    await dp.publish('work', { key: 'a', id: 'old' })
    await dp.stop({ deadlineMs: 0 })
    await dp.start()
    await dp.publish('work', { key: 'a', id: 'new' })
    await nextTurn()
    expect(order).toEqual(['old starts'])
    goOn.resolve()
    await dp.stop()
    expect(order).toEqual(['old starts', 'old ends', 'new starts', 'new ends'])
  })

  test('Infinity waits for as long as it takes, without a timer', async () => {
    const { clock, timers } = manualClock()
    const { dp } = bus({ clock })
    const goOn = Promise.withResolvers<void>()
    dp.events.bind('work', () => goOn.promise)
    await dp.start()
    await dp.publish('work')
    const stopping = dp.stop({ deadlineMs: Number.POSITIVE_INFINITY })
    await nextTurn()
    expect(timers.size).toBe(0)
    goOn.resolve()
    await stopping
  })

  test('is forgotten when everything ends before it', async () => {
    const { clock, timers } = manualClock()
    const { dp } = bus({ clock })
    await dp.start()
    await dp.stop()
    expect(timers.size).toBe(0)
  })
})

describe('replaceable parts', () => {
  test('routers are made on first use, of the given classes', async () => {
    const made: string[] = []
    class MyEvents extends EventRouter {
      constructor() {
        super()
        made.push('events')
      }
    }
    class MyQueries extends RequestRouter<'query'> {
      constructor(kind: 'query') {
        super(kind)
        made.push(kind)
      }
    }
    const dp = new Dispatcher({ eventsRouter: MyEvents, queriesRouter: MyQueries })
    expect(made).toEqual([])
    expect(dp.queries).toBe(dp.queries)
    expect(made).toEqual(['query'])
    expect(dp.events).toBeInstanceOf(MyEvents)
  })

  test('a router class changes how handlers are bound', async () => {
    class Shouting extends RequestRouter<'query'> {
      protected override add(binding: Binding) {
        const handler = binding.handler as () => string
        super.add({ ...binding, handler: () => handler().toUpperCase() })
      }
    }
    const dp = new Dispatcher({ queriesRouter: Shouting })
    dp.queries.bind('x', () => 'quiet')
    await dp.start()
    expect(await dp.request('x')).toBe('QUIET')
    await dp.stop()
  })

  test('a router class changes how handlers are found', async () => {
    class ByPrefix extends EventRouter {
      override find(type: MessageType) {
        if (typeof type !== 'string') return super.find(type)
        return this.bindings.filter(({ types }) => types.some((bound) => type.startsWith(String(bound))))
      }
    }
    const dp = new Dispatcher({ eventsRouter: ByPrefix })
    const told: string[] = []
    dp.events.bind('user.', (_event, { context }) => void told.push(context.type))
    await dp.start()
    await dp.publish('user.created')
    await dp.publish('user.deleted')
    await dp.stop()
    expect(told).toEqual(['user.created', 'user.deleted'])
  })

  test('an engine class changes how deliveries run', async () => {
    const placed: string[] = []
    class Watching extends Engine {
      protected override place(delivery: Delivery) {
        placed.push(delivery.type)
        return super.place(delivery)
      }
      protected override run(delivery: Delivery) {
        return delivery.type === 'blocked' ? 'not run' : super.run(delivery)
      }
    }
    const dp = new Dispatcher({ engine: Watching })
    dp.queries.bind(['blocked', 'open'], () => 'run')
    await dp.start()
    expect(await dp.request('blocked')).toBe('not run')
    expect(await dp.request('open')).toBe('run')
    await dp.stop()
    expect(placed).toEqual(['blocked', 'open'])
  })

  test('a dispatcher class changes how messages are published', async () => {
    class Stamping extends Dispatcher {
      override publish(event: object | string, options: PublishOptions = {}): Promise<never> {
        return super.publish(event, { ...options, headers: { stamped: 'yes' } }) as Promise<never>
      }
    }
    const dp = new Stamping()
    const seen: unknown[] = []
    dp.events.bind('x', (_event, { context }) => void seen.push(context.headers))
    await dp.start()
    await dp.publish('x')
    await dp.stop()
    expect(seen).toEqual([{ stamped: 'yes' }])
  })

  test('the default dispatcher is a Dispatcher', () => {
    expect(dispatcher).toBeInstanceOf(Dispatcher)
    expect(dispatcher.isStarted).toBe(false)
  })
})

describe('a message of another class of the same name, as two copies of a module have them,', () => {
  class Copied extends defineEvent<{ title: string }>('test.created') {}
  class CopiedCommand extends defineCommand<{ title: string }, string>('test.create') {}
  const text = 'One is bound to another class of this name: are there two copies of its module?'

  test('is handled by nobody, and told so', async () => {
    const { dp } = bus()
    await dp.start()
    await expect(dp.send(new CopiedCommand({ title: 'x' }))).rejects.toThrow(text)
    const said = new Promise<unknown>((resolve) => dp.observe('unhandled', resolve))
    await dp.publish(new Copied({ title: 'x' }))
    expect(await said).toMatchObject({ hasNamesake: true })
    await expect(dp.send('another')).rejects.not.toThrow(text)
    await dp.stop()
  })
})
