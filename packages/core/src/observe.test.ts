import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Dispatcher } from './index.ts'

const silent = () => ({ debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() })

afterEach(() => vi.restoreAllMocks())

describe('a failure nobody waits for', () => {
  test('is reported to the logger at level error, with the error and the message', async () => {
    const logger = silent()
    const dp = new Dispatcher({ logger })
    const boom = new Error('boom')
    dp.commands.bind('x', () => Promise.reject(boom), { name: 'breaks' })
    await dp.start()
    await dp.send('x', { id: 'i', key: 'k' })
    await dp.stop()
    expect(logger.error.mock.calls).toEqual([
      [
        { type: 'x', id: 'i', key: 'k', handler: 'commands/breaks', letterId: expect.any(String), err: boom },
        "commands/breaks failed on 'x', which is a dead letter now: boom",
      ],
    ])
  })

  test('goes to stderr where no logger is given', async () => {
    const print = vi.spyOn(console, 'error').mockReturnValue()
    const dp = new Dispatcher()
    const boom = new Error('boom')
    dp.events.bind('x', () => Promise.reject(boom))
    await dp.start()
    await dp.publish('x', { id: 'i', key: 'k' })
    await dp.publish('nobody', { id: 'j' })
    await dp.stop()
    expect(print.mock.calls).toEqual([
      [
        expect.stringMatching(/^\[iambus\] events\/x#1 failed on 'x', .+: boom \(id i, key 'k', letter [\w-]+\)$/),
        boom,
      ],
      ["[iambus] Event 'nobody' was published, and no handler is bound to it. (id j)"],
    ])
  })

  test('is published on the diagnostics channel iambus:dead', async () => {
    const notices: unknown[] = []
    const listen = (notice: unknown): void => void notices.push(notice)
    subscribe('iambus:dead', listen)
    const dp = new Dispatcher({ logger: silent() })
    const boom = new Error('boom')
    dp.events.bind('x', () => Promise.reject(boom), { name: 'breaks' })
    await dp.start()
    await dp.publish('x')
    await dp.stop()
    unsubscribe('iambus:dead', listen)
    expect(notices).toMatchObject([{ handler: 'events/breaks', error: boom, envelope: { type: 'x' } }])
  })

  test.each([undefined, null, 'text', 5, { plain: true }, Symbol('s')])('keeps what was thrown: %s', async (thrown) => {
    const logger = silent()
    const dp = new Dispatcher({ logger })
    dp.events.bind('x', () => Promise.reject(thrown))
    await dp.start()
    await dp.publish('x')
    await dp.stop()
    expect(logger.error.mock.lastCall?.[0]).toMatchObject({ err: { code: 'NON_ERROR_THROWN', thrown } })
  })

  test('of one handler does not touch the others of the event', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const told: string[] = []
    dp.events.bind('x', () => {
      throw new Error('sync')
    })
    dp.events.bind('x', async () => {
      throw new Error('async')
    })
    dp.events.bind('x', () => void told.push('told'))
    await dp.start()
    await dp.publish('x')
    await dp.stop()
    expect(told).toEqual(['told'])
  })
})

test('a logger that throws fails no delivery, and what it was told is not lost', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockReturnValue()
  const dp = new Dispatcher({
    logger: {
      ...silent(),
      error: () => {
        throw new Error('disk full')
      },
    },
  })
  dp.events.bind('x', () => Promise.reject(new Error('boom')))
  await dp.start()
  const outcomes = await dp.publish('x', { waitForResponse: true })
  await dp.stop()
  expect(outcomes).toMatchObject([{ status: 'dead' }])
  expect(warn.mock.lastCall?.[0]).toContain('disk full')
  expect(warn.mock.lastCall?.[0]).toContain("events/x#1 failed on 'x', which is a dead letter now: boom")
})

test('an event without a handler is a warning the first time, and then a debug line', async () => {
  const logger = silent()
  const dp = new Dispatcher({ logger })
  dp.events.bind('x', () => {})
  await dp.start()
  for (let n = 0; n < 3; n += 1) await dp.publish('typo')
  await dp.stop()
  expect([logger.warn.mock.calls.length, logger.debug.mock.calls.length]).toEqual([1, 2])
})

test('no failure of any kind becomes an unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const listen = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', listen)
  const dp = new Dispatcher({ logger: silent() })
  dp.events.bind('x', () => Promise.reject(new Error('async')))
  dp.events.bind('x', () => {
    throw new Error('sync')
  })
  dp.commands.bind('c', () => Promise.reject(undefined))
  dp.queries.bind('q', () => Promise.reject(new Error('query')))
  await dp.start()
  await dp.publish('x')
  await dp.publish('x', { waitForResponse: true })
  await dp.send('c')
  await dp.handle('q')
  const abort = new AbortController()
  const aborted = dp.request('q', { signal: abort.signal }).catch(() => 'caught')
  abort.abort()
  await dp.stop()
  expect(await aborted).toBe('caught')
  await nextTurn()
  process.off('unhandledRejection', listen)
  expect(unhandled).toEqual([])
})

test.each([
  ['context.request', (dp: Dispatcher) => dp.request('floats')],
  ['dp.request with a timeoutMs', (dp: Dispatcher) => void dp.request('fails', { timeoutMs: 100 })],
])('the failure of a %s that nobody awaits is not swallowed', async (_, ask) => {
  const unhandled: unknown[] = []
  const listeners = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', (reason) => void unhandled.push(reason))
  const dp = new Dispatcher({ logger: silent() })
  const boom = new Error('boom')
  dp.queries.bind('floats', (_query, { context }) => void context.request('fails'))
  dp.queries.bind('fails', () => Promise.reject(boom))
  await dp.start()
  await ask(dp)
  await nextTurn()
  await nextTurn()
  process.removeAllListeners('unhandledRejection')
  for (const listener of listeners) process.on('unhandledRejection', listener)
  expect(unhandled).toEqual([boom])
  await dp.stop()
})

