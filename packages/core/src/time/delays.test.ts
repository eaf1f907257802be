import { AsyncLocalStorage } from 'node:async_hooks'
import { array, asyncProperty, assert, nat, oneof, record, constant } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ScriptedBus } from '../../test/scripted-bus.ts'
import { type Context, defineCommand, defineQuery, type DispatcherOptions, NotAccepting } from '../index.ts'
import { LOOK_AGAIN_MS } from './due-timer.ts'

const DAY = 86_400_000

/** A bus that has started, with a handler `a` of event `x`. */
async function started(options: DispatcherOptions = {}) {
  const bus = new ScriptedBus(options)
  bus.bind('a', {})
  await bus.dp.start()
  return bus
}

describe('a delayed message', () => {
  test('runs when its delay is over, and not a millisecond before', async () => {
    const bus = await started()
    expect(await bus.dp.publish('x', { id: '1', delayMs: 1_000 })).toBeUndefined()
    await bus.pass(999)
    expect(bus.runs).toEqual([])
    await bus.pass(1)
    expect(bus.runs).toEqual(['a 1'])
  })

  test('runs at the time that was given, however far that is, with one timer', async () => {
    const bus = await started()
    await bus.dp.publish('x', { id: '1', at: new Date(40 * DAY) })
    expect(bus.clock.timers).toBe(1)
    await bus.pass(40 * DAY - 1)
    expect(bus.runs).toEqual([])
    expect(bus.clock.timers).toBe(1)
    await bus.pass(1)
    expect(bus.runs).toEqual(['a 1'])
    expect(bus.clock.timers).toBe(0)
  })

  test.each([{ delayMs: 0 }, { at: new Date(0) }, { at: new Date(-1) }])('%o: at once', async (delay) => {
    const bus = await started()
    await bus.dp.publish('x', { id: '1', ...delay })
    expect(bus.runs).toEqual(['a 1'])
  })

  test('never runs early where timers do, and where the delay is a fraction', async () => {
    const bus = new ScriptedBus()
    let at = 0
    bus.dp.events.bind('x', () => void (at = bus.clock.now()))
    await bus.dp.start()
    await bus.dp.publish('x', { delayMs: 10.2 })
    await bus.pass(100)
    expect(at).toBe(11)
  })

  test('takes its place when it is due: others of its key go before it, until then', async () => {
    const bus = await started()
    await bus.dp.publish('x', { id: 'late', key: 'k', delayMs: 10 })
    await bus.tell('first', 'k')
    await bus.pass(10)
    await bus.tell('last', 'k')
    expect(bus.runs).toEqual(['a first', 'a late', 'a last'])
  })

  test('comes in the order of the due times, and of the calls where those are the same', async () => {
    const bus = await started()
    for (const [id, delayMs] of [
      ['1', 20],
      ['2', 10],
      ['3', 20],
      ['4', 10],
    ] as const) {
      await bus.dp.publish('x', { id, delayMs, key: 'k' })
    }
    await bus.pass(20)
    await bus.rest()
    expect(bus.runs).toEqual(['a 2', 'a 4', 'a 1', 'a 3'])
  })

  test('is accepted at the call: checked, with the outgoing middleware run, and that time as its own', async () => {
    const bus = new ScriptedBus()
    const tenants: (string | undefined)[] = []
    bus.dp.use({
      outgoing: (leaving, next) => {
        leaving.headers = { tenant: `t${bus.clock.now()}` }
        next()
      },
    })
    bus.dp.events.bind('x', (_message, { context }) => void tenants.push(context.headers['tenant'], `${+context.time}`))
    await bus.dp.start()
    await bus.pass(5)
    await bus.dp.publish('x', { delayMs: 10 })
    await bus.pass(10)
    expect(tenants).toEqual(['t5', '5'])
    await expect(bus.dp.send('nobody', { delayMs: 10 })).rejects.toThrow("No handler is bound to 'nobody'")
  })

  test('is told as `delayed` when it is accepted, and as `accepted` when it takes its place', async () => {
    const bus = await started()
    bus.listen('delayed', 'accepted')
    await bus.dp.publish('x', { id: '1', delayMs: 10 })
    await bus.rest()
    expect(bus.notices).toEqual(['delayed 1'])
    await bus.pass(10)
    expect(bus.notices).toEqual(['delayed 1', 'accepted 1'])
  })

  test('may be a command, and a query whose answer nobody wants', async () => {
    class Act extends defineCommand<{ n: number }>('act') {}
    class Ask extends defineQuery<{ n: number }, number>('ask') {}
    const bus = new ScriptedBus()
    const told: string[] = []
    bus.dp.commands.bind(Act, ({ n }) => void told.push(`act ${n}`))
    bus.dp.queries.bind(Ask, ({ n }) => told.push(`ask ${n}`))
    await bus.dp.start()
    await bus.dp.send(new Act({ n: 1 }), { delayMs: 10 })
    await bus.dp.handle(new Act({ n: 2 }), { delayMs: 10 })
    await bus.dp.handle(new Ask({ n: 3 }), { at: new Date(10) })
    expect(told).toEqual([])
    await bus.pass(10)
    expect(told).toEqual(['act 1', 'act 2', 'ask 3'])
  })

  test('takes no capacity, and waits for none', async () => {
    const bus = new ScriptedBus({ capacity: { high: 1, low: 0 }, whenFull: 'throw' })
    let release = (): void => {}
    const ran: string[] = []
    bus.dp.events.bind(
      'x',
      async (_message, { context }) => {
        ran.push(context.id)
        await new Promise<void>((resolve) => (release = resolve))
      },
      { workers: 1 },
    )
    await bus.dp.start()
    for (const id of ['d1', 'd2', 'd3']) await bus.dp.publish('x', { id, delayMs: 10 })
    await bus.dp.publish('x', { id: 'runs' })
    await bus.dp.publish('x', { id: 'waits' })
    await expect(bus.dp.publish('x', { id: 'refused' })).rejects.toThrow('capacity is 1')
    await bus.dp.publish('x', { id: 'd4', delayMs: 10 })
    await bus.pass(10)
    for (let n = 0; n < 6; n += 1) {
      release()
      await bus.rest()
    }
    expect(ran).toEqual(['runs', 'waits', 'd1', 'd2', 'd3', 'd4'])
  })

  test('runs outside of the asynchronous context of whoever published it', async () => {
    const bus = new ScriptedBus()
    const storage = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    bus.dp.events.bind('x', () => void seen.push(storage.getStore()))
    await bus.dp.start()
    await storage.run('the publisher', () => bus.dp.publish('x', { delayMs: 10 }))
    storage.run('whoever turns the clock', () => bus.clock.advance(10))
    expect(seen).toEqual([undefined])
  })

  test.each([
    [{ delayMs: 1, at: new Date(1) }, 'both delayMs and at'],
    [{ delayMs: -1 }, 'delayMs is -1'],
    [{ delayMs: Number.NaN }, 'delayMs is NaN'],
    [{ delayMs: Number.POSITIVE_INFINITY }, 'delayMs is Infinity'],
    [{ delayMs: '1' }, 'delayMs is "1"'],
    [{ at: new Date(Number.NaN) }, 'Pass a Date that is valid'],
    [{ at: 10 }, 'The option at is 10'],
    [{ delayMs: 1, waitForResponse: true }, 'nobody waits for it'],
    [{ at: new Date(1), waitForResponse: true }, 'nobody waits for it'],
  ])('is refused with %o', async (options, text) => {
    const bus = await started()
    await expect(bus.dp.publish('x', options as never)).rejects.toThrow(text)
    await bus.pass(1_000)
    expect(bus.runs).toEqual([])
  })

  test('is no request', async () => {
    const bus = new ScriptedBus()
    bus.dp.queries.bind('q', () => 1)
    bus.dp.events.bind('x', (_message, { context }) => context.request('q', { delayMs: 1 } as never))
    await bus.dp.start()
    await expect(bus.dp.request('q', { delayMs: 1 } as never)).rejects.toThrow('nobody waits for it')
    await expect(bus.dp.handle('q', { delayMs: 1, waitForResponse: true } as never)).rejects.toThrow('nobody waits')
    expect(await bus.dp.publish('x', { waitForResponse: true })).toMatchObject([{ status: 'dead' }])
  })
})

