import { randomInt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { type Context, defineEvent, defineQuery, Dispatcher, fixed, InvalidOption, retry } from '../../index.ts'
import { type SimulatedNode, SimulationFailed, simulate, type SimulateOptions, VirtualClock } from '../index.ts'

class Transfer extends defineEvent<{ amount: number }>('bank.transfer') {}
class Balance extends defineQuery<object, number>('bank.balance') {}

class Bank {
  anna = 100
  readonly known = new Set<string>()
  charge(amount: number, id?: string): void {
    if (id !== undefined && this.known.has(id)) return
    if (id !== undefined) this.known.add(id)
    this.anna -= amount
  }
}

type Handle = (
  message: Transfer,
  deps: { readonly context: Context; readonly bank: { charge(amount: number, id?: string): Promise<void> } },
) => unknown

const bankOf =
  (handle: Handle) =>
  ({ options, world, remote }: SimulatedNode<Bank>): Dispatcher => {
    const bank = remote('bank', world)
    const dp = new Dispatcher({ ...options, recover: retry({ attempts: 20, backoff: fixed(100) }) })
    dp.events.bind(Transfer, (message, { context }) => handle(message, { context, bank }), { name: 'transfer' })
    return dp
  }

const charges: Handle = ({ amount }, { bank }) => bank.charge(amount)
const chargesOnce: Handle = ({ amount }, { bank, context }) => bank.charge(amount, context.id)

const transferring: SimulateOptions<Bank> = {
  world: () => new Bank(),
  messages: [1, 2, 3].map((amount) => [new Transfer({ amount }), { id: `transfer-${amount}`, key: 'anna' }] as const),
  invariant: ({ world, messages, isSettled }) => {
    const due = (messages as Transfer[]).reduce((sum, { amount }) => sum + amount, 0)
    if (isSettled && world.anna !== 100 - due) throw new Error(`anna has ${world.anna}, and not ${100 - due}`)
  },
  seeds: 300,
}

const failure = async (simulation: Promise<unknown>): Promise<SimulationFailed> => {
  const error = await simulation.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(SimulationFailed)
  return error as SimulationFailed
}

describe('a program that looks right', () => {
  test('is found to do things twice, and the run is made small', async () => {
    const { timeline, message, cause } = await failure(simulate(bankOf(charges), transferring))
    expect(timeline.length).toBeLessThan(10)
    expect(timeline.filter((line) => line.startsWith('publish'))).toHaveLength(1)
    expect(cause).toMatchObject({ message: expect.stringMatching(/^anna has \d+, and not \d+$/) })
    expect(message).toContain(timeline[0])
  })

  test.each(['crash', 'lost-answer'] as const)('is found by %s alone', async (fault) => {
    const { timeline } = await failure(simulate(bankOf(charges), { ...transferring, faults: [fault] }))
    expect(timeline.join('\n')).toContain(fault === 'crash' ? 'crashes' : 'the answer gets lost')
    expect(timeline.filter((line) => /^bank\.charge\(\d+\)$/.test(line))).toHaveLength(2)
  })

  test('what was found is repeated by what was printed', async () => {
    const { replay, timeline } = await failure(simulate(bankOf(charges), transferring))
    const again = await failure(simulate(bankOf(charges), { ...transferring, replay }))
    expect([again.timeline, again.replay]).toEqual([timeline, replay])
    await expect(simulate(bankOf(chargesOnce), { ...transferring, replay })).resolves.toMatchObject({ runs: 1 })
  })

  test('is right where nothing goes wrong', async () => {
    await expect(simulate(bankOf(charges), { ...transferring, faults: [] })).resolves.toMatchObject({ runs: 300 })
  })
})

test('a program that is right stays so, and what went wrong is counted', async () => {
  const { runs, steps, faults } = await simulate(bankOf(chargesOnce), transferring)
  expect(runs).toBe(300)
  expect(steps).toBeGreaterThan(300 * 20)
  for (const count of Object.values(faults)) expect(count).toBeGreaterThan(0)
})

test('the same seed gives the same run, whatever was run before', async () => {
  const lines: (readonly string[])[] = []
  for (const firstSeed of [5, 1, 5]) {
    const never: SimulateOptions<Bank> = {
      ...transferring,
      firstSeed,
      seeds: 1,
      invariant: ({ isSettled }) => {
        if (isSettled) throw new Error('looked at')
      },
    }
    const { timeline } = await failure(simulate(bankOf(chargesOnce), never))
    lines.push(timeline)
  }
  expect(lines[2]).toEqual(lines[0])
})

test('effects in a transaction of the world happen once, with what is caused', async () => {
  class Charged extends defineEvent<{ amount: number }>('bank.charged') {}
  interface Books {
    readonly charged: number[]
    readonly mailed: Set<number>
  }
  const make = ({ options, world }: SimulatedNode<Books>): Dispatcher => {
    const dp = new Dispatcher({ ...options, recover: retry({ attempts: 20, backoff: fixed(100) }) })
    dp.events.bind(
      Transfer,
      ({ amount }, { context }) =>
        context.commit((tx) => {
          ;(tx as unknown as number[]).push(amount)
          context.publish(new Charged({ amount }))
        }),
      { name: 'charge' },
    )
    dp.events.bind(Charged, ({ amount }) => void world.mailed.add(amount), { name: 'mail' })
    return dp
  }
  const report = await simulate<Books>(make, {
    world: () => ({ charged: [], mailed: new Set() }),
    messages: transferring.messages,
    seeds: 300,
    transaction: ({ charged }) => {
      const tx: number[] = []
      return { tx, commit: () => void charged.push(...tx), rollback: () => {} }
    },
    invariant: ({ world, isSettled }) => {
      expect(new Set(world.charged).size).toBe(world.charged.length)
      expect(isSettled ? [world.charged.length, world.mailed.size] : [3, 3]).toEqual([3, 3])
    },
  })
  expect(report.runs).toBe(300)
})

test('the invariant is asked after each step', async () => {
  let asked = 0
  const { steps } = await simulate(bankOf(chargesOnce), {
    ...transferring,
    seeds: 1,
    invariant: () => void (asked += 1),
  })
  expect(asked).toBeGreaterThan(steps)
})

test('schedules come due in the time that a run goes on for', async () => {
  const fired: number[] = []
  await simulate(
    ({ options }) => {
      const dp = new Dispatcher(options)
      dp.events.bind(Transfer, ({ amount }) => void fired.push(amount), { name: 'transfer' })
      dp.schedule('hourly', { everyMs: 3_600_000 }, () => new Transfer({ amount: 7 }))
      return dp
    },
    { messages: [], forMs: 3 * 3_600_000, faults: [], seeds: 1 },
  )
  expect(fired).toEqual([7, 7, 7])
})

describe('what no seed decides is found', () => {
  const cases: readonly (readonly [string, Handle])[] = [
    ['Date.now()', () => Date.now()],
    ['new Date()', () => new Date()],
    ['Math.random()', () => Math.random()],
    ['performance.now()', () => performance.now()],
    ['crypto.randomUUID()', () => crypto.randomUUID()],
    ['setTimeout()', () => new Promise((resolve) => setTimeout(resolve, 1))],
    ['setImmediate()', () => new Promise((resolve) => setImmediate(resolve))],
  ]
  test.each(cases)('%s in a handler', async (call, handle) => {
    const { cause } = await failure(
      simulate(bankOf(handle), { ...transferring, faults: [], seeds: 1, invariant: () => {} }),
    )
    expect(cause).toMatchObject({
      code: 'NON_DETERMINISTIC',
      message: expect.stringContaining(`events/transfer calls ${call}`),
    })
    expect((cause as Error).message).toContain('simulate.test.ts')
  })

  test('a date that is made of a time is none, and nothing is left behind', async () => {
    const globals = (): unknown[] => [
      Date,
      Reflect.get(Date, 'now'),
      Math.random,
      setTimeout,
      Reflect.get(performance, 'now'),
    ]
    const before = globals()
    await simulate(
      bankOf((_, { context }) => new Date(context.time.getTime() + 1)),
      { ...transferring, faults: [], seeds: 1, invariant: () => {} },
    )
    expect(globals()).toEqual(before)
    expect(new Date()).toBeInstanceOf(Date)
  })

  test('a real request to the world outside', async () => {
    const { cause } = await failure(
      simulate(
        bankOf(() => readFile(import.meta.filename)),
        { ...transferring, faults: [], seeds: 1, invariant: () => {} },
      ),
    )
    expect(cause).toMatchObject({ message: expect.stringContaining('world outside') })
  })

  test('and for the rest, what fails is run once more', async () => {
    const handle: Handle = async ({ amount }, { bank }) => {
      if (randomInt(2) === 0) await bank.charge(amount)
    }
    const causes: unknown[] = []
    for (let n = 0; n < 10; n += 1) causes.push((await failure(simulate(bankOf(handle), transferring))).cause)
    expect(causes).toContainEqual(
      expect.objectContaining({ code: 'NON_DETERMINISTIC', message: expect.stringContaining('two different runs') }),
    )
  })
})

describe('what cannot be simulated is refused', () => {
  test.each<[Partial<SimulateOptions<Bank>>, string]>([
    [{ seeds: 0 }, 'seeds is 0'],
    [{ firstSeed: -1 }, 'firstSeed is -1'],
    [{ faults: ['fire' as never] }, 'There is no fault "fire"'],
    [{ messages: 'all' as never }, 'messages is "all"'],
    [{ replay: 'twice' }, 'replay is "twice"'],
    [{ replay: '1 faults:fire@1.0' }, 'replay is'],
    [{ forMs: Number.NaN }, 'forMs is NaN'],
    [{ seed: 1 } as never, 'seed'],
  ])('%o', async (options, text) => {
    const simulation = simulate(bankOf(charges), { ...transferring, ...options })
    await expect(simulation).rejects.toThrow(InvalidOption)
    await expect(simulation).rejects.toThrow(text)
  })

  test('a dispatcher of its own time', async () => {
    const { cause } = await failure(
      simulate(
        ({ options: { store } }) => {
          const dp = new Dispatcher({ store, clock: new VirtualClock() })
          dp.queries.bind(Balance, () => 1, { name: 'balance' })
          return dp
        },
        { messages: [] },
      ),
    )
    expect(cause).toMatchObject({ code: 'NOT_SIMULATED' })
  })

  test('what does not come to rest', async () => {
    const { cause } = await failure(
      simulate(
        bankOf(() => new Promise(() => {})),
        { ...transferring, faults: [], seeds: 1 },
      ),
    )
    expect(cause).toMatchObject({
      code: 'STUCK',
      message: expect.stringContaining('events/transfer has bank.transfer of the key anna, which is running'),
    })
  })
})
