import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { AbstractHandler, type Context, Dispatcher, defineCommand, defineEvent, factory } from '../index.ts'

class Created extends defineEvent<{ n: number }>('test.created') {}
class Indexed extends defineEvent<{ n: number }>('test.indexed') {}
class Create extends defineCommand<{ n: number }, Created>('test.create') {}

const silent = () => ({ debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() })

/** A dispatcher whose events of these two classes are written down with what their context says. */
function watched(options = {}) {
  const dp = new Dispatcher({ logger: silent(), ...options })
  const seen: { event: unknown; context: Context }[] = []
  dp.events.bind([Created, Indexed, 'done'], (event, { context }) => void seen.push({ event, context }), {
    name: 'watch',
  })
  return { dp, seen, events: () => seen.map(({ event }) => event) }
}

describe('what a handler causes', () => {
  test('leaves after it succeeded, in the order in which it was recorded, the response last', async () => {
    const { dp, events } = watched()
    dp.commands.bind('several', (_command, { context }) => context.publish('done'))
    dp.commands.bind(
      Create,
      async (command, { context }) => {
        context.publish(new Indexed({ n: 1 }))
        context.send('several')
        await nextTurn()
        expect(events()).toEqual([])
        context.publish(new Indexed({ n: 2 }))
        return new Created(command)
      },
      { responseEvent: Created },
    )
    await dp.start()
    expect(await dp.request(new Create({ n: 3 }))).toEqual(new Created({ n: 3 }))
    await dp.stop()
    expect(events()).toEqual([new Indexed({ n: 1 }), new Indexed({ n: 2 }), new Created({ n: 3 }), 'done'])
  })

  test('has its places before a request resolves: what is published then, with its key, comes after it', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const order: unknown[] = []
    dp.commands.bind(Create, (command) => new Created(command), { responseEvent: Created })
    dp.events.bind([Created, 'done'], async (event) => {
      await nextTurn()
      order.push(event)
    })
    await dp.start()
    await dp.request(new Create({ n: 1 }), { key: 'k' })
    await dp.publish('done', { key: 'k' })
    await dp.stop()
    expect(order).toEqual([new Created({ n: 1 }), 'done'])
  })

  test('is nothing if it fails', async () => {
    const { dp, events } = watched()
    dp.commands.bind(Create, async (_command, { context }) => {
      context.publish(new Indexed({ n: 1 }))
      throw new Error('too late')
    })
    await dp.start()
    await expect(dp.request(new Create({ n: 1 }))).rejects.toThrow('too late')
    await dp.stop()
    expect(events()).toEqual([])
  })

  test('inherits correlation id, headers and key, and names its cause', async () => {
    const { dp, seen } = watched()
    dp.commands.bind(Create, (command) => new Created(command), { responseEvent: Created })
    dp.events.bind(Created, (event, { context }) => context.publish(new Indexed(event)), { name: 'index' })
    await dp.start()
    await dp.send(new Create({ n: 1 }), { id: 'first', key: 'k', headers: { tenant: 't' }, correlationId: 'c' })
    await dp.stop()
    const [created, indexed] = seen.map(({ context }) => context)
    expect(created).toMatchObject({ key: 'k', correlationId: 'c', headers: { tenant: 't' }, causationId: 'first' })
    expect(indexed).toMatchObject({ key: 'k', correlationId: 'c', headers: { tenant: 't' }, causationId: created?.id })
  })

  test('is correlated by the id of the first message where nothing else is given', async () => {
    const { dp, seen } = watched()
    dp.commands.bind(Create, (command) => new Created(command), { responseEvent: Created })
    await dp.start()
    await dp.send(new Create({ n: 1 }), { id: 'first' })
    await dp.stop()
    expect(seen[0]?.context).toMatchObject({ correlationId: 'first', causationId: 'first' })
    expect(seen[0]?.context.id).not.toBe('first')
  })

  test('takes what is given instead, and null sheds the key', async () => {
    const { dp, seen } = watched()
    dp.commands.bind(Create, (_command, { context }) => {
      context.publish(new Created({ n: 1 }), { key: null, headers: { b: '2' }, id: 'mine', correlationId: 'own' })
      context.publish(new Created({ n: 2 }), { key: 'other' })
      return new Created({ n: 3 })
    })
    await dp.start()
    await dp.request(new Create({ n: 1 }), { key: 'k', headers: { a: '1' } })
    await dp.stop()
    expect(seen[0]?.context).toMatchObject({ id: 'mine', correlationId: 'own', headers: { a: '1', b: '2' } })
    expect(seen[0]?.context.key).toBeUndefined()
    expect(seen[1]?.context).toMatchObject({ key: 'other', headers: { a: '1' } })
  })

  test('a request inherits all but the key, acts at once, and names its cause', async () => {
    const { dp } = watched()
    dp.queries.bind('who', (_query, { context: { key, headers, correlationId, causationId } }) => {
      return { key, headers, correlationId, causationId }
    })
    dp.commands.bind('ask', (_command, { context }) => context.request('who'))
    await dp.start()
    const answer = await dp.request('ask', { id: 'i', key: 'k', headers: { a: '1' }, correlationId: 'c' })
    expect(answer).toEqual({ key: undefined, headers: { a: '1' }, correlationId: 'c', causationId: 'i' })
    await dp.stop()
  })

  test('dp.publish within a handler is outside of its delivery: at once, inheriting nothing', async () => {
    const { dp, seen } = watched()
    dp.commands.bind(Create, async (command) => {
      await dp.publish(new Created(command))
      throw new Error('too late to stop it')
    })
    await dp.start()
    await expect(dp.request(new Create({ n: 1 }), { key: 'k' })).rejects.toThrow('too late to stop it')
    await dp.stop()
    expect(seen).toHaveLength(1)
    expect(seen[0]?.context.causationId).toBeUndefined()
    expect(seen[0]?.context.key).toBeUndefined()
  })

  test('a message that would be refused fails the handler at once', async () => {
    const { dp, events } = watched()
    dp.commands.bind(Create, (command, { context }) => {
      context.publish(new Created(command))
      context.send('nobody does this')
      return new Created(command)
    })
    await dp.start()
    await expect(dp.request(new Create({ n: 1 }))).rejects.toMatchObject({ code: 'HANDLER_DOES_NOT_EXIST' })
    await dp.stop()
    expect(events()).toEqual([])
  })

  test('using the context after the handler has ended is an error, not a loss', async () => {
    const { dp, events } = watched()
    let kept: Context | undefined
    dp.commands.bind('keep', (_command, { context }) => {
      kept = context
    })
    await dp.start()
    await dp.request('keep')
    expect(() => kept?.publish('done')).toThrow(expect.objectContaining({ code: 'ATTEMPT_ENDED' }))
    await expect(kept?.request('keep')).rejects.toMatchObject({ code: 'ATTEMPT_ENDED' })
    await dp.stop()
    expect(events()).toEqual([])
  })

  test('a chain that feeds itself ends as dead at maxDepth, with the chain', async () => {
    const logger = silent()
    const dp = new Dispatcher({ logger, maxDepth: 4 })
    let runs = 0
    dp.events.bind('again', (_event, { context }) => {
      runs += 1
      context.publish('again')
    })
    await dp.start()
    await dp.publish('again')
    await dp.stop()
    expect(runs).toBe(4)
    expect(logger.error).toHaveBeenCalledTimes(1)
    const { err } = logger.error.mock.lastCall?.[0] ?? {}
    expect(err).toMatchObject({ code: 'MAX_DEPTH_EXCEEDED', chain: Array(4).fill('again -> events/again#1') })
  })

  test('requests that ask each other without end are refused at maxDepth', async () => {
    const dp = new Dispatcher({ logger: silent(), maxDepth: 10 })
    dp.queries.bind('again', (_query, { context }): Promise<unknown> => context.request('again'))
    await dp.start()
    await expect(dp.request('again')).rejects.toMatchObject({ code: 'MAX_DEPTH_EXCEEDED' })
    await dp.stop()
  })
})

