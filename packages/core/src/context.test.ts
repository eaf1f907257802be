import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { ScriptedBus } from '../test/scripted-bus.ts'
import { silent } from '../test/silent.ts'
import { type Context, Dispatcher, fixed, retry } from './index.ts'

describe('what the first message has', () => {
  test('is there in every caused delivery, at any depth, through events, commands, requests, retries and replays', async () => {
    const bus = new ScriptedBus()
    const seen: string[] = []
    const note = ({ type, headers, correlationId, causationId, attempt, replayed }: Context): void => {
      const which = `${attempt}${replayed ? ' replayed' : ''}`
      seen.push(`${type} ${which}: ${headers['tenant']}, ${correlationId}, by ${causationId}`)
    }
    const { dp } = bus
    dp.events.bind('first', (_event, { context }) => {
      note(context)
      context.send('second', { id: 'id2' })
    })
    dp.commands.bind('second', async (_command, { context }) => {
      note(context)
      await context.request('third', { id: 'id3' })
    })
    dp.queries.bind('third', (_query, { context }) => {
      note(context)
      context.publish('fourth', { id: 'id4' })
    })
    dp.events.bind(
      'fourth',
      (_event, { context }) => {
        note(context)
        if (!context.replayed) throw new Error('boom')
        context.publish('fifth', { id: 'id5' })
      },
      { recover: retry({ attempts: 2, backoff: fixed(10) }) },
    )
    dp.events.bind('fifth', (_event, { context }) => note(context))
    await dp.start()
    await dp.publish('first', { id: 'id1', correlationId: 'chain', headers: { tenant: 'acme' } })
    await bus.rest()
    await bus.pass(10)
    await dp.deadLetters.replay({})
    await bus.rest()
    expect(seen).toEqual([
      'first 1: acme, chain, by undefined',
      'second 1: acme, chain, by id1',
      'third 1: acme, chain, by id2',
      'fourth 1: acme, chain, by id3',
      'fourth 2: acme, chain, by id3',
      'fourth 1 replayed: acme, chain, by id3',
      'fifth 1: acme, chain, by id4',
    ])
  })

  test('can be put there at the edge, by outgoing middleware, for whatever is sent from there', async () => {
    const tenants = new AsyncLocalStorage<string>()
    const dp = new Dispatcher({ logger: silent })
    const seen: unknown[] = []
    dp.use({
      outgoing: (outgoing, next) => {
        const tenant = tenants.getStore()
        if (tenant !== undefined) outgoing.headers = { ...outgoing.headers, tenant }
        next()
      },
    })
    dp.events.bind('first', async (_event, { context }) => {
      await nextTurn()
      context.publish('second')
    })
    dp.events.bind('second', (_event, { context }) => seen.push(context.headers['tenant']))
    await dp.start()
    await Promise.all(['acme', 'ajax'].map((tenant) => tenants.run(tenant, () => dp.publish('first'))))
    await dp.publish('first', { headers: { tenant: 'given' } })
    await dp.stop()
    expect(seen).toEqual(['acme', 'ajax', 'given'])
  })
})

