import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { Dispatcher } from '../index.ts'
import type { Delivery } from './delivery.ts'
import { type Lane, Lanes } from './lanes.ts'

const silent = () => ({ debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() })

/** A handler whose runs end when the test says so. */
function heldBack() {
  const started: string[] = []
  const release = new Map<string, (how?: Error) => void>()
  const handler = (_message: unknown, { context }: { context: { id: string } }): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    started.push(context.id)
    release.set(context.id, (error) => (error === undefined ? resolve() : reject(error)))
    return promise
  }
  const end = async (id: string, error?: Error) => {
    release.get(id)?.(error)
    await nextTurn()
  }
  return { handler, started, end }
}

describe('order by key', () => {
  test('messages of one key reach a handler one at a time, in the order of the calls', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const { handler, started, end } = heldBack()
    dp.events.bind('x', handler)
    await dp.start()
    for (const id of ['1', '2', '3']) await dp.publish('x', { key: 'k', id })
    expect(started).toEqual(['1'])
    await end('1')
    expect(started).toEqual(['1', '2'])
    await end('2')
    await end('3')
    expect(started).toEqual(['1', '2', '3'])
    await dp.stop()
  })

  test('a failed message lets the next of its key go on', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const { handler, started, end } = heldBack()
    dp.events.bind('x', handler)
    await dp.start()
    for (const id of ['1', '2']) await dp.publish('x', { key: 'k', id })
    await end('1', new Error('boom'))
    expect(started).toEqual(['1', '2'])
    await end('2')
    await dp.stop()
  })

  test('other keys, and messages without a key, do not wait for it', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const { handler, started, end } = heldBack()
    dp.events.bind('x', handler)
    await dp.start()
    await dp.publish('x', { key: 'a', id: 'a1' })
    await dp.publish('x', { key: 'a', id: 'a2' })
    await dp.publish('x', { key: 'b', id: 'b1' })
    await dp.publish('x', { id: 'none1' })
    await dp.publish('x', { id: 'none2' })
    expect(started).toEqual(['a1', 'b1', 'none1', 'none2'])
    for (const id of ['a1', 'a2', 'b1', 'none1', 'none2']) await end(id)
    await dp.stop()
  })

  test('each handler has its own lanes: a slow one delays no other', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const slow = heldBack()
    const fast: string[] = []
    dp.events.bind('x', slow.handler, { name: 'slow' })
    dp.events.bind('x', (_event, { context }) => void fast.push(context.id), { name: 'fast' })
    await dp.start()
    for (const id of ['1', '2', '3']) await dp.publish('x', { key: 'k', id })
    expect(fast).toEqual(['1', '2', '3'])
    expect(slow.started).toEqual(['1'])
    for (const id of ['1', '2', '3']) await slow.end(id)
    await dp.stop()
  })

  test('the lane of a handler holds over all messages that it is bound to', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const { handler, started, end } = heldBack()
    dp.commands.bind(['first', 'second'], handler)
    await dp.start()
    await dp.send('first', { key: 'k', id: '1' })
    await dp.send('second', { key: 'k', id: '2' })
    expect(started).toEqual(['1'])
    await end('1')
    expect(started).toEqual(['1', '2'])
    await end('2')
    await dp.stop()
  })

  test('publications, commands and requests share the order of a lane', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const { handler, started, end } = heldBack()
    dp.commands.bind('x', handler)
    await dp.start()
    await dp.send('x', { key: 'k', id: '1' })
    const answer = dp.request('x', { key: 'k', id: '2' })
    await dp.send('x', { key: 'k', id: '3' })
    for (const id of ['1', '2']) await end(id)
    await answer
    await end('3')
    expect(started).toEqual(['1', '2', '3'])
    await dp.stop()
  })

  test('the place is taken within the call: not awaiting changes no order', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const seen: string[] = []
    dp.events.bind('x', async (_event, { context }) => {
      await nextTurn()
      seen.push(context.id)
    })
    await dp.start()
    await Promise.all(Array.from({ length: 20 }, (_, n) => dp.publish('x', { key: 'k', id: `${n}` })))
    await dp.stop()
    expect(seen).toEqual(Array.from({ length: 20 }, (_, n) => `${n}`))
  })

  test('all handlers of an event take their places before any of them starts', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const seen: string[] = []
    dp.events.bind('first', () => dp.publish('second', { key: 'k' }))
    dp.events.bind(['first', 'second'], (_event, { context }) => void seen.push(context.type))
    await dp.start()
    await dp.publish('first', { key: 'k' })
    await dp.stop()
    expect(seen).toEqual(['first', 'second'])
  })
})

