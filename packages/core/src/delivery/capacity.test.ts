import { setImmediate as nextTurn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { type Context, type Delivery, Dispatcher, Engine } from '../index.ts'

class One {
  readonly n: number
  readonly causes: number
  constructor(n: number, causes: number) {
    this.n = n
    this.causes = causes
  }
}
class Two extends One {}
class Caused {
  readonly type = 'caused'
}

type Step =
  | {
      readonly do: 'tell'
      readonly handlers: 1 | 2
      readonly causes: number
      readonly patience: Patience
      readonly verb: Verb
    }
  | { readonly do: 'end'; readonly which: number }
  | { readonly do: 'abort'; readonly which: number }
  | { readonly do: 'advance' | 'stop and start' }
  | { readonly do: 'marks'; readonly high: number; readonly below: number }
type Patience = 'none' | 'signal' | 'timeoutMs'
type Verb = 'tell' | 'request' | 'wait for the outcomes'

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('tell'),
      handlers: fc.constantFrom(1, 2),
      causes: fc.constantFrom(0, 0, 3),
      patience: fc.constantFrom<Patience>('none', 'none', 'signal', 'timeoutMs'),
      verb: fc.constantFrom<Verb>('tell', 'tell', 'request', 'wait for the outcomes'),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('end'), which: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('abort'), which: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('advance', 'advance', 'advance', 'stop and start') }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('marks'), high: fc.integer({ min: 1, max: 6 }), below: fc.nat(6) }),
  },
)

/** A message from outside that has not been accepted yet. */
interface Caller {
  readonly n: number
  readonly handlers: 1 | 2
  readonly abort: AbortController
  readonly patience: Patience
  readonly untilMs: number
}

/** Two workers, handlers that end when told, and a naive account of who waits for room. */
class World {
  readonly faults: string[] = []
  readonly clock = new ManualClock()
  readonly dp: Dispatcher
  /** First come, first served. */
  callers: Caller[] = []
  readonly held: (() => void)[] = []
  readonly refusals = new Map<number, string>()
  readonly expectedRefusals = new Map<number, string>()
  waiting = 0
  /** Whether room was made since the last caller had to wait. */
  #letsIn = true
  /** The message whose second delivery has to take its place next. */
  #half: number | undefined
  #running = 0
  #count = 0

  constructor() {
    const placed = (delivery: Delivery): void => this.#placed(delivery)
    class Recording extends Engine {
      protected override place(delivery: Delivery): boolean {
        placed(delivery)
        return super.place(delivery)
      }
    }
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    const { clock } = this
    this.dp = new Dispatcher({ logger, clock, engine: Recording, workers: 2, capacity: { high: 4, low: 2 } })
    const run = (message: One | Caused, { context }: { context: Context }) => this.#run(message, context)
    this.dp.events.bind(Two, (message, deps) => run(message, deps), { name: 'first' })
    this.dp.events.bind(Two, (message, deps) => run(message, deps), { name: 'second' })
    this.dp.events.bind(Caused, (message, deps) => run(message, deps), { name: 'caused' })
    this.dp.commands.bind(One, (message, deps) => run(message, deps), { name: 'one' })
  }

  async act(one: Step): Promise<void> {
    switch (one.do) {
      case 'tell':
        this.#tell(one)
        break
      case 'end':
        this.#running -= this.held.length > 0 ? 1 : 0
        this.held.splice(one.which % (this.held.length || 1), 1)[0]?.()
        break
      case 'abort': {
        const caller = this.callers.filter(({ patience }) => patience === 'signal')[one.which]
        if (caller !== undefined) this.#refuse([caller], 'ABORTED')
        caller?.abort.abort()
        break
      }
      case 'advance':
        this.#refuse(
          this.callers.filter(({ untilMs }) => untilMs <= this.clock.now() + 10),
          'TIMED_OUT',
        )
        this.clock.advance(10)
        break
      case 'stop and start': {
        this.#refuse(this.callers, 'NOT_ACCEPTING')
        const stopped = this.dp.stop({ deadlineMs: Number.POSITIVE_INFINITY })
        void stopped.then(() => this.dp.start())
        for (let turn = 0; !this.dp.isStarted && turn < 1_000; turn += 1) {
          this.#running = 0
          for (const end of this.held.splice(0)) end()
          await nextTurn()
        }
        break
      }
      case 'marks': {
        const { high, below } = one
        this.#letsIn = true
        this.dp.limits.capacity = { high, low: Math.max(0, high - below) }
        break
      }
    }
    await nextTurn()
    const { high, low } = this.dp.limits.capacity
    if (this.callers.length > 0 && this.waiting <= low && this.waiting < high)
      this.faults.push(`${this.waiting} wait, and callers are held back`)
    if (this.#half !== undefined) this.faults.push(`${this.#half} is half admitted`)
    if (this.#running < 2 && this.waiting > 0) this.faults.push(`${this.waiting} wait for a worker that is free`)
  }

  #tell({ handlers, causes, patience, verb }: Step & { do: 'tell' }): void {
    this.#count += 1
    const n = this.#count
    const abort = new AbortController()
    const untilMs = patience === 'timeoutMs' ? this.clock.now() + 15 : Number.POSITIVE_INFINITY
    const mustWait = this.callers.length > 0 || this.waiting >= this.dp.limits.capacity.high
    this.callers.push({ n, handlers, abort, patience, untilMs })
    if (mustWait && this.callers.length === 1) this.#letsIn = false
    const options = {
      ...(patience === 'signal' && { signal: abort.signal }),
      ...(patience === 'timeoutMs' && { timeoutMs: 15 }),
    }
    const message = handlers === 1 ? new One(n, causes) : new Two(n, causes)
    const call =
      handlers === 2
        ? this.dp.publish(message, { ...options, waitForResponse: verb === 'wait for the outcomes' })
        : verb === 'request' && patience === 'none'
          ? this.dp.request(message)
          : this.dp.send(message, options)
    call.catch((error: Error & { code?: string }) => this.refusals.set(n, error.code ?? error.message))
    const isIn = !this.callers.some((caller) => caller.n === n)
    if (isIn === mustWait) this.faults.push(`${n} ${mustWait ? 'has to wait' : 'need not wait'}`)
  }