describe('dp.observe', () => {
  const bus = async () => {
    const logger = silent()
    const dp = new Dispatcher({ logger })
    dp.events.bind('x', (_event, { context }) => (context.id === '1' ? Promise.reject(new Error('boom')) : undefined), {
      name: 'h',
    })
    dp.queries.bind('q', () => 'answer', { name: 'q' })
    await dp.start()
    return { dp, logger }
  }

  test('tells each notice of a name to its listener, of this dispatcher only, until it is ended', async () => {
    const [one, other] = [await bus(), await bus()]
    const told: string[] = []
    const end = one.dp.observe('dead', ({ handler, envelope, error, letterId }) => {
      told.push(`${handler} ${envelope.id} ${error.message} ${typeof letterId}`)
    })
    await other.dp.publish('x', { id: '1' })
    await one.dp.publish('x', { id: '1' })
    await one.dp.publish('x', { id: '2' })
    await nextTurn()
    end()
    await one.dp.deadLetters.replay({}, { waitForResponse: true })
    expect(told).toEqual(['events/h 1 boom string'])
    await Promise.all([one.dp.stop(), other.dp.stop()])
  })

  test('tells what happens to every message, in order, and names its handlers', async () => {
    const { dp } = await bus()
    const told: string[] = []
    const ends = [
      dp.observe('accepted', ({ envelope, handlers }) => void told.push(`accepted ${envelope.id} ${handlers.join()}`)),
      dp.observe(
        'started',
        ({ envelope, handler, attempt }) => void told.push(`started ${envelope.id} ${handler} ${attempt}`),
      ),
      dp.observe('succeeded', ({ envelope, handler }) => void told.push(`succeeded ${envelope.id} ${handler}`)),
    ]
    await dp.publish('x', { id: '2' })
    await dp.request('q', { id: '3' })
    await dp.request('q', { id: '4', timeoutMs: 100 })
    for (const end of ends) end()
    await dp.publish('x', { id: '5' })
    expect(told).toEqual([
      'accepted 2 events/h',
      'started 2 events/h 1',
      'succeeded 2 events/h',
      'accepted 3 queries/q',
      'started 3 queries/q 1',
      'succeeded 3 queries/q',
      'accepted 4 queries/q',
      'started 4 queries/q 1',
      'succeeded 4 queries/q',
    ])
    await dp.stop()
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('in the listener')
      },
    ],
    ['rejects', () => Promise.reject(new Error('in the listener'))],
  ])('a listener that %s undoes nothing, and is a critical notice', async (_, listener) => {
    const { dp, logger } = await bus()
    const end = dp.observe('dead', listener)
    await dp.publish('x', { id: '1' })
    await nextTurn()
    end()
    expect((await dp.deadLetters.list()).letters).toMatchObject([{ envelope: { id: '1' } }])
    expect(logger.error.mock.calls.map(([, text]) => text as string)).toContain(
      "A listener to 'dead' threw: in the listener",
    )
    expect(
      logger.error.mock.calls.find(([fields]) => (fields as { name?: string }).name === 'dead')?.[0],
    ).toMatchObject({ critical: true })
    await dp.stop()
  })

  test('tells in the order in which things happened, whoever listens and whatever they do', async () => {
    const { dp } = await bus()
    const told: string[] = []
    const names = ['accepted', 'started', 'failed', 'dead', 'succeeded'] as const
    const ends = names.map((name) =>
      dp.observe(name, ({ envelope }) => {
        told.push(`${name} ${envelope.id}`)
        return name === 'failed' ? dp.publish('x', { id: '2' }) : undefined
      }),
    )
    await dp.publish('x', { id: '1' })
    await nextTurn()
    for (const end of ends) end()
    const first = ['accepted 1', 'started 1', 'failed 1', 'dead 1']
    expect(told).toEqual([...first, 'accepted 2', 'started 2', 'succeeded 2'])
    await dp.stop()
  })

  test('a listener that feeds itself stops nothing else', async () => {
    const { dp } = await bus()
    let told = 0
    const end = dp.observe('accepted', ({ envelope }) => {
      told += 1
      return dp.publish('x', { id: `${envelope.id}.`.slice(-3) + told })
    })
    await dp.publish('x', { id: '2' })
    await nextTurn() // Else it would never come.
    end()
    expect(told).toBeGreaterThan(1_000)
    await nextTurn()
    await dp.stop()
  })

  test('a listener to its own failures that throws is a warning of the process', async () => {
    const { dp } = await bus()
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
    const ends = [
      dp.observe('dead', () => {
        throw new Error('first')
      }),
      dp.observe('listenerFailed', () => {
        throw new Error('second')
      }),
    ]
    await dp.publish('x', { id: '1' })
    expect((await warned).message).toBe("A listener to 'listenerFailed' threw: second")
    for (const end of ends) end()
    await dp.stop()
  })

  test.each([
    ['die', () => {}, 'There is no notice "die". There are: accepted, delayed, cancelled,'],
    ['dead', 'print', 'A listener is "print". Pass a function.'],
  ])('refuses %s, %s', (name, listener, text) => {
    expect(() => new Dispatcher().observe(name as never, listener as never)).toThrow(text)
  })
})