describe('the clock', () => {
  test('is looked at again once a minute, so that a machine that slept, or a clock that was set, is noticed', async () => {
    let offset = 0
    const bus = new ScriptedBus()
    const { clock } = bus
    const now = clock.now.bind(clock)
    clock.now = () => now() + offset
    bus.bind('a', {})
    await bus.dp.start()
    await bus.dp.publish('x', { id: '1', delayMs: DAY })
    offset = DAY // Its timer does not know.
    await bus.pass(LOOK_AGAIN_MS)
    expect(bus.runs).toEqual(['a 1'])
    await bus.dp.publish('x', { id: '2', delayMs: 10 })
    offset -= 20
    await bus.pass(10)
    expect(bus.runs).toEqual(['a 1'])
    await bus.pass(20)
    expect(bus.runs).toEqual(['a 1', 'a 2'])
  })

  test('has one timer, for the earliest, and none when nothing is left', async () => {
    const bus = await started()
    for (const delayMs of [50, 30, 40]) await bus.dp.publish('x', { id: `${delayMs}`, delayMs })
    expect(bus.clock.timers).toBe(1)
    await bus.dp.cancel('30')
    await bus.pass(40)
    expect(bus.runs).toEqual(['a 40'])
    await bus.dp.cancel('50')
    expect(bus.clock.timers).toBe(0)
  })

  test('brings thousands that are due at once in their order, with a turn for others between', async () => {
    const bus = new ScriptedBus()
    const ran: number[] = []
    bus.dp.events.bind('x', (_message, { context }) => void ran.push(Number(context.id)))
    await bus.dp.start()
    for (let n = 0; n < 2_500; n += 1) await bus.dp.publish('x', { id: `${n}`, delayMs: 10 })
    await bus.pass(10)
    expect(ran).toEqual(Array.from({ length: 2_500 }, (_, n) => n))
  })
})