  #refuse(callers: readonly Caller[], code: string): void {
    for (const { n } of callers) this.expectedRefusals.set(n, code)
    this.callers = this.callers.filter((caller) => !callers.includes(caller))
    if (this.callers.length === 0) this.#letsIn = true // Nobody is held back: it is as if nobody ever was.
  }

  #placed({ message }: Delivery): void {
    this.waiting += 1
    if (!(message instanceof One)) return
    if (this.#half !== undefined) {
      if (this.#half !== message.n) this.faults.push(`${message.n} comes between the deliveries of ${this.#half}`)
      this.#half = undefined
      return
    }
    const first = this.callers.shift()
    const { high } = this.dp.limits.capacity
    if (first?.n !== message.n) this.faults.push(`${message.n} is admitted before ${first?.n}`)
    if (this.waiting > high) this.faults.push(`${message.n} is admitted over ${high}`)
    if (!this.#letsIn) this.faults.push(`${message.n} is admitted before there is room`)
    if (first?.handlers === 2) this.#half = message.n
  }

  #run(message: One | Caused, context: Context): Promise<void> {
    this.waiting -= 1
    this.#running += 1
    if (this.waiting <= this.dp.limits.capacity.low) this.#letsIn = true
    if (message instanceof One) for (let n = 0; n < message.causes; n += 1) context.publish(new Caused())
    return new Promise((resolve) => this.held.push(resolve))
  }
}

describe('the capacity', () => {
  test('holds callers back from high on until low is reached, first come first served, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50, size: 'max' }), async (steps) => {
        const world = new World()
        await world.dp.start()
        for (const one of steps) {
          await world.act(one)
          expect(world.faults).toEqual([])
          expect(world.refusals).toEqual(world.expectedRefusals)
        }
        await world.act({ do: 'stop and start' })
        expect(world.faults).toEqual([])
        expect(world.refusals).toEqual(world.expectedRefusals)
        expect(world.waiting).toBe(0)
      }),
      { numRuns: 200 },
    )
  })

  test('holds back no handler: what it requests through its context is taken by a full bus', async () => {
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    const dp = new Dispatcher({ logger, commands: { workers: 1 }, capacity: { high: 1, low: 0 } })
    const full = Promise.withResolvers<void>()
    dp.queries.bind('answer', () => 42)
    dp.commands.bind('ask', async (_message, { context }) => {
      await full.promise
      return context.request('answer')
    })
    await dp.start()
    const answers = [dp.request('ask'), dp.request('ask'), dp.request('ask')]
    full.resolve()
    expect(await Promise.all(answers)).toEqual([42, 42, 42])
    await dp.stop()
  })

  test("with whenFull 'throw' refuses what is over high, and takes it again when fewer wait", async () => {
    const held = Promise.withResolvers<void>()
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    const dp = new Dispatcher({ logger, workers: 1, capacity: { high: 2, low: 1 }, whenFull: 'throw' })
    dp.commands.bind('x', () => held.promise)
    await dp.start()
    for (let n = 0; n < 3; n += 1) await dp.send('x')
    await expect(dp.send('x')).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    await expect(dp.request('x')).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    held.resolve()
    await nextTurn()
    await dp.request('x')
    await dp.stop()
  })
})
