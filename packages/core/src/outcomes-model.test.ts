import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../test/manual-clock.ts'
import {
  type Context,
  discard,
  Dispatcher,
  NonRetryable,
  type OnDead,
  type Outcome,
  retry,
  RetryLater,
  Unavailable,
} from './index.ts'

class Unwanted extends Error {}
const LATER_MS = 15
const TIMEOUT_MS = 40
const STOP_MS = 60
const errors = {
  boom: new Error('boom'),
  never: new NonRetryable('never'),
  unwanted: new Unwanted('unwanted'),
  away: new Unavailable('away'),
  later: new RetryLater(LATER_MS),
}
type End = keyof typeof errors | 'ok'

interface Policy {
  readonly attempts: number
  readonly backoffMs: number
  readonly onDead: OnDead
  readonly discards: boolean
  readonly hasTimeout: boolean
}

type Action =
  | {
      readonly do: 'publish'
      readonly key: string | undefined
      readonly ends: readonly (readonly End[])[]
      readonly waits: boolean
    }
  | { readonly do: 'end' | 'replay' | 'discard'; readonly which: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'stop' | 'start' }

/** A message at a handler, as the model knows it. */
interface Item {
  readonly name: string
  readonly handler: number
  readonly ends: readonly End[]
  readonly lane: Lane
  /** `zombie`: a handler that goes on after a stop. The last five are ends. */
  state:
    | 'waiting'
    | 'running'
    | 'overdue'
    | 'retrying'
    | 'parked'
    | 'zombie'
    | 'done'
    | 'dead'
    | 'skipped'
    | 'stopped'
    | 'gone'
  runs: number
  burned: number
  replayed: boolean
  dueMs: number
  /** The id of its dead letter, while it has one. */
  letter: string | undefined
  end: ((how: End) => void) | undefined
  waits: boolean
  told: string | undefined
}
/** What is live of one handler and key, in order; of no key, a lane for each message. */
type Lane = Item[]

/**
 * What may happen to deliveries that fail, naively: it is told every notice, and says what is wrong with that. A lane is
 * the list of what has no end yet; where messages are parked, the dead one is the first of it.
 */
class World {
  readonly faults: string[] = []
  readonly items: Item[] = []
  readonly clock = new ManualClock()
  readonly dp: Dispatcher
  state: 'started' | 'stopping' | 'stopped' = 'started'
  readonly #policies: readonly Policy[]
  readonly #lanes = new Map<string, Lane>()
  #stopped = true
  #count = 0

  constructor(policies: readonly Policy[]) {
    this.#policies = policies
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    this.dp = new Dispatcher({ logger, clock: this.clock })
    for (const [index, { attempts, backoffMs, onDead, discards, hasTimeout }] of policies.entries()) {
      const again = retry({ attempts, backoff: () => backoffMs })
      const recover = discards ? [discard({ when: Unwanted }), again] : again
      const handle = (_event: unknown, { context }: { context: Context }) => this.#handle(context)
      const timeoutMs = hasTimeout ? TIMEOUT_MS : undefined
      this.dp.events.bind('x', handle, { name: `h${index}`, recover, onDead, timeoutMs })
    }
  }

  /** Does one after the other, and gives what was wrong, at the first place where anything was. */
  async run(actions: readonly Action[]): Promise<readonly string[]> {
    const names = ['started', 'succeeded', 'failed', 'retried', 'dead', 'parked', 'dropped', 'stopped'] as const
    const listeners = names.map((name) => {
      const listener = (notice: unknown): void => this.#heard(name, notice as Notice)
      return [`iambus:${name}`, listener] as const
    })
    for (const [name, listener] of listeners) subscribe(name, listener)
    try {
      await this.dp.start()
      for (const action of actions) {
        await this.#act(action)
        await this.#rest()
        if (this.faults.length > 0) return [`after ${JSON.stringify(action)}`, ...this.faults]
      }
      await this.#finish()
      return this.faults
    } finally {
      for (const [name, listener] of listeners) unsubscribe(name, listener)
    }
  }

