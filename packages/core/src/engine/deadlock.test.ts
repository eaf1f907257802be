import { setImmediate as nextTurn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { silent } from '../../test/silent.ts'
import { type Context, type Delivery, Dispatcher, type DispatcherOptions, Engine, LaneDeadlock } from '../index.ts'

type Handlers = Record<string, { workers?: number; run: (context: Context) => unknown }>

/** A started dispatcher with these handlers of commands. */
async function dispatcherOf(handlers: Handlers, options: DispatcherOptions = {}): Promise<Dispatcher> {
  const dp = new Dispatcher({ logger: silent, ...options })
  for (const [name, { run, workers }] of Object.entries(handlers)) {
    dp.commands.bind(name, (_message, { context }) => run(context), { name, ...(workers && { workers }) })
  }
  await dp.start()
  return dp
}

/** What the promise comes to by itself, without time passing: a hang is told as such. */
async function endOf(promise: Promise<unknown>): Promise<unknown> {
  let end: unknown = 'pending'
  promise.then(
    (value) => (end = value),
    (error: unknown) => (end = error instanceof LaneDeadlock ? error.code : String(error)),
  )
  for (let turn = 0; turn < 5; turn += 1) await nextTurn()
  return end
}

describe('a request that would wait for itself is refused', () => {
  test('in the lane of its own handler', async () => {
    const dp = await dispatcherOf({ a: { run: (context) => context.request('a', { key: 'k' }) } })
    expect(await endOf(dp.request('a', { key: 'k' }))).toBe('LANE_DEADLOCK')
    await dp.stop()
  })

  test('between two lanes that request each other', async () => {
    const turn = (to: string, key: string) => async (context: Context) => {
      await nextTurn()
      return context.request(to, { key })
    }
    const dp = await dispatcherOf({ a: { run: turn('b', 'y') }, b: { run: turn('a', 'x') } })
    const ends = [endOf(dp.request('a', { key: 'x' })), endOf(dp.request('b', { key: 'y' }))]
    expect(await Promise.all(ends)).toContain('LANE_DEADLOCK')
    await dp.stop()
  })

  test('over a chain of three handlers, with the circle and a remedy in the message', async () => {
    const ask = (to: string) => (context: Context) => context.request(to, { key: 'k' })
    const dp = await dispatcherOf({ a: { run: ask('b') }, b: { run: ask('c') }, c: { run: ask('a') } })
    const error = await dp.request('a', { key: 'k' }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(LaneDeadlock)
    const { message, circle } = error as LaneDeadlock
    for (const name of ['commands/a', 'commands/b', 'commands/c']) expect(message).toContain(name)
    expect(circle.join()).toContain("'k'")
    expect(message).toContain('allow more workers')
    await dp.stop()
  })

  test('where two workers wait for a third', async () => {
    const both = Promise.withResolvers<void>()
    let started = 0
    const run = async (context: Context) => {
      started += 1
      if (started === 2) both.resolve()
      await both.promise
      return context.request('b')
    }
    const dp = await dispatcherOf({ a: { run }, b: { run: () => 'answer' } }, { workers: 2 })
    // The second one to ask is refused; when that has ended, the first one has its answer.
    const ends = await Promise.all([endOf(dp.request('a')), endOf(dp.request('a'))])
    expect(ends.sort()).toEqual(['LANE_DEADLOCK', 'answer'])
    await dp.stop()
  })
})

describe('a request with a deadline of its own is never refused', () => {
  test.each(['timeoutMs', 'signal'])('%s', async (how) => {
    const clock = new ManualClock()
    const abort = new AbortController()
    const options = how === 'signal' ? { signal: abort.signal } : { timeoutMs: 10 }
    const run = (context: Context) => context.request('a', { key: 'k', ...options })
    const dp = await dispatcherOf({ a: { run } }, { clock })
    const answer = dp.request('a', { key: 'k' })
    expect(await endOf(answer)).toBe('pending')
    clock.advance(10)
    abort.abort()
    await expect(answer).rejects.toMatchObject({ code: how === 'signal' ? 'ABORTED' : 'TIMED_OUT' })
    await dp.stop()
  })
})

describe('a request does not hang', () => {
  test('behind a delivery that was given up, and waits for a worker only to be passed over', async () => {
    const ready = Promise.withResolvers<void>()
    const run = async (context: Context) => {
      await ready.promise
      return context.request('a', { key: 'k' })
    }
    const dp = await dispatcherOf({ a: { workers: 1, run } })
    const abort = new AbortController()
    const end = endOf(dp.request('a'))
    const given = dp.request('a', { key: 'k', signal: abort.signal })
    abort.abort()
    await expect(given).rejects.toMatchObject({ code: 'ABORTED' })
    ready.resolve()
    expect(await end).toBe('LANE_DEADLOCK')
  })

  test('behind one that was refused', async () => {
    const run = async (context: Context) => {
      const both = [context.request('a', { key: 'k' }), context.request('a', { key: 'k' })]
      const ends = await Promise.allSettled(both)
      return ends.map(({ status }) => status).join()
    }
    const dp = await dispatcherOf({ a: { workers: 1, run } })
    expect(await endOf(dp.request('a'))).toBe('rejected,rejected')
  })

  test('where more run than a limit now allows, and the others end', async () => {
    const [other, ready] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const run = async (context: Context) => {
      await ready.promise
      return context.request('b')
    }
    const handlers = { a: { run }, b: { run: () => 'answer' }, other: { run: () => other.promise } }
    const dp = await dispatcherOf(handlers, { workers: 2 })
    const end = endOf(dp.request('a'))
    await dp.send('other')
    dp.limits.workers = 1
    ready.resolve()
    await nextTurn()
    other.resolve()
    expect(await end).toBe('LANE_DEADLOCK')
  })

  test.each(['before', 'while'])(
    'behind a head whose worker is given back, since a limit was lowered %s it waits',
    async (when) => {
      const [head, ready] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const run = async (context: Context) => {
        await ready.promise
        return context.request('b', { key: 'k' })
      }
      const dp = await dispatcherOf({ a: { run }, b: { run: () => head.promise } }, { workers: 2 })
      await dp.send('b', { key: 'k' })
      const end = endOf(dp.request('a'))
      if (when === 'before') dp.limits.workers = 1
      ready.resolve()
      await nextTurn()
      dp.limits.workers = 1
      head.resolve()
      expect(await end).toBe('LANE_DEADLOCK')
    },
  )

  test('where a limit is lowered while it waits', async () => {
    const other = Promise.withResolvers<void>()
    const run = (context: Context) => context.request('b')
    const handlers = { a: { run }, b: { run: () => 'answer' }, other: { run: () => other.promise } }
    const dp = await dispatcherOf(handlers, { workers: 2 })
    await dp.send('other')
    const answer = dp.request('a')
    dp.limits.workers = 1
    other.resolve()
    expect(await endOf(answer)).toBe('LANE_DEADLOCK')
  })

  test('where its own handler has just set the first limit', async () => {
    const dp: Dispatcher = await dispatcherOf({
      a: {
        run: (context) => {
          dp.limits.workers = 1
          return context.request('b')
        },
      },
      b: { run: () => 'answer' },
    })
    expect(await endOf(dp.request('a'))).toBe('LANE_DEADLOCK')
  })
})

describe('a request that can be answered is not refused', () => {
  test('though the only worker is just ending, and says why', async () => {
    const [failing, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<unknown>()]
    let ask = (): void => {}
    const logger = { ...silent, error: () => ask() }
    const handlers: Handlers = {
      asks: {
        run: (context) => {
          ask = () => answer.resolve(context.request('fails'))
          return answer.promise
        },
      },
      fails: { workers: 1, run: () => failing.promise },
    }
    const dp = await dispatcherOf(handlers, { logger })
    await dp.send('fails')
    const end = endOf(dp.request('asks'))
    handlers['fails'] = { run: () => 'answer' }
    failing.reject(new Error('boom'))
    expect(await end).toBe('Error: boom')
  })
})

// Random programs.

/** A handler asks others, one after the other, or all at once; or waits to be let go on. */
type Step =
  | { readonly do: 'ask'; readonly to: readonly Target[]; readonly isPatient: boolean; readonly catches: boolean }
  | { readonly do: 'wait' }
interface Target {
  readonly handler: number
  readonly key: string | undefined
}
interface Program {
  readonly handlers: readonly { readonly workers: number; readonly steps: readonly Step[] }[]
  readonly workers: number
  readonly calls: readonly Target[]
  readonly choices: readonly number[]
}

/** What is known of a delivery by what happened. */
interface Fact {
  readonly n: number
  readonly handler: number
  readonly key: string | undefined
  /** The requests that it made without a deadline. */
  readonly asked: Fact[]
  state: 'waiting' | 'running' | 'ended'
}

class Asked {
  readonly n: number
  readonly depth: number
  constructor(n: number, depth: number) {
    this.n = n
    this.depth = depth
  }
}
const MAX_DEPTH = 3

class World {
  readonly facts: Fact[] = []
  readonly faults: string[] = []
  readonly held: (() => void)[] = []
  refused = 0
  readonly #program: Program
  readonly #clock = new ManualClock()
  readonly #classes: (typeof Asked)[]
  readonly #dp: Dispatcher

  constructor(program: Program) {
    this.#program = program
    const place = (delivery: Delivery): void => this.#place(delivery)
    class Recording extends Engine {
      protected override place(delivery: Delivery): boolean {
        place(delivery)
        return super.place(delivery)
      }
    }
    this.#dp = new Dispatcher({ logger: silent, engine: Recording, clock: this.#clock, workers: program.workers })
    this.#classes = program.handlers.map(({ workers, steps }, index) => {
      const type = { [`H${index}`]: class extends Asked {} }[`H${index}`] as typeof Asked
      const run = (message: Asked, { context }: { context: Context }): Promise<void> =>
        this.#run(message, context, steps)
      this.#dp.commands.bind(type, run as never, { name: `h${index}`, workers })
      return type
    })
  }

  /** Runs it until nothing more can happen, and tells how many of the calls never ended. */
  async run(): Promise<number> {
    await this.#dp.start()
    const pending = new Set<Promise<unknown>>()
    for (const { handler, key } of this.#program.calls) {
      const call = this.#dp.request(this.#message(handler, 0), { key })
      const settle = (): void => void pending.delete(call)
      pending.add(call)
      call.then(settle, settle)
    }
    for (let turn = 0; ; turn += 1) {
      await nextTurn()
      const choice = this.#program.choices[turn % this.#program.choices.length] as number
      const [letGo] = this.held.splice(choice % (this.held.length || 1), 1)
      if (letGo !== undefined) letGo()
      else if (this.#clock.timers > 0) this.#clock.advance(1_000)
      else return pending.size
    }
  }

  /** The requests without a deadline that can never be answered, though every other handler ended as soon as it can. */
  isStuck(request: Fact): boolean {
    const { workers, handlers } = this.#program
    let waiting = this.facts.filter(({ state }) => state === 'waiting')
    let running = this.facts.filter(({ state }) => state === 'running')
    const isOver = (one: Fact): boolean => !waiting.includes(one) && !running.includes(one)
    const canStart = (one: Fact): boolean => {
      const before = [...running, ...waiting.slice(0, waiting.indexOf(one))]
      const isHead =
        one.key === undefined || !before.some(({ handler, key }) => handler === one.handler && key === one.key)
      const others = running.filter(({ handler }) => handler === one.handler)
      const limit = handlers[one.handler]?.workers as number
      return isHead && running.length < workers && others.length < limit
    }
    for (let before = -1; before !== waiting.length + running.length;) {
      before = waiting.length + running.length
      running = running.filter(({ asked }) => !asked.every(isOver))
      for (const one of waiting) if (canStart(one)) waiting = waiting.filter((other) => other !== one)
    }
    return !isOver(request)
  }

  async #run({ n, depth }: Asked, context: Context, steps: readonly Step[]): Promise<void> {
    const fact = this.facts[n] as Fact
    fact.state = 'running'
    try {
      for (const step of steps) {
        if (step.do === 'wait') await new Promise<void>((resolve) => this.held.push(resolve))
        else if (depth < MAX_DEPTH) {
          const asked = step.to.map((to) => this.#ask(context, fact, { ...to, depth, isPatient: step.isPatient }))
          const ends = await Promise.allSettled(asked)
          const failure = ends.find(({ status }) => status === 'rejected')
          if (failure !== undefined && !step.catches) throw new Error('not answered')
        }
      }
    } finally {
      fact.state = 'ended'
    }
  }

  async #ask(context: Context, by: Fact, to: Target & { depth: number; isPatient: boolean }): Promise<void> {
    const message = this.#message(to.handler, to.depth + 1)
    const patience = to.isPatient ? {} : { timeoutMs: 100 }
    const fact = this.facts[message.n] as Fact
    if (to.isPatient) by.asked.push(fact)
    const answer = context.request(message, { key: to.key ?? null, ...patience })
    const isStuck = to.isPatient && fact.state === 'waiting' && this.isStuck(fact)
    if (isStuck) this.#refuse(by, fact)
    let error: unknown
    try {
      await answer
    } catch (thrown) {
      error = thrown
      throw thrown
    } finally {
      if (error instanceof LaneDeadlock !== isStuck) {
        this.faults.push(`${fact.n} is ${isStuck ? '' : 'not '}stuck, and ended with ${String(error)}`)
      }
    }
  }

  /** It waits no more for it; its place stays until it is its turn. */
  #refuse(by: Fact, request: Fact): void {
    this.refused += 1
    by.asked.splice(by.asked.indexOf(request), 1)
  }

  #message(handler: number, depth: number): Asked {
    const n = this.facts.length
    this.facts.push({ n, handler, key: undefined, asked: [], state: 'ended' })
    return new (this.#classes[handler] as typeof Asked)(n, depth)
  }

  #place({ message, key }: Delivery): void {
    const fact = this.facts[(message as Asked).n] as Fact
    Object.assign(fact, { key, state: 'waiting' })
  }
}

