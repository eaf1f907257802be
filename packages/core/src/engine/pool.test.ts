import { setImmediate as nextTurn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Context, Dispatcher, type DispatcherOptions } from '../index.ts'

/** How many of a lane a worker runs in a row while others wait. */
const BURST = 32

const messages = { 'events/a': 'A', 'events/b': 'B', 'commands/c': 'C', 'queries/q': 'Q' } as const
type Name = keyof typeof messages
const names = Object.keys(messages) as Name[]
const routerOf = (name: string): string => name.slice(0, name.indexOf('/'))

/** A dispatcher whose first delivery ends when the test says so; the others too, or at once. */
async function world(options: DispatcherOptions, ends: 'at once' | 'when told') {
  const dp = new Dispatcher({ logger: { debug() {}, info() {}, warn() {}, error() {} }, ...options })
  const started: { readonly handler: string; readonly key: string | undefined }[] = []
  const held: (() => void)[] = []
  const run = (_message: unknown, { context: { handler, key } }: { context: Context }) => {
    started.push({ handler, key })
    if (ends === 'at once' && started.length > 1) return undefined
    return new Promise<void>((resolve) => held.push(resolve))
  }
  dp.events.bind('A', (message, deps) => run(message, deps), { name: 'a' })
  dp.events.bind('B', (message, deps) => run(message, deps), { name: 'b' })
  dp.commands.bind('C', (message, deps) => run(message, deps), { name: 'c' })
  dp.queries.bind('Q', (message, deps) => run(message, deps), { name: 'q' })
  await dp.start()
  const tell = (name: Name, key?: string): void => void dp.handle(messages[name], { key })
  const runAll = async (): Promise<void> => {
    while (held.length > 0) {
      held.shift()?.()
      await nextTurn()
    }
  }
  return { dp, tell, started, held, runAll }
}

describe.each(['at once', 'when told'] as const)('with one worker, and handlers that end %s,', (ends) => {
  test('another key starts after no more than a burst of the hot one', async () => {
    const { tell, started, runAll } = await world({ workers: 1 }, ends)
    for (let n = 0; n < (ends === 'at once' ? 10_000 : 200); n += 1) tell('events/a', 'hot')
    tell('events/a', 'other')
    tell('commands/c')
    await runAll()
    const others = started.flatMap(({ key }, index) => (key === 'hot' ? [] : [index]))
    expect(others).toEqual([BURST + 1, BURST + 2])
  })

  test('a hot key keeps its worker while nobody else wants it', async () => {
    const { tell, started, runAll } = await world({ workers: 1 }, ends)
    for (let n = 0; n < 100; n += 1) tell('events/a', 'hot')
    await runAll()
    expect(started).toHaveLength(100)
  })

  test('two handlers take turns, though one of them has a hundred waiting when the other comes', async () => {
    const { tell, started, runAll } = await world({ workers: 1 }, ends)
    for (let n = 0; n < 100; n += 1) tell('events/a')
    for (let n = 0; n < 3; n += 1) tell('events/b')
    await runAll()
    const turns = started.flatMap(({ handler }, index) => (handler === 'events/b' ? [index] : []))
    expect(turns).toEqual([2, 4, 6])
  })

  test('the flood of one router, from many handlers, does not starve another', async () => {
    const { tell, started, runAll } = await world({ workers: 1 }, ends)
    for (let n = 0; n < 100; n += 1) {
      tell('events/a')
      tell('events/b')
    }
    for (let n = 0; n < 3; n += 1) tell('commands/c')
    await runAll()
    const turns = started.flatMap(({ handler }, index) => (handler === 'commands/c' ? [index] : []))
    expect(turns).toEqual([2, 4, 6])
  })
})

test('a place that is given back under a handler over its own limit is for the others of its router', async () => {
  const { dp, tell, started, held } = await world({ events: { workers: 2 } }, 'when told')
  for (const name of ['events/a', 'events/a', 'events/b'] as const) tell(name)
  dp.limits.handler('events/a').workers = 1
  held.shift()?.()
  await nextTurn()
  expect(started.map(({ handler }) => handler)).toEqual(['events/a', 'events/a', 'events/b'])
})

test('whoever waits for a worker is passed by each other router once, and by each other handler of its own', async () => {
  const limit = fc.constantFrom(1, 2, 3, Number.POSITIVE_INFINITY)
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ tell: fc.constantFrom(...names), times: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 4, arbitrary: fc.record({ end: fc.nat(9) }) },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      limit,
      fc.array(step, { maxLength: 60 }),
      async (workers, of, steps) => {
        const { tell, started, held } = await world({ workers, events: { workers: of } }, 'when told')
        const waiting = new Map<string, number>(names.map((name) => [name, 0]))
        const running: string[] = []
        const passed = new Map<string, number>()
        let seen = 0
        const look = () => {
          for (const { handler } of started.slice(seen)) {
            const waits = (name: string): boolean => (waiting.get(name) as number) > 0
            waiting.set(handler, (waiting.get(handler) as number) - 1)
            passed.set(handler, 0)
            for (const name of names) {
              if (name === handler) continue
              const isFull =
                routerOf(name) === 'events' && running.filter((one) => routerOf(one) === 'events').length >= of
              if (waits(name) && !isFull) passed.set(name, (passed.get(name) ?? 0) + 1)
              else passed.set(name, 0)
            }
            running.push(handler)
          }
          seen = started.length
        }
        for (const one of steps) {
          if ('tell' in one)
            for (let n = 0; n < one.times; n += 1) {
              waiting.set(one.tell, (waiting.get(one.tell) as number) + 1)
              tell(one.tell)
            }
          else if (held.length > 0) {
            const index = one.end % held.length
            running.splice(index, 1)
            held.splice(index, 1)[0]?.()
          }
          await nextTurn()
          look()
          // Both handlers of the events get every second turn of their router, which gets every third one.
          for (const name of names)
            expect(passed.get(name) ?? 0, name).toBeLessThanOrEqual(routerOf(name) === 'events' ? 5 : 2)
        }
      },
    ),
    { numRuns: 200 },
  )
})