  async #act(action: Action): Promise<void> {
    const { dp } = this
    if (action.do === 'publish') return this.#publish(action)
    if (action.do === 'end') {
      const running = this.items.filter(({ end }) => end !== undefined)
      const item = running.at(action.which % (running.length || 1))
      return item && this.#end(item)
    }
    if (action.do === 'advance') {
      for (let ms = 0; ms < action.ms; ms += 5) {
        this.clock.advance(5)
        await nextTurn()
      }
      return
    }
    if (action.do === 'replay' || action.do === 'discard') {
      const letters = this.items.filter(({ letter, state }) => letter !== undefined && state === 'dead')
      const item = letters.at(action.which % (letters.length || 1))
      if (item === undefined || (action.do === 'replay' && this.state !== 'started')) return
      return action.do === 'replay' ? this.#replay(item) : this.#discard(item)
    }
    if (action.do === 'stop' && this.state === 'started') {
      this.state = 'stopping'
      this.#stopped = false
      void dp.stop({ deadlineMs: STOP_MS }).then(() => (this.#stopped = true))
    }
    if (action.do === 'start' && this.state === 'stopped') {
      this.state = 'started'
      await dp.start()
    }
  }

  #publish({ key, ends, waits }: Action & { readonly do: 'publish' }): void {
    if (this.state !== 'started') return
    const id = String((this.#count += 1))
    const items = this.#policies.map((_, handler): Item => {
      const laneName = `h${handler} ${key ?? id}`
      const lane = this.#lanes.get(laneName) ?? []
      this.#lanes.set(laneName, lane)
      const fresh = { state: 'waiting', runs: 0, burned: 0, replayed: false, dueMs: 0 } as const
      const none = { letter: undefined, end: undefined, told: undefined }
      const item: Item = {
        name: `h${handler} ${id}`,
        handler,
        ends: ends[handler] ?? [],
        lane,
        waits,
        ...fresh,
        ...none,
      }
      lane.push(item)
      return item
    })
    this.items.push(...items)
    const told = (outcomes: readonly Outcome[]): void => {
      for (const [index, item] of items.entries()) {
        if (item.told !== undefined) this.faults.push(`${item.name} is told twice`)
        item.told = outcomes[index]?.status
      }
    }
    if (waits) void this.dp.publish('x', { id, key, waitForResponse: true }).then(told)
    else void this.dp.publish('x', { id, key })
  }