describe('the lanes of a handler', () => {
  test('are as many as there are keys with work: nothing is left of a key without', () => {
    const lanes = new Lanes()
    const places = ['a', 'b', 'a'].map((key) => ({ key, delivery: {} as Delivery }))
    expect(places.map(({ key, delivery }) => lanes.enter(key, delivery))).toEqual([true, true, false])
    expect(lanes.size).toBe(2)
    const [first, other, second] = places.map(({ delivery }) => delivery)
    expect(lanes.leave('a', first?.lane as Lane)).toBe(second)
    expect(lanes.leave('b', other?.lane as Lane)).toBeUndefined()
    expect(lanes.size).toBe(1)
    expect(lanes.leave('a', second?.lane as Lane)).toBeUndefined()
    expect(lanes.size).toBe(0)
  })
})

describe('starting', () => {
  test('messages without a key start in the order of the calls, side by side', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const { handler, started, end } = heldBack()
    dp.events.bind('x', handler)
    await dp.start()
    for (const id of ['1', '2', '3']) await dp.publish('x', { id })
    expect(started).toEqual(['1', '2', '3'])
    for (const id of ['3', '1', '2']) await end(id)
    await dp.stop()
  })

  test('is breadth first, and never recursive', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const order: string[] = []
    dp.events.bind('a', () => {
      order.push('a begins')
      void dp.publish('b')
      order.push('a ends')
    })
    dp.events.bind('a', () => void order.push('a again'))
    dp.events.bind('b', () => void order.push('b'))
    await dp.start()
    await dp.publish('a')
    await dp.stop()
    expect(order).toEqual(['a begins', 'a ends', 'a again', 'b'])
  })

  test('a million messages on one key, handled synchronously, do not fill the stack', async () => {
    const dp = new Dispatcher({ logger: silent() })
    let runs = 0
    const first = Promise.withResolvers<void>()
    dp.events.bind('x', () => {
      runs += 1
      return runs === 1 ? first.promise : undefined
    })
    await dp.start()
    for (let n = 0; n < 1_000_000; n += 1) void dp.publish('x', { key: 'k' })
    first.resolve()
    await dp.stop()
    expect(runs).toBe(1_000_000)
  })
})

describe('a request whose signal is aborted', () => {
  test('before it starts, rejects at once and is not run; those behind it go on', async () => {
    const dp = new Dispatcher({ logger: silent() })
    const { handler, started, end } = heldBack()
    dp.commands.bind('x', handler)
    await dp.start()
    const abort = new AbortController()
    await dp.send('x', { key: 'k', id: '1' })
    const answer = dp.request('x', { key: 'k', id: '2', signal: abort.signal })
    await dp.send('x', { key: 'k', id: '3' })
    abort.abort(new Error('gave up'))
    await expect(answer).rejects.toMatchObject({ code: 'ABORTED', cause: new Error('gave up') })
    await end('1')
    expect(started).toEqual(['1', '3'])
    await end('3')
    await dp.stop()
  })

  test('while it runs, aborts context.signal, keeps its lane until it ends, and reports a late end', async () => {
    const logger = silent()
    const dp = new Dispatcher({ logger })
    const reasons: unknown[] = []
    const { handler, started, end } = heldBack()
    dp.commands.bind('x', (message, deps) => {
      deps.context.signal.addEventListener('abort', () => reasons.push(deps.context.signal.reason))
      deps.context.publish('never')
      return handler(message, deps)
    })
    dp.events.bind('never', handler)
    await dp.start()
    const abort = new AbortController()
    const answer = dp.request('x', { key: 'k', id: '1', signal: abort.signal })
    await dp.send('x', { key: 'k', id: '2' })
    abort.abort()
    await expect(answer).rejects.toMatchObject({ code: 'ABORTED' })
    expect(reasons).toMatchObject([{ code: 'ABORTED' }])
    expect(started).toEqual(['1'])
    await end('1')
    expect(started).toEqual(['1', '2'])
    expect(logger.warn.mock.lastCall?.[1]).toContain('after it had been given up')
    await end('2')
    await end('never')
    await dp.stop({ deadlineMs: 0 })
    expect(started.filter((id) => id !== '1' && id !== '2')).toHaveLength(1)
  })

  test('after it ended, changes nothing, and no listener is left on the signal', async () => {
    const dp = new Dispatcher({ logger: silent() })
    dp.queries.bind('x', () => 1)
    await dp.start()
    const abort = new AbortController()
    const remove = vi.spyOn(abort.signal, 'removeEventListener')
    expect(await dp.request('x', { signal: abort.signal })).toBe(1)
    expect(remove).toHaveBeenCalledTimes(1)
    abort.abort()
    expect(dp.isStarted).toBe(true)
    await dp.stop()
  })
})