describe('cancel', () => {
  test('takes a delayed message back, says so, and tells whether there was one', async () => {
    const bus = await started()
    await bus.dp.publish('x', { id: '1', delayMs: 10 })
    await bus.dp.publish('x', { id: '2', delayMs: 10 })
    expect(await bus.dp.cancel('1')).toBe(true)
    expect(await bus.dp.cancel('1')).toBe(false)
    await bus.pass(10)
    expect(bus.runs).toEqual(['a 2'])
    expect(await bus.dp.cancel('2')).toBe(false)
    expect(bus.logger.info.mock.calls.map(([, text]) => text)).toEqual([
      "The delayed message with id '1' was taken back.",
    ])
  })

  test('frees the id, for the same message at another time', async () => {
    const bus = await started()
    await bus.dp.publish('x', { id: '1', delayMs: 10 })
    await bus.dp.cancel('1')
    await bus.dp.publish('x', { id: '1', delayMs: 20 })
    await bus.pass(15)
    expect(bus.runs).toEqual([])
    await bus.pass(5)
    expect(bus.runs).toEqual(['a 1'])
  })

  test.each(['', 7, undefined])('refuses %o', async (id) => {
    const bus = await started()
    await expect(bus.dp.cancel(id as string)).rejects.toThrow('The id of a message is')
  })

  test('needs a dispatcher that has started', async () => {
    await expect(new ScriptedBus().dp.cancel('1')).rejects.toThrow(NotAccepting)
  })
})

describe('the id of a delayed message', () => {
  test('is taken for as long as it waits, also longer than dedupeMs, and for dedupeMs afterwards', async () => {
    const bus = await started({ dedupeMs: 100 })
    bus.listen('duplicate')
    await bus.dp.publish('x', { id: '1', delayMs: 1_000 })
    await bus.pass(500)
    await bus.dp.publish('x', { id: '1', delayMs: 1 })
    await bus.dp.publish('x', { id: '1' })
    await bus.pass(500)
    expect(bus.runs).toEqual(['a 1'])
    await bus.pass(99)
    await bus.tell('1')
    expect(bus.runs).toEqual(['a 1'])
    await bus.pass(1)
    await bus.tell('1')
    expect(bus.runs).toEqual(['a 1', 'a 1'])
    expect(bus.notices).toEqual(['duplicate', 'duplicate', 'duplicate'])
  })
})

describe('a message that a handler records with a delay', () => {
  test('is delayed from when the handler has succeeded, inherits, and can be cancelled', async () => {
    const bus = new ScriptedBus()
    bus.dp.events.bind('start', async (_message, { context }: { context: Context }) => {
      context.publish('x', { id: 'later', delayMs: 100 })
      context.publish('x', { id: 'never', delayMs: 100 })
      context.publish('x', { id: 'past', at: new Date(0) })
      await new Promise<void>((resolve) => void bus.clock.after(50, resolve))
    })
    bus.bind('a', {})
    await bus.dp.start()
    await bus.dp.publish('start', { id: 's', key: 'k' })
    await bus.pass(50)
    expect(bus.runs).toEqual(['a past'])
    expect(await bus.dp.cancel('never')).toBe(true)
    await bus.pass(99)
    expect(bus.runs).toEqual(['a past'])
    await bus.pass(1)
    expect(bus.runs).toEqual(['a past', 'a later'])
    expect(bus.contexts.at(-1)).toMatchObject({ causationId: 's', correlationId: 's', key: 'k' })
  })

  test('is not there when the handler fails', async () => {
    const bus = new ScriptedBus()
    bus.dp.events.bind('start', (_message, { context }) => {
      context.publish('x', { id: 'later', delayMs: 100 })
      throw new Error('boom')
    })
    bus.bind('a', {})
    await bus.dp.start()
    await bus.dp.publish('start')
    await bus.pass(100)
    expect(bus.runs).toEqual([])
    expect(bus.clock.timers).toBe(0)
  })

  test('has the delay that was given, whatever becomes of the options afterwards', async () => {
    const bus = new ScriptedBus()
    bus.dp.events.bind('start', (_message, { context }) => {
      const options = { at: new Date(100) as Date | undefined }
      context.publish('x', options)
      options.at?.setTime(1)
      options.at = undefined
    })
    bus.bind('a', {})
    await bus.dp.start()
    await bus.dp.publish('start')
    await bus.pass(99)
    expect(bus.runs).toHaveLength(0)
    await bus.pass(1)
    expect(bus.runs).toHaveLength(1)
  })
})

