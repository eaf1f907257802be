import { describe, expect, test } from 'vitest'
import { type Context, defineCommand, defineEvent, Dispatcher, fixed, NonRetryable, retry } from '../../index.ts'
import {
  type SimulatedNode,
  type SimulatedTransaction,
  SimulationFailed,
  simulate,
  type SimulateOptions,
} from '../index.ts'

class Placed extends defineEvent<{ n: number }>('shop.placed') {}
class Ship extends defineCommand<{ n: number }>('shop.ship') {}

interface World {
  readonly placed: number[]
}

type Deps = { readonly context: Context; readonly world: World; readonly log: { note(n: number): Promise<void> } }

const shopOf =
  (handle: (message: Placed, deps: Deps) => unknown) =>
  ({ options, world, remote }: SimulatedNode<World>): Dispatcher => {
    const dp = new Dispatcher({ ...options, recover: retry({ attempts: 20, backoff: fixed(100) }) })
    const log = remote('log', { note: (_n: number) => {} })
    dp.events.bind(Placed, (message, { context }) => handle(message, { context, world, log }), { name: 'place' })
    return dp
  }

const placing: SimulateOptions<World> = {
  world: () => ({ placed: [] }),
  messages: [1, 2].map((n) => [new Placed({ n }), { id: `placed-${n}`, key: 'all' }] as const),
  seeds: 200,
}

const findingOf = async (simulation: Promise<unknown>): Promise<SimulationFailed> => {
  const error = await simulation.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(SimulationFailed)
  return error as SimulationFailed
}

const places = shopOf(({ n }, { world }) => void world.placed.push(n))

describe('a program that is wrong is told so', () => {
  test('it writes past its transaction', async () => {
    const make = shopOf(({ n }, { context, world }) => context.commit(() => void world.placed.push(n)))
    const { timeline } = await findingOf(
      simulate(make, {
        ...placing,
        faults: ['store-failure'],
        invariant: ({ world: { placed } }) => expect(new Set(placed).size).toBe(placed.length),
      }),
    )
    expect(timeline).toContain('the store fails at the commit: settle')
    expect(timeline.length).toBeLessThan(10)
  })

  test('it does not wait for a call, and nobody would hear of its failure', async () => {
    const make = shopOf(({ n }, { log }) => void log.note(n))
    const { cause } = await findingOf(simulate(make, { ...placing, faults: ['call-failure'] }))
    expect(cause).toMatchObject({ code: 'UNAWAITED', message: expect.stringContaining('log.note(1) was not awaited') })
  })

  test('it waits for a call, and hears of its failure', async () => {
    const make = shopOf(({ n }, { log }) => log.note(n))
    await expect(simulate(make, { ...placing, faults: ['call-failure'] })).resolves.toMatchObject({ dead: 0 })
  })

  test('nobody handles what it is given', async () => {
    const { cause, message } = await findingOf(simulate(places, { ...placing, messages: [new Ship({ n: 1 })] }))
    expect(cause).toMatchObject({ code: 'HANDLER_DOES_NOT_EXIST' })
    expect(message).toContain('send shop.ship')
  })

  test('it has started its dispatcher', async () => {
    const make = async (node: SimulatedNode<World>): Promise<Dispatcher> => {
      const dp = places(node)
      await dp.start()
      return dp
    }
    const { cause, message } = await findingOf(simulate(make, placing))
    expect(cause).toMatchObject({ code: 'NOT_SIMULATED', message: expect.stringContaining('has started') })
    expect(message).toContain('nothing has happened before')
  })

  test.each<[string, () => void]>([
    ['gave a promise', async () => {}],
    [
      'threw: the disk is full',
      () => {
        throw new Error('the disk is full')
      },
    ],
  ])('the commit of its transaction %s', async (text, commit) => {
    const make = shopOf((_, { context }) => context.commit(() => {}))
    const transaction = (): SimulatedTransaction => ({ tx: {}, commit, rollback: () => {} })
    const { cause } = await findingOf(simulate(make, { ...placing, transaction }))
    expect(cause).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(text) })
  })

  test('its invariant is a promise', async () => {
    const invariant = (async () => {}) as () => void
    const { cause } = await findingOf(simulate(places, { ...placing, invariant }))
    expect(cause).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('invariant gave a promise'),
    })
  })

  test('it needs more steps than it may take', async () => {
    const { cause } = await findingOf(simulate(places, { ...placing, maxSteps: 3 }))
    expect(cause).toMatchObject({ code: 'STUCK', message: expect.stringContaining('raise maxSteps') })
  })

  test('it is not given the message that the replay is about', async () => {
    await expect(simulate(places, { ...placing, replay: '1 messages:7 faults: calm' })).rejects.toThrow(
      'replay has the message 7, and there are 2',
    )
  })
})

test('what has failed for good is told to the invariant, and counted', async () => {
  const make = shopOf(({ n }) => {
    if (n === 2) throw new NonRetryable('refused')
  })
  const seen = new Set<string>()
  const { dead } = await simulate(make, {
    ...placing,
    faults: [],
    invariant: (state) => {
      for (const one of state.dead) seen.add(`${one.handler}: ${one.error.message}, ${(one.message as Placed).n}`)
    },
  })
  expect(dead).toBe(200)
  expect([...seen]).toEqual(['events/place: refused, 2'])
})

test('of a long run, its beginning and its end are printed', async () => {
  const { message, timeline } = await findingOf(
    simulate(places, {
      ...placing,
      messages: Array.from({ length: 100 }, (_, n) => new Placed({ n })),
      faults: [],
      invariant: ({ world }) => {
        if (world.placed.length > 90) throw new Error('more than 90')
      },
    }),
  )
  expect(timeline.length).toBeGreaterThan(100)
  expect(message.split('\n').length).toBeLessThan(100)
  expect(message).toContain(`${timeline.length - 80} more: error.timeline has all of them`)
})