const target: fc.Arbitrary<Target> = fc.record({
  handler: fc.nat(2),
  key: fc.constantFrom(undefined, 'a', 'a', 'b'),
})
const limit = fc.constantFrom(1, 2, 3, Number.POSITIVE_INFINITY)
const program: fc.Arbitrary<Program> = fc.record({
  handlers: fc.array(
    fc.record({
      workers: limit,
      steps: fc.array(
        fc.oneof(
          {
            weight: 3,
            arbitrary: fc.record({
              do: fc.constant('ask'),
              to: fc.array(target, { minLength: 1, maxLength: 2 }),
              isPatient: fc.constantFrom(true, true, true, false),
              catches: fc.boolean(),
            }),
          },
          { weight: 2, arbitrary: fc.record({ do: fc.constant('wait') }) },
        ),
        { maxLength: 3 },
      ),
    }),
    { minLength: 3, maxLength: 3 },
  ),
  workers: limit,
  calls: fc.array(target, { minLength: 1, maxLength: 5 }),
  choices: fc.array(fc.nat(9), { minLength: 1, maxLength: 9 }),
})

describe('for random programs of handlers that request each other', () => {
  test('a request is refused just where it could never be answered, and every program ends', async () => {
    let refused = 0
    await fc.assert(
      fc.asyncProperty(program, async (one) => {
        const world = new World(one)
        const pending = await world.run()
        expect({ pending, faults: world.faults }).toEqual({ pending: 0, faults: [] })
        refused += world.refused
      }),
      { numRuns: 400 },
    )
    expect(refused).toBeGreaterThan(0)
  })
})