describe('responseEvent', () => {
  test('publishes each instance of an array, of several classes, and is still the response', async () => {
    const { dp, events } = watched()
    const response = [new Created({ n: 1 }), new Indexed({ n: 2 }), { other: 3 }]
    dp.queries.bind('all', () => response, { responseEvent: [Created, Indexed] })
    await dp.start()
    expect(await dp.request('all')).toBe(response)
    await dp.stop()
    expect(events()).toEqual([new Created({ n: 1 }), new Indexed({ n: 2 })])
  })

  test('leaves alone what is no instance of it: that is only the response', async () => {
    const { dp, events } = watched()
    dp.queries.bind('other', () => new Indexed({ n: 1 }), { responseEvent: Created })
    await dp.start()
    expect(await dp.request('other')).toEqual(new Indexed({ n: 1 }))
    await dp.stop()
    expect(events()).toEqual([])
  })

  test('without it, a returned event is only the response', async () => {
    const { dp, events } = watched()
    dp.commands.bind(Create, (command) => new Created(command))
    await dp.start()
    await dp.request(new Create({ n: 1 }))
    await dp.stop()
    expect(events()).toEqual([])
  })

  test('works for events as for commands', async () => {
    const { dp, events } = watched()
    dp.events.bind('first', () => new Created({ n: 1 }), { responseEvent: Created })
    await dp.start()
    await dp.publish('first')
    await dp.stop()
    expect(events()).toEqual([new Created({ n: 1 })])
  })
})

