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
        { type: 'x', id: 'i', key: 'k', handler: 'commands/breaks', letter: expect.any(String), err: boom },
        "commands/breaks failed on 'x': boom",
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
      ["[iambus] events/x#1 failed on 'x': boom (id i, key 'k')", boom],
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
  expect(warn.mock.lastCall?.[0]).toContain("events/x#1 failed on 'x': boom")
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