describe('with asyncContext', () => {
  const started = async (bind: (dp: Dispatcher) => void, options = {}): Promise<Dispatcher> => {
    const dp = new Dispatcher({ logger: silent, asyncContext: true, ...options })
    bind(dp)
    await dp.start()
    return dp
  }

  test('dp.context is the context of the handler, however deep below it, and of each its own', async () => {
    const seen: string[] = []
    const deep = async (dp: Dispatcher): Promise<void> => {
      await nextTurn()
      seen.push(`${dp.context?.handler} ${dp.context?.id}`)
    }
    const dp = await started((one) => {
      one.events.bind('x', () => deep(one), { name: 'a' })
      one.events.bind('x', () => deep(one), { name: 'b' })
      one.queries.bind(
        'q',
        async () => {
          await nextTurn()
          await one.request('inner', { id: '2' })
          await deep(one)
        },
        { name: 'q' },
      )
      one.queries.bind('inner', () => deep(one), { name: 'inner' })
    })
    expect(dp.context).toBeUndefined()
    await dp.publish('x', { id: '1', waitForResponse: true })
    await dp.request('q', { id: '3' })
    expect(seen).toEqual(['events/a 1', 'events/b 1', 'queries/inner 2', 'queries/q 3'])
    expect(dp.context).toBeUndefined()
    await dp.stop()
  })

  test('without it, dp.context is undefined', async () => {
    const dp = await started((one) => one.queries.bind('q', () => one.context), { asyncContext: false })
    expect(await dp.request('q')).toBeUndefined()
    await dp.stop()
  })

  test('dp.request in a handler is its own: it inherits, and works while the bus stops; dp.publish inherits nothing', async () => {
    const seen: unknown[] = []
    const gate = Promise.withResolvers<void>()
    const dp = await started((one) => {
      one.commands.bind('c', async () => {
        await one.publish('x')
        await gate.promise
        await one.request('q')
      })
      one.queries.bind('q', (_query, { context }) => {
        seen.push([context.correlationId, context.causationId, context.headers['tenant']])
      })
      one.events.bind('x', (_event, { context }) => {
        seen.push([context.correlationId === context.id, context.causationId, context.headers['tenant']])
      })
    })
    const answer = dp.request('c', { id: '1', correlationId: 'chain', headers: { tenant: 'acme' } })
    await nextTurn()
    const stopped = dp.stop()
    gate.resolve()
    await answer
    await stopped
    expect(seen).toEqual([
      [true, undefined, undefined],
      ['chain', '1', 'acme'],
    ])
  })

  test('dp.request that would wait for itself is refused', async () => {
    const dp = await started((one) => {
      one.commands.bind(
        'a',
        async (_command, { context }) => {
          await nextTurn()
          await one.request('b', { key: context.key })
        },
        { name: 'a' },
      )
      one.commands.bind('b', (_command, { context }) => one.request('a', { key: context.key }), { name: 'b' })
    })
    await expect(dp.request('a', { key: 'k' })).rejects.toMatchObject({ code: 'LANE_DEADLOCK' })
    await dp.stop()
  })

  test('what goes on after its handler has ended asks from outside', async () => {
    const later = Promise.withResolvers<unknown>()
    const dp = await started((one) => {
      one.events.bind('x', () => {
        setImmediate(() => setImmediate(() => later.resolve(one.request('q'))))
      })
      one.queries.bind('q', (_query, { context }) => context.causationId ?? 'from outside')
    })
    await dp.publish('x')
    expect(await later.promise).toBe('from outside')
    await dp.stop()
  })

  test('a handler that awaits dp.stop() is told so, also after its first await', async () => {
    const refused = Promise.withResolvers<unknown>()
    const dp = await started((one) =>
      one.events.bind('x', async () => {
        await nextTurn()
        await one.stop().catch(refused.resolve)
      }),
    )
    await dp.publish('x')
    expect(await refused.promise).toMatchObject({ code: 'STOP_DEADLOCK' })
    await dp.stop()
  })

  test('a listener and a logger are in the context of no handler', async () => {
    const seen: unknown[] = []
    const dp = await started((one) => {
      one.events.bind('outer', async () => {
        await nextTurn()
        await one.publish('inner')
      })
      one.events.bind('inner', () => Promise.reject(new Error('boom')))
    })
    const end = dp.observe('dead', () => seen.push(dp.context))
    await dp.publish('outer')
    await dp.stop()
    end()
    expect(seen).toEqual([undefined])
  })

  test('two dispatchers have each its own: a handler is in the context of its own dispatcher only', async () => {
    const other = await started((one) => one.queries.bind('q', () => [one.context?.id, dp.context?.id]))
    const dp: Dispatcher = await started((one) => one.queries.bind('q', () => other.request('q', { id: '2' })))
    expect(await dp.request('q', { id: '1' })).toEqual(['2', undefined])
    await Promise.all([dp.stop(), other.stop()])
  })

  test('a retry and a replay have it too', async () => {
    const bus = new ScriptedBus({ asyncContext: true, recover: retry({ attempts: 2, backoff: fixed(10) }) })
    const seen: string[] = []
    bus.dp.events.bind('x', async () => {
      await nextTurn()
      seen.push(`${bus.dp.context?.attempt} ${bus.dp.context?.replayed}`)
      throw new Error('boom')
    })
    await bus.dp.start()
    await bus.tell('1')
    await bus.pass(10)
    await bus.dp.deadLetters.replay({})
    await bus.rest()
    expect(seen).toEqual(['1 false', '2 false', '1 true'])
    await bus.dp.stop()
  })
})