  #handle({ handler, id }: Context): Promise<void> {
    const item = this.#item(`${handler.replace('events/', '')} ${id}`)
    return new Promise((resolve, reject) => {
      item.end = (how) => (how === 'ok' ? resolve() : reject(errors[how]))
    })
  }

  #end(item: Item): void {
    const { end } = item
    item.end = undefined
    const how = item.ends[item.runs - 1] ?? 'ok'
    if (item.state === 'zombie') this.#leave(item, 'stopped')
    if (item.state === 'overdue') this.#afterTimeout(item)
    end?.(how)
  }

  /** The handler of an attempt that was given up has ended: only now its lane goes on, or its next attempt may come. */
  #afterTimeout(item: Item): void {
    if (item.dueMs >= 0) item.state = 'retrying'
    else this.#die(item)
    item.dueMs = Math.max(item.dueMs, this.clock.now())
  }

  async #replay(item: Item): Promise<void> {
    const { lane } = item
    item.replayed = true
    item.burned = 0
    const dead = lane[0]?.state === 'dead' ? lane[0] : undefined
    item.state = dead === undefined || dead === item ? 'waiting' : 'parked'
    if (dead === item) for (const behind of lane.slice(1)) behind.state = 'waiting'
    else if (!lane.includes(item)) {
      const start = lane.findIndex((one, index) => index > 0 && !(one.replayed && one.state !== 'running'))
      lane.splice(lane.length === 0 ? 0 : start === -1 ? lane.length : start, 0, item)
    }
    await this.dp.deadLetters.replay(item.letter ?? '')
  }

  async #discard(item: Item): Promise<void> {
    const { lane, letter } = item
    if (lane[0] === item) for (const behind of lane.slice(1)) behind.state = 'waiting'
    this.#leave(item, 'gone')
    await this.dp.deadLetters.discard(letter ?? '')
  }

  #heard(name: string, { handler, envelope, attempt, outcome, delayMs, letterId, state, error }: Notice): void {
    const item = this.#item(`${handler.replace('events/', '')} ${envelope.id}`)
    const { attempts } = this.#policies[item.handler] as Policy
    const isTimeout = (error as { code?: string } | undefined)?.code === 'TIMED_OUT'
    const wrong = (what: string): void => void this.faults.push(`${item.name} ${what} (${item.state})`)
    if (name === 'started') {
      const isDue = item.state === 'waiting' || (item.state === 'retrying' && item.dueMs <= this.clock.now())
      if (!isDue || this.state === 'stopped') wrong('starts, and may not')
      if (item.lane[0] !== item) wrong(`starts before ${item.lane[0]?.name}`)
      if (attempt !== item.burned + 1 || item.burned >= attempts) wrong(`starts attempt ${attempt}`)
      item.state = 'running'
      item.runs += 1
    } else if (name === 'succeeded') this.#leave(item, 'done')
    else if (name === 'failed') {
      if (item.state !== 'running') wrong('fails, and does not run')
      const expected = this.#expected(item, isTimeout)
      if (outcome !== expected) wrong(`comes to ${outcome} instead of ${expected}`)
    } else if (name === 'retried') this.#retried(item, { delayMs: delayMs ?? Number.NaN, isTimeout })
    else if (name === 'dead') {
      item.letter = letterId
      if (!isTimeout) this.#die(item)
      else Object.assign(item, { state: 'overdue', dueMs: -1 })
    } else if (name === 'parked') {
      if (item.lane[0]?.state !== 'dead') wrong('is parked behind nothing')
      item.state = 'parked'
    } else if (name === 'dropped' && item.state !== 'gone') this.#leave(item, 'skipped')
    else if (name === 'stopped') this.#stoppedOne(item, state ?? '')
  }

  #retried(item: Item, { delayMs, isTimeout }: { delayMs: number; isTimeout: boolean }): void {
    const how = item.ends[item.runs - 1] ?? 'ok'
    const isFree = !isTimeout && (how === 'away' || how === 'later')
    const backoffMs = (this.#policies[item.handler] as Policy).backoffMs
    const expected = isFree && how === 'later' ? LATER_MS : backoffMs
    if (delayMs !== expected) this.faults.push(`${item.name} is delayed by ${delayMs}`)
    if (!isFree) item.burned += 1
    item.dueMs = this.clock.now() + Math.max(delayMs, isFree ? 1 : 0)
    item.state = isTimeout ? 'overdue' : 'retrying'
  }

  /** What the policy should come to, said in another way. */
  #expected(item: Item, isTimeout: boolean): string {
    const { attempts, discards } = this.#policies[item.handler] as Policy
    const how = isTimeout ? 'timeout' : (item.ends[item.runs - 1] ?? 'ok')
    if (how === 'never') return 'dead'
    if (how === 'unwanted' && discards) return 'skipped'
    if (how === 'away' || how === 'later') return 'retry'
    return item.burned + 1 < attempts ? 'retry' : 'dead'
  }

  #die(item: Item): void {
    const isKeyed = [...this.#lanes].some(([name, lane]) => lane === item.lane && /[ab]$/.test(name))
    if (isKeyed && this.#policies[item.handler]?.onDead === 'park') item.state = 'dead'
    else this.#leave(item, 'dead')
  }

  #stoppedOne(item: Item, state: string): void {
    if (state === 'parked') return
    const isRunning = state === 'running'
    if (item.state === 'overdue' && item.dueMs < 0) this.faults.push(`${item.name} is dead, and stopped`)
    // The dead letter of a replay is there again.
    if (isRunning) item.state = 'zombie'
    else this.#leave(item, item.letter === undefined ? 'stopped' : 'dead')
  }

  #leave(item: Item, state: Item['state']): void {
    item.state = state === 'stopped' && item.letter !== undefined ? 'dead' : state
    if (state === 'done' || state === 'skipped' || state === 'gone') item.letter = undefined
    if (item.lane.includes(item)) item.lane.splice(item.lane.indexOf(item), 1)
  }

  /** Waits until nothing more happens by itself. Then nothing may be left that could start. */
  async #rest(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) await nextTurn()
    if (this.state === 'stopping' && this.#stopped) this.state = 'stopped'
    for (const { name, state, lane, dueMs } of this.items) {
      const head = lane[0]
      if (head?.name !== name || this.state === 'stopped') continue
      if (state === 'waiting' || (state === 'retrying' && dueMs <= this.clock.now())) this.faults.push(`${name} waits`)
    }
    for (const item of this.items.filter(({ lane, state }) => state === 'waiting' && lane[0]?.state === 'dead')) {
      this.faults.push(`${item.name} is not parked`)
    }
    const { letters } = await this.dp.deadLetters.list({ limit: 1_000 })
    const kept = letters.map(({ id, parked }) => `${id} ${parked}`).toSorted()
    const dead = this.items.filter(({ letter }) => letter !== undefined)
    const expected = dead.map((item) => `${item.letter} ${holdsLane(item) ? item.lane.length - 1 : 0}`).toSorted()
    if (kept.join() !== expected.join()) this.faults.push(`kept are ${kept.join()} instead of ${expected.join()}`)
  }

  /** Whatever is left ends; then each delivery has come to one end, and whoever waited was told of it. */
  async #finish(): Promise<void> {
    await this.#act({ do: 'start' }) // What was freed while it was stopped runs now.
    await this.#act({ do: 'stop' })
    for (let step = 0; step < 200; step += 1) {
      const running = this.items.find(({ end }) => end !== undefined)
      if (running === undefined && this.state === 'stopped') break
      if (running === undefined) this.clock.advance(5)
      else this.#end(running)
      await this.#rest()
    }
    for (const { name, state, lane, waits, told } of this.items) {
      const isParked = state === 'parked' && lane[0]?.state === 'dead'
      if (!isParked && !ends.includes(state)) this.faults.push(`${name} has no end: ${state}`)
      if (waits !== (told !== undefined)) this.faults.push(`${name} was told ${told}`)
    }
    if (this.clock.refTimers > 0) this.faults.push(`${this.clock.refTimers} timers are left`)
  }

  #item(name: string): Item {
    const item = this.items.find((one) => one.name === name)
    if (item === undefined) throw new Error(`There is no ${name}.`)
    return item
  }
}