describe('stop', () => {
  test('waits for no delayed message: each is reported for each of its handlers, and its id is free', async () => {
    const bus = await started()
    await bus.dp.stop()
    const two = new ScriptedBus()
    two.bind('a', {})
    two.bind('b', {})
    await two.dp.start()
    await two.dp.publish('x', { id: '2', delayMs: 20 })
    await two.dp.publish('x', { id: '1', delayMs: 10 })
    await two.dp.stop()
    const said = two.logger.error.mock.calls.map(([{ id, handler, state }]) => [id, handler, state])
    expect(said).toEqual([
      ['1', 'events/a', 'delayed'],
      ['1', 'events/b', 'delayed'],
      ['2', 'events/a', 'delayed'],
      ['2', 'events/b', 'delayed'],
    ])
    expect(two.clock.timers).toBe(0)
    await two.dp.start()
    await two.pass(20)
    expect(two.runs).toEqual([])
    await two.tell('1')
    expect(two.runs.sort()).toEqual(['a 1', 'b 1'])
  })

  test('reports at once what a handler causes with a delay while it stops', async () => {
    const bus = new ScriptedBus()
    bus.bind('a', {})
    bus.dp.events.bind('start', async (_message, { context }) => {
      context.publish('x', { id: 'later', delayMs: 10 })
      context.publish('x', { id: 'now' })
      await bus.rest()
    })
    await bus.dp.start()
    await bus.dp.publish('start')
    await bus.dp.stop()
    expect(bus.runs).toEqual(['a now'])
    expect(bus.logger.error.mock.calls).toMatchObject([[{ id: 'later', state: 'delayed' }, expect.any(String)]])
  })
})

test('random delays, cancels and jumps of the clock: each runs once, never early, in due order; cancelled ones never', async () => {
  const step = oneof(
    record({ does: constant('publish' as const), id: nat(30), delayMs: nat(50) }),
    record({ does: constant('cancel' as const), id: nat(30), delayMs: constant(0) }),
    record({ does: constant('pass' as const), id: constant(0), delayMs: nat(40) }),
  )
  await assert(
    asyncProperty(array(step, { maxLength: 60 }), async (steps) => {
      const bus = new ScriptedBus({ dedupeMs: 0 })
      const ran: string[] = []
      bus.dp.events.bind('x', (_message, { context }) => void ran.push(`${context.id} at ${bus.clock.now()}`))
      await bus.dp.start()
      let waiting: { id: number; dueAt: number }[] = []
      const expected: string[] = []
      let now = 0
      const comeDue = (until: number): void => {
        const due = waiting.filter(({ dueAt }) => dueAt <= until).sort((a, b) => a.dueAt - b.dueAt)
        waiting = waiting.filter(({ dueAt }) => dueAt > until)
        expected.push(...due.map(({ id, dueAt }) => `${id} at ${dueAt}`))
        now = until
      }
      for (const { does, id, delayMs } of [...steps, { does: 'pass' as const, id: 0, delayMs: 100 }]) {
        const waits = waiting.some((one) => one.id === id)
        if (does === 'publish') {
          await bus.dp.publish('x', { id: `${id}`, delayMs })
          if (!waits) waiting.push({ id, dueAt: now + delayMs })
          comeDue(now)
        } else if (does === 'cancel') {
          if ((await bus.dp.cancel(`${id}`)) !== waits) expected.push(`cancel(${id}) should give ${waits}`)
          waiting = waiting.filter((one) => one.id !== id)
        } else {
          bus.clock.advance(delayMs)
          comeDue(now + delayMs)
        }
        expect(ran).toEqual(expected)
      }
      expect(bus.clock.timers).toBe(0)
      await bus.dp.stop()
    }),
    { numRuns: 200 },
  )
})
