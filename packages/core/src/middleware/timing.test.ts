import { describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { Dispatcher, fixed, type OutgoingTiming, retry, type Timing, timing, timingOutgoing } from '../index.ts'

const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

describe('timing', () => {
  test('tells how long each message waited and each attempt ran', async () => {
    const clock = new ManualClock()
    const dp = new Dispatcher({ clock })
    const timings: Timing[] = []
    dp.use(timing((one) => timings.push(one), { clock }))
    const ends: (() => void)[] = []
    dp.events.bind('e', () => new Promise<void>((resolve) => ends.push(resolve)), { name: 'h' })
    await dp.start()
    for (const id of ['1', '2']) await dp.publish('e', { key: 'k', id })
    clock.advance(20)
    ends[0]?.()
    await vi.waitUntil(() => ends.length === 2)
    clock.advance(5)
    ends[1]?.()
    await dp.stop()
    const same = { handler: 'events/h', type: 'e', key: 'k', attempt: 1, outcome: 'done' }
    expect(timings).toEqual([
      { ...same, id: '1', waitedMs: 0, ranMs: 20 },
      { ...same, id: '2', waitedMs: 20, ranMs: 5 },
    ])
  })

  test('counts earlier attempts as waiting', async () => {
    const clock = new ManualClock()
    const dp = new Dispatcher({ clock, logger, recover: retry({ attempts: 2, backoff: fixed(100) }) })
    const timings: Timing[] = []
    dp.use(timing((one) => timings.push(one), { clock }))
    const handler = vi.fn<() => void>().mockImplementationOnce(() => {
      clock.advance(10)
      throw new Error('boom')
    })
    dp.events.bind('e', handler)
    await dp.start()
    const outcomes = dp.publish('e', { waitForResponse: true })
    await vi.waitUntil(() => clock.timers > 0)
    clock.advance(100)
    await outcomes
    await dp.stop()
    expect(timings).toMatchObject([
      { attempt: 1, waitedMs: 0, ranMs: 10, outcome: 'failed' },
      { attempt: 2, waitedMs: 110, ranMs: 0, outcome: 'done' },
    ])
  })

  test('gives the value through; and the very error, which it tells of', async () => {
    const dp = new Dispatcher()
    const timings: Timing[] = []
    dp.use(timing((one) => timings.push(one)))
    const boom = new Error('boom')
    dp.queries.bind('q', () => 'answer')
    dp.queries.bind('bad', () => Promise.reject(boom))
    await dp.start()
    expect(await dp.request('q')).toBe('answer')
    await expect(dp.request('bad')).rejects.toBe(boom)
    await dp.stop()
    expect(timings.map(({ outcome, error }) => ({ outcome, error }))).toEqual([
      { outcome: 'done', error: undefined },
      { outcome: 'failed', error: boom },
    ])
    expect(timings[0]).not.toHaveProperty('error')
    for (const { ranMs, waitedMs } of timings) expect(Math.min(ranMs, waitedMs)).toBeGreaterThanOrEqual(0)
  })

  test('measures by a clock that is never set back, and no wait is negative', async () => {
    let nowMs = 1_000
    let monotonicMs = 0
    const clock = { now: () => nowMs, monotonic: () => monotonicMs, after: () => ({ cancel: () => {} }) }
    const dp = new Dispatcher({ clock })
    const timings: Timing[] = []
    dp.use((_message, { context, next }) => {
      void context.time // Accepted now; then the clock is set back.
      nowMs = 400
      return next()
    })
    dp.use(timing((one) => timings.push(one), { clock }))
    dp.commands.bind('c', () => void (monotonicMs += 7))
    await dp.start()
    await dp.request('c')
    await dp.stop()
    expect(timings).toEqual([expect.objectContaining({ waitedMs: 0, ranMs: 7 })])
  })

  test('a record that fails is a process warning: the attempt has succeeded, or failed with its own error', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue()
    const dp = new Dispatcher()
    dp.use(
      timing(() => {
        throw new Error('no metrics')
      }),
    )
    dp.queries.bind('q', () => 'answer', { name: 'h' })
    dp.queries.bind('bad', () => Promise.reject(new Error('boom')))
    await dp.start()
    expect(await dp.request('q')).toBe('answer')
    await expect(dp.request('bad')).rejects.toThrow('boom')
    await dp.stop()
    expect(emitWarning.mock.calls[0]).toEqual(['The record of timing() for queries/h failed: no metrics'])
    expect(emitWarning).toHaveBeenCalledTimes(2)
    emitWarning.mockRestore()
  })

  test.each([
    [undefined, {}, 'timing() was given undefined'],
    [() => {}, { clok: 1 }, "timing() has no option 'clok'"],
  ])('refuses %s with %o', (record, options, text) => {
    expect(() => timing(record as never, options as never)).toThrow(text)
  })
})

describe('timingOutgoing', () => {
  test('tells how long the middleware inside of it took, and whether it let the message pass', async () => {
    const clock = new ManualClock()
    const dp = new Dispatcher({ clock, logger })
    const timings: OutgoingTiming[] = []
    const refusal = new Error('not yours')
    dp.use(timingOutgoing((one) => timings.push(one), { clock }))
    dp.use({
      outgoing: (message, next) => {
        clock.advance(3)
        if (message.type === 'forbidden') throw refusal
        message.key = 'changed'
        next()
      },
    })
    dp.events.bind('e', (_event, { context }) => context.send('c'))
    dp.commands.bind(['c', 'forbidden'], () => {})
    await dp.start()
    await dp.publish('e')
    await expect(dp.request('forbidden')).rejects.toBe(refusal)
    await dp.stop()
    expect(timings).toEqual([
      { verb: 'publish', type: 'e', key: 'changed', ranMs: 3, outcome: 'passed' },
      { verb: 'send', type: 'c', key: 'changed', ranMs: 3, outcome: 'passed' },
      { verb: 'request', type: 'forbidden', key: undefined, ranMs: 3, outcome: 'refused', error: refusal },
    ])
  })

  test('a record that fails refuses nothing', async () => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue()
    const dp = new Dispatcher()
    dp.use(timingOutgoing(() => Promise.reject(new Error('no metrics')) as never))
    const handler = vi.fn()
    dp.events.bind('e', handler)
    await dp.start()
    await dp.publish('e')
    await dp.stop()
    expect(handler).toHaveBeenCalledTimes(1)
    expect(emitWarning.mock.calls).toEqual([["The record of timingOutgoing() for 'e' failed: no metrics"]])
    emitWarning.mockRestore()
  })
})