const ends: readonly Item['state'][] = ['done', 'dead', 'skipped', 'stopped', 'gone']
const holdsLane = (item: Item): boolean => item.state === 'dead' && item.lane[0] === item

interface Notice {
  readonly handler: string
  readonly envelope: { readonly id: string }
  readonly attempt?: number
  readonly outcome?: string
  readonly delayMs?: number
  readonly letterId?: string
  readonly state?: string
  readonly error?: Error
}

const policy = fc.record({
  attempts: fc.integer({ min: 1, max: 3 }),
  backoffMs: fc.constantFrom(0, 10, 25),
  onDead: fc.constantFrom<OnDead>('continue', 'park', 'park'),
  discards: fc.boolean(),
  hasTimeout: fc.boolean(),
})
const end = fc.constantFrom<End>('boom', 'boom', 'boom', 'never', 'unwanted', 'away', 'later', 'ok')
const which = fc.nat(3)
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('publish'),
      key: fc.constantFrom(undefined, 'a', 'a', 'b'),
      ends: fc.array(fc.array(end, { maxLength: 5 }), { minLength: 2, maxLength: 2 }),
      waits: fc.boolean(),
    }),
  },
  { weight: 20, arbitrary: fc.record({ do: fc.constant('end'), which }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('advance'), ms: fc.constantFrom(5, 10, 25, 50) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('replay'), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('discard'), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('start') }) },
)

test('for random errors, policies, replays and stops, each delivery comes to one end, in the order of its key', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(policy, { minLength: 1, maxLength: 2 }),
      fc.array(action, { maxLength: 60, size: 'max' }),
      async (policies, actions) => {
        expect(await new World(policies).run(actions)).toEqual([])
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 300) },
  )
}, 60_000)
