import { describe, expect, test } from 'vitest'
import { ScriptedBus } from '../../test/scripted-bus.ts'
import {
  type DispatcherOptions,
  defineCommand,
  defineQuery,
  InvalidOption,
  type Scheduled,
  type When,
} from '../index.ts'

const HOUR = 3_600_000

/** A bus with a handler of event `x` that notes the ids of what it is given, and when. */
function bus(options: DispatcherOptions = {}) {
  const scripted = new ScriptedBus(options)
  const fired: string[] = []
  scripted.dp.events.bind('x', (_message, { context }) => void fired.push(`${context.id} at ${scripted.clock.now()}`))
  const said = (level: 'info' | 'error') => scripted.logger[level].mock.calls.map(([, text]) => text as string)
  return { dp: scripted.dp, clock: scripted.clock, pass: (ms: number) => scripted.pass(ms), fired, said, scripted }
}
const at = (name: string, ms: number, late = 0): string =>
  `schedule:${name}:${new Date(ms).toISOString()} at ${ms + late}`
const x = (): 'x' => 'x'

describe('a schedule', () => {
  test('fires at the multiples of its milliseconds since 1970, each once, with one timer', async () => {
    const { dp, clock, pass, fired } = bus()
    dp.schedule('s', { everyMs: 1_000 }, x)
    clock.advance(300)
    await dp.start()
    await pass(699)
    expect(fired).toEqual([])
    expect(clock.timers).toBe(1)
    clock.advance(2_001)
    expect(fired).toEqual([at('s', 1_000), at('s', 2_000), at('s', 3_000)])
    expect(clock.timers).toBe(1)
  })

  test('may be made after the start, and ended', async () => {
    const { dp, clock, pass, fired } = bus()
    await dp.start()
    dp.schedule('a', { everyMs: 1_000 }, x)
    dp.schedule('b', { everyMs: 600 }, x)
    await pass(1_000)
    expect(fired).toEqual([at('b', 600), at('a', 1_000)])
    expect(await dp.unschedule('b')).toBe(true)
    expect(await dp.unschedule('b')).toBe(false)
    await pass(1_000)
    expect(fired).toEqual([at('b', 600), at('a', 1_000), at('a', 2_000)])
    await dp.unschedule('a')
    expect(clock.timers).toBe(0)
    dp.schedule('b', { everyMs: 500 }, x)
    await pass(500)
    expect(fired.at(-1)).toBe(at('b', 2_500))
  })

  test('publishes events and sends commands, with the options that come with them, and tells when it was due', async () => {
    class Act extends defineCommand<{ n: number }>('act') {}
    const { dp, clock, scripted } = bus()
    const seen: unknown[] = []
    dp.commands.bind(Act, ({ n }, { context }) => void seen.push([n, context.key, context.headers['tenant']]))
    scripted.bind('y', {}, { to: 'y' })
    dp.schedule('s', { everyMs: 10 }, (dueAt) => [new Act({ n: +dueAt }), { key: 'k', headers: { tenant: 't' } }])
    dp.schedule('t', { everyMs: 10 }, () => ['y'])
    await dp.start()
    clock.advance(10)
    expect(seen).toEqual([[10, 'k', 't']])
    expect(scripted.runs).toEqual(['y schedule:t:1970-01-01T00:00:00.010Z'])
  })

  test('goes on where its message cannot be made, and says so', async () => {
    class Ask extends defineQuery<{ n: number }, number>('ask') {}
    const { dp, pass, fired, said } = bus()
    dp.queries.bind(Ask, () => 1)
    const made: (() => unknown)[] = [
      () => {
        throw new Error('boom')
      },
      () => undefined,
      () => Promise.reject(new Error('late')),
      () => new Ask({ n: 1 }),
      () => 'unknown',
      () => ['x', { id: '1' }],
      () => ['x', { delayMs: 1 }],
      () => [],
      () => ['x', null],
    ]
    dp.schedule('s', { everyMs: 10 }, (dueAt) => (made[dueAt.getTime() / 10 - 1] ?? x)() as Scheduled)
    await dp.start()
    await pass(100)
    expect(said('error')).toEqual([
      expect.stringContaining(
        "Schedule 's' failed for 1970-01-01T00:00:00.010Z; it goes on with the next due time: boom",
      ),
      expect.stringContaining('made undefined. Return an event or a command'),
      expect.stringContaining('made a promise'),
      expect.stringContaining("'ask' is of kind 'query'"),
      expect.stringContaining("No handler is bound to 'unknown'"),
      expect.stringContaining("has no option 'id'"),
      expect.stringContaining("has no option 'delayMs'"),
      expect.stringContaining('made undefined'),
      expect.stringContaining('are null'),
    ])
    expect(fired).toEqual([at('s', 100)])
  })

  test('may end by itself', async () => {
    const { dp, clock, pass, fired } = bus()
    dp.schedule('s', { next: (after) => [10, 20].find((time) => time > after) }, x)
    await dp.start()
    await pass(100)
    expect(fired).toEqual([at('s', 10), at('s', 20)])
    expect(clock.timers).toBe(0)
  })

  test('whose next() fails later does not go on, and others do', async () => {
    const { dp, pass, fired, said } = bus()
    const when: When = { next: (after) => (after < 10 ? 10 : after) }
    dp.schedule('s', when, x)
    dp.schedule('t', { everyMs: 20 }, x)
    await dp.start()
    await pass(40)
    expect(fired).toEqual([at('t', 20), at('t', 40)])
    expect(said('error')).toEqual([
      expect.stringContaining('it does not go on until it is scheduled anew: next(10) of'),
    ])
  })

  test('can be ended, and the bus stopped, by what it has fired', async () => {
    const { dp, clock, scripted, fired } = bus()
    scripted.dp.events.bind('end', () => dp.unschedule('b'))
    scripted.dp.events.bind('stop', () => void dp.stop())
    dp.schedule('a', { everyMs: 10 }, () => 'end')
    dp.schedule('b', { everyMs: 10 }, x)
    dp.schedule('c', { everyMs: 20 }, () => 'stop')
    dp.schedule('d', { everyMs: 20 }, x)
    await dp.start()
    clock.advance(10)
    expect(fired).toEqual([])
    clock.advance(90)
    await scripted.rest()
    expect(fired).toEqual([])
    expect(clock.timers).toBe(0)
  })

  test('that is due when another one stops the bus has been missed, and fires at the next start', async () => {
    const { dp, clock, fired } = bus()
    dp.events.bind('stop', () => void dp.stop())
    dp.schedule('c', { everyMs: 20 }, () => 'stop')
    dp.schedule('d', { everyMs: 20 }, x)
    await dp.start()
    clock.advance(20)
    await dp.stop()
    expect(fired).toEqual([])
    await dp.unschedule('c')
    await dp.start()
    expect(fired).toEqual([at('d', 20)])
  })

  test.each<[unknown[], string]>([
    [['', { everyMs: 1 }, x], 'The name of a schedule is ""'],
    [[7, { everyMs: 1 }, x], 'The name of a schedule is 7'],
    [['s', { everyMs: 0 }, x], 'everyMs is 0'],
    [['s', { everyMs: 1.5 }, x], 'everyMs is 1.5'],
    [['s', { everyMs: 1, every: 1 }, x], "has no option 'every'"],
    [['s', '* * * * *', x], 'Pass { everyMs }, cron()'],
    [['s', {}, x], 'Pass { everyMs }, cron()'],
    [['s', { next: () => 0 }, x], 'next(0) of schedule'],
    [['s', { everyMs: 1 }, 'x'], 'What makes the messages of schedule'],
    [['s', { everyMs: 1 }, x, { missed: 'all' }], 'missed is "all". Pass \'fire-once\''],
    [['s', { everyMs: 1 }, x, { mised: 'skip' }], "has no option 'mised'"],
    [['s', { everyMs: 1 }, x, null], 'are null'],
    [['taken', { everyMs: 1 }, x], "There is a schedule 'taken' already"],
  ])('is refused: %o', (given, text) => {
    const { dp } = bus()
    dp.schedule('taken', { everyMs: 1 }, x)
    const schedule = () => dp.schedule(...(given as Parameters<typeof dp.schedule>))
    expect(schedule).toThrow(InvalidOption)
    expect(schedule).toThrow(text)
  })
})