describe('HandlerProtocol', () => {
  class Creates extends AbstractHandler<Create, Created> {
    async handle(command: Create, { context }: { context: Context }) {
      context.publish('done')
      this.addEvent(new Indexed(command))
      await nextTurn()
      this.addEvent(new Indexed({ n: command.n + 1 }))
      if (command.n < 0) throw new Error('negative')
      return new Created(command)
    }
  }

  test('publishes what was added, after what the context recorded and before the response', async () => {
    const { dp, events } = watched()
    dp.commands.bind(Create, Creates, { responseEvent: Created })
    await dp.start()
    await dp.request(new Create({ n: 1 }))
    await dp.stop()
    expect(events()).toEqual(['done', new Indexed({ n: 1 }), new Indexed({ n: 2 }), new Created({ n: 1 })])
  })

  test('publishes nothing of a handler that fails, and mixes nothing of handlers side by side', async () => {
    const { dp, events } = watched()
    dp.commands.bind(Create, Creates)
    await dp.start()
    await Promise.allSettled([1, -1, 10].map((n) => dp.request(new Create({ n }))))
    await dp.stop()
    const indexed = events().filter((event) => event instanceof Indexed)
    expect(indexed.map(({ n }) => n)).toEqual([1, 2, 10, 11])
  })

  test('may collect asynchronously, by hand', async () => {
    const { dp, events } = watched()
    class ByHand {
      events: Created[] = []
      async handle(command: Create) {
        await this.addEvent(new Created(command))
        return new Created(command)
      }
      async addEvent(event: Created) {
        this.events.push(event)
      }
      async dumpEvents() {
        await nextTurn()
        return this.events
      }
    }
    dp.commands.bind(Create, ByHand)
    await dp.start()
    await dp.request(new Create({ n: 1 }))
    await dp.stop()
    expect(events()).toEqual([new Created({ n: 1 })])
  })

  test('its instances are made for each attempt, with what a factory opens', async () => {
    const { dp } = watched()
    const opened: number[] = []
    const closed: number[] = []
    let next = 0
    class Counts {
      readonly n: number
      constructor({ n }: { n: number }) {
        this.n = n
      }
      handle() {
        return this.n
      }
    }
    const open = () => {
      opened.push(next)
      return next++
    }
    dp.queries.bind('count', Counts, { inject: { n: factory('n', open, { close: (n) => void closed.push(n) }) } })
    await dp.start()
    expect(await dp.request('count')).toBe(0)
    expect(await dp.request('count')).toBe(1)
    await dp.stop()
    expect([opened, closed]).toEqual([
      [0, 1],
      [0, 1],
    ])
  })
})