describe('due times that pass', () => {
  const stopped = async (options: DispatcherOptions, missed?: 'skip' | 'fire-all') => {
    const all = bus(options)
    all.dp.schedule('s', { everyMs: HOUR }, x, { missed })
    await all.dp.start()
    await all.pass(HOUR + 1)
    await all.dp.stop()
    expect(all.clock.timers).toBe(0)
    await all.pass(3 * HOUR)
    all.fired.length = 0
    await all.dp.start()
    return all
  }
  const startedAt = 4 * HOUR + 1

  test('while the bus was stopped fire as one, the latest, and then it goes on', async () => {
    const { fired, pass, said } = await stopped({})
    expect(fired).toEqual([at('s', 4 * HOUR, 1)])
    expect(said('info')).toEqual([
      "Due times of schedule 's' have passed, from 1970-01-01T02:00:00.000Z to 1970-01-01T04:00:00.000Z: " +
        "1 of them fired ('fire-once'), the others are left.",
    ])
    await pass(HOUR - 1)
    expect(fired.slice(1)).toEqual([at('s', 5 * HOUR)])
  })

  test.each([
    [{ missedSchedules: 'skip' } as const, undefined],
    [{}, 'skip'],
  ] as const)('do not fire with %o and %o', async (options, missed) => {
    const { fired, pass } = await stopped(options, missed)
    expect(fired).toEqual([])
    await pass(HOUR - 1)
    expect(fired).toEqual([at('s', 5 * HOUR)])
  })

  test('fire each', async () => {
    const { fired } = await stopped({ missedSchedules: 'fire-all' })
    const each = [2, 3, 4].map((hours) => at('s', hours * HOUR, startedAt - hours * HOUR))
    expect(fired).toEqual(each)
  })

  test('fire each, until the schedule is ended', async () => {
    const { dp, pass, fired } = bus({ missedSchedules: 'fire-all' })
    dp.schedule('s', { everyMs: 10 }, () => (fired.length === 2 ? 'end' : 'x'))
    dp.events.bind('end', () => dp.unschedule('s'))
    await dp.start()
    await dp.stop()
    await pass(100)
    await dp.start()
    expect(fired).toHaveLength(2)
  })

  test('fire up to a thousand, and an error tells of the others', async () => {
    const { dp, fired, pass, said } = bus({ missedSchedules: 'fire-all' })
    dp.schedule('s', { everyMs: 10 }, x)
    await dp.start()
    await dp.stop()
    await pass(20_000)
    await dp.start()
    expect(fired).toHaveLength(1_000)
    expect(said('error')).toEqual([expect.stringContaining('1000 of them fired')])
    await pass(10)
    expect(fired.at(-1)).toBe(at('s', 20_010))
  })

  test.each([
    ['fire-once', 1],
    ['skip', 0],
  ] as const)('while the machine slept are missed: %s', async (missed, count) => {
    const { dp, clock, pass, fired } = bus()
    let sleptMs = 0
    const now = clock.now.bind(clock)
    clock.now = () => now() + sleptMs
    dp.schedule('s', { everyMs: HOUR }, x, { missed })
    await dp.start()
    sleptMs = 10.5 * HOUR // The timer does not know.
    await pass(60_000)
    expect(fired).toHaveLength(count)
    await pass(HOUR / 2)
    expect(fired).toHaveLength(count + 1)
  })

  test('by a little, since the process was busy, have not been missed', async () => {
    const { dp, clock, pass, fired } = bus()
    let busyMs = 0
    const now = clock.now.bind(clock)
    clock.now = () => now() + busyMs
    dp.schedule('s', { everyMs: HOUR }, x, { missed: 'skip' })
    await dp.start()
    await pass(HOUR - 1_000)
    busyMs = 3_000
    await pass(1_000)
    expect(fired).toEqual([at('s', HOUR, 3_000)])
  })
})

test('the option missedSchedules is checked', () => {
  expect(() => new ScriptedBus({ missedSchedules: 'once' as never })).toThrow('missedSchedules is "once"')
})

test('a schedule fires where the bus is full: it is not held back', async () => {
  const { dp, pass, fired, scripted } = bus({ capacity: { high: 1, low: 0 }, whenFull: 'throw' })
  let release = (): void => {}
  dp.events.bind('slow', () => new Promise<void>((resolve) => (release = resolve)), { workers: 1 })
  dp.schedule('s', { everyMs: 10 }, x)
  await dp.start()
  await dp.publish('slow')
  await dp.publish('slow')
  await expect(dp.publish('slow')).rejects.toThrow('capacity is 1')
  await pass(10)
  expect(fired).toEqual([at('s', 10)])
  release()
  await scripted.rest()
  release()
  await dp.stop()
})
