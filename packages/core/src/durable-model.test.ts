import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  array,
  assert,
  asyncProperty,
  type Arbitrary,
  boolean,
  constant,
  constantFrom,
  integer,
  nat,
  oneof,
  record,
} from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../test/manual-clock.ts'
import { memoryHarness } from '../test/conformance/memory-harness.ts'
import { sqliteHarness } from '../test/conformance/sqlite-harness.ts'
import { withReadyDisk } from '../test/ready-disk.ts'
import {
  type Context,
  defineEvent,
  discard,
  Dispatcher,
  NonRetryable,
  type OnDead,
  type Outcome,
  retry,
  Unavailable,
} from './index.ts'
import type { Clock, Timer } from './ports/clock.ts'
import type { StoreSubject } from './testing/conformance/index.ts'

withReadyDisk()

/** In so many turns of the event loop, all comes to rest that needs no clock. */
const REST_TURNS = 20

class Told extends defineEvent<{ n: string; edited?: boolean }>('model.told') {}
class Caused extends defineEvent<{ n: string }>('model.caused') {}

class Unwanted extends Error {}
const TIMEOUT_MS = 40
const STOP_MS = 60
const errors = {
  boom: new Error('boom'),
  never: new NonRetryable('never'),
  unwanted: new Unwanted('unwanted'),
  away: new Unavailable('away'),
}
/** How an attempt ends; with a `!`, within the call. `rollback` fails in its commit, `late` after it. */
type End = keyof typeof errors | 'ok' | 'ok!' | 'boom!' | 'cause' | 'cause!' | 'commit' | 'rollback' | 'late'

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
  | { readonly do: 'again' | 'end' | 'replay' | 'edit' | 'discard' | 'erase'; readonly which: number }
  | { readonly do: 'advance'; readonly ms: number }
  /** `soon`: after so many microtasks, and not when all is quiet. */
  | { readonly do: 'crash'; readonly soon: number | undefined }
  | { readonly do: 'stop' }
  /** `anew`: in another process. */
  | { readonly do: 'start'; readonly anew: boolean }

/** A message at a handler, as the model knows it. */
interface Item {
  readonly name: string
  readonly n: string
  readonly handler: string
  readonly key: string | undefined
  readonly ends: readonly End[]
  readonly lane: Item[]
  /** `ending`: it has ended, and nobody was told yet; `unsure`: so it was when the process crashed. The last five are ends. */
  state:
    | 'waiting'
    | 'running'
    | 'overdue'
    | 'retrying'
    | 'ending'
    | 'unsure'
    | 'done'
    | 'dead'
    | 'skipped'
    | 'gone'
    | 'lost'
  isAccepted: boolean
  runs: number
  burned: number
  replayed: boolean
  /** How many starts have ended since it was replayed. */
  outlived: number
  edited: boolean
  startedMs: number
  dueMs: number
  letter: string | undefined
  /** What comes once its handler ends, which ran out of time. */
  after: Item['state'] | undefined
  last: End | undefined
  /** Whether anything has happened to it that may not have been stored yet. */
  isTouched: boolean
  /** Whether it may have been started when a process crashed; whether it ran then; whether it had run alone. */
  mayBeSuspect: boolean
  isSuspect: boolean
  wasAlone: boolean
  mayBeToBlame: boolean
  isSettling: boolean
  isBehindItself: boolean
  /** The ids that its message was seen with. */
  readonly ids: Set<string>
}

interface Call {
  /** Whether it goes on after a stop, which gave it up. */
  isZombie: boolean
  readonly item: Item
  readonly process: Process
  readonly context: Context
  end(how: End): void
}

interface Wait {
  readonly n: string
  readonly process: Process
  outcomes: readonly Outcome[] | undefined
}

/** One life of a dispatcher: what is of another one than the current has no effect. */
class Process implements Clock {
  isAlive = true
  readonly dp: Dispatcher
  readonly #clock: ManualClock
  readonly #timers: Timer[] = []

  constructor(clock: ManualClock, subject: StoreSubject) {
    this.#clock = clock
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    this.dp = new Dispatcher({ logger, clock: this, store: subject.store })
  }

  now(): number {
    return this.#clock.now()
  }

  after(delayMs: number, run: () => void): Timer {
    if (!this.isAlive) return { cancel() {} }
    const timer = this.#clock.after(delayMs, run)
    this.#timers.push(timer)
    return timer
  }

  die(): void {
    this.isAlive = false
    for (const timer of this.#timers) timer.cancel()
  }
}

const DURABLE = ['h0', 'h1']

/**
 * What may happen to what is stored, naively: it is told of each call of a handler, and of each notice, and says what is
 * wrong with that. A lane is the list of all messages of one handler and key, in the order of their publications.
 */
class World {
  readonly faults: string[] = []
  readonly items = new Map<string, Item>()
  readonly clock = new ManualClock()
  readonly #policies: readonly Policy[]
  readonly #subject: StoreSubject
  readonly #lanes = new Map<string, Item[]>()
  readonly #calls: Call[] = []
  readonly #waits: Wait[] = []
  #process: Process
  #state: 'started' | 'stopping' | 'stopped' = 'stopped'
  #hasStopped = true
  #count = 0

  constructor(policies: readonly Policy[], subject: StoreSubject) {
    this.#policies = policies
    this.#subject = subject
    this.#process = this.#begin()
  }

  async run(actions: readonly Action[]): Promise<readonly string[]> {
    await this.#act({ do: 'start', anew: false })
    await this.#rest()
    for (const [index, action] of actions.entries()) {
      if (this.faults.length > 0) break
      await this.#act(action)
      const next = actions[index + 1]
      if (next?.do === 'crash' && next.soon !== undefined) {
        for (let turn = 0; turn < next.soon; turn += 1) await Promise.resolve()
      } else await this.#rest()
      if (this.faults.length > 0) return [`after ${index}: ${JSON.stringify(action)}`, ...this.faults]
    }
    await this.#finish()
    return this.faults
  }

  #begin(): Process {
    const process = new Process(this.clock, this.#subject)
    const { dp } = process
    const policies = new Map([...DURABLE.entries()].map(([index, name]) => [name, this.#policies[index] as Policy]))
    for (const [name, { attempts, backoffMs, onDead, discards, hasTimeout }] of policies) {
      const again = retry({ attempts, backoff: () => backoffMs })
      const recover = discards ? [discard({ when: Unwanted }), again] : again
      const timeoutMs = hasTimeout ? TIMEOUT_MS : undefined
      const handle = (event: Told, { context }: { context: Context }): unknown =>
        this.#handle(process, name, event, context)
      dp.events.bind(Told, handle, { name, recover, onDead, timeoutMs })
    }
    const inMemory = (event: Told, { context }: { context: Context }): unknown =>
      this.#handle(process, 'm', event, context)
    dp.events.bind(Told, inMemory, { name: 'm', durable: false, recover: retry({ attempts: 1, backoff: () => 5 }) })
    const caused = (event: Caused, { context }: { context: Context }): unknown =>
      this.#handle(process, 'c', event, context)
    dp.events.bind(Caused, caused, { name: 'c', recover: retry({ attempts: 9, backoff: () => 5 }) })
    for (const name of ['succeeded', 'failed', 'retried', 'dead', 'dropped'] as const) {
      // Each of these has what a `Notice` has; their union is too much for the checker.
      dp.observe(name, (notice) => process.isAlive && this.#heard(name, notice as unknown as Notice))
    }
    for (const name of ['claimLost', 'storeFailed', 'storeCloseFailed', 'listenerFailed', 'unstored'] as const) {
      dp.observe(
        name,
        (notice) =>
          process.isAlive &&
          this.faults.push(
            `${name}: ${JSON.stringify(notice)} ${(notice as unknown as { error: Error }).error?.stack}`,
          ),
      )
    }
    return process
  }

  async #act(action: Action): Promise<void> {
    const { dp } = this.#process
    const isStarted = this.#state === 'started'
    switch (action.do) {
      case 'publish':
        return isStarted ? this.#publish(action) : undefined
      case 'again': {
        const item = pick(
          [...this.items.values()].filter(({ handler, isAccepted }) => handler === 'h0' && isAccepted),
          action.which,
        )
        if (!isStarted || item === undefined) return
        return void dp.publish(new Told({ n: item.n }), { id: item.n }).catch(() => {})
      }
      case 'end':
        return this.#end(
          pick(
            this.#calls.filter(({ process }) => process === this.#process),
            action.which,
          ),
        )
      case 'advance':
        return this.clock.advance(action.ms)
      case 'crash':
        return this.#crash(action)
      case 'stop':
        if (!isStarted) return
        this.#state = 'stopping'
        this.#hasStopped = false
        return void dp.stop({ deadlineMs: STOP_MS }).then(() => (this.#hasStopped = true))
      case 'start':
        if (this.#state !== 'stopped') return
        if (action.anew) this.#leaveProcess()
        this.#state = 'started'
        await this.#process.dp.start()
        return
      case 'replay':
      case 'edit':
      case 'discard':
      case 'erase':
        return isStarted ? this.#toLetter(action.do, action.which) : undefined
    }
  }

  #publish({ key, ends, waits }: Action & { readonly do: 'publish' }): void {
    const n = String((this.#count += 1))
    const items = [...DURABLE, 'm'].map((handler, index) => this.#add(handler, { n, key, ends: ends[index] ?? [] }))
    const message = new Told({ n })
    const process = this.#process
    const { dp } = process
    const accepted = (): void => {
      if (process.isAlive) for (const item of items) item.isAccepted = true
    }
    if (!waits) return void dp.publish(message, { id: n, key }).then(accepted, () => {})
    const wait: Wait = { n, process, outcomes: undefined }
    this.#waits.push(wait)
    const told = (outcomes: readonly Outcome[]): void => {
      accepted()
      wait.outcomes = outcomes
    }
    void dp.publish(message, { id: n, key, waitForResponse: true }).then(told, () => {})
  }

  #add(
    handler: string,
    of: { readonly n: string; readonly key: string | undefined; readonly ends: readonly End[] },
  ): Item {
    const { n, key, ends } = of
    const laneName = key === undefined ? `${handler} #${n}` : `${handler} ${key}`
    const lane = this.#lanes.get(laneName) ?? []
    this.#lanes.set(laneName, lane)
    const item: Item = {
      name: `${handler} ${n}`,
      n,
      handler,
      key,
      ends,
      lane,
      state: 'waiting',
      isAccepted: false,
      runs: 0,
      burned: 0,
      replayed: false,
      outlived: 0,
      edited: false,
      startedMs: 0,
      dueMs: 0,
      letter: undefined,
      after: undefined,
      last: undefined,
      isTouched: true,
      mayBeSuspect: false,
      isSuspect: false,
      wasAlone: false,
      mayBeToBlame: false,
      isSettling: false,
      isBehindItself: false,
      ids: new Set(),
    }
    lane.push(item)
    this.items.set(item.name, item)
    return item
  }

  async #toLetter(what: 'replay' | 'edit' | 'discard' | 'erase', which: number): Promise<void> {
    const { deadLetters } = this.#process.dp
    const item = pick(
      [...this.items.values()].filter(
        ({ letter, state, after, key }) =>
          letter !== undefined && (state === 'dead' || (after === 'dead' && key !== undefined)),
      ),
      which,
    )
    if (item?.letter === undefined) return
    if (what === 'erase') {
      const { key } = item
      if (key === undefined) return
      for (const one of this.items.values()) {
        if (one.key !== key || one.letter === undefined) continue
        if (one.state !== 'dead' && one.after !== 'dead') continue
        if (one.state === 'dead' && this.#holds(one)) {
          for (const behind of one.lane.slice(one.lane.indexOf(one) + 1)) {
            if (behind.state === 'waiting' && behind.letter === undefined) behind.state = 'gone'
          }
        }
        this.#removeLetter(one)
      }
      await deadLetters.erase({ key })
      return
    }
    if (what === 'discard') {
      const { letter } = item
      this.#removeLetter(item)
      await deadLetters.discard(letter)
      return
    }
    item.replayed = true
    item.outlived = 0
    item.burned = 0
    item.isTouched = true
    item.isSuspect = false
    item.mayBeSuspect = false
    item.wasAlone = false
    if (item.state === 'dead') item.state = 'waiting'
    else item.after = 'waiting'
    const { letter, n } = item
    if (what === 'replay') await deadLetters.replay(letter)
    else {
      item.edited = true
      await deadLetters.editAndReplay(letter, () => ({ message: new Told({ n, edited: true }) }))
    }
  }

  #removeLetter(item: Item): void {
    item.letter = undefined
    if (item.state === 'dead') item.state = 'gone'
    else item.after = 'gone'
  }

  /** What the handlers of the model do: each call says that something starts. */
  #handle(process: Process, handler: string, event: Told | Caused, context: Context): unknown {
    if (process !== this.#process || !process.isAlive) return new Promise(() => {})
    const { n } = event
    const item = this.items.get(`${handler} ${n}`) ?? this.#add(handler, { n, key: context.key, ends: ['ok!'] })
    for (const name of [...DURABLE, 'm', 'c']) {
      const other = this.items.get(`${name} ${n}`)
      if (other !== undefined) other.isAccepted = true
    }
    this.#starts(item, context)
    item.ids.add(context.id)
    if (item.ids.size > 1) this.#wrong(item, `came with the ids ${[...item.ids].join()}`)
    if (handler !== 'c' && item.edited !== ((event as Told).edited === true))
      this.#wrong(item, 'is not as it was edited')
    item.state = 'running'
    item.startedMs = this.clock.now()
    item.runs += 1
    const how = item.ends[item.runs - 1] ?? 'ok'
    if (how.endsWith('!')) {
      if (how === 'cause!') context.publish(new Caused({ n: item.name }))
      this.#ended(item, how)
      if (how === 'boom!') throw errors.boom
      return undefined
    }
    return new Promise((resolve, reject) => {
      const end = (given: End): void => void this.#doEnd({ item, context, end }, given).then(resolve, reject)
      this.#calls.push({ item, process, context, end, isZombie: false })
    })
  }

  async #doEnd({ item, context }: { item: Item; context: Context; end: unknown }, how: End): Promise<void> {
    if (how === 'cause' || how === 'commit') {
      try {
        context.publish(new Caused({ n: item.name }))
      } catch {
        return // It was given up.
      }
    }
    if (how === 'commit' || how === 'rollback' || how === 'late') {
      await context.commit((tx) => {
        if (how === 'rollback') throw errors.boom
        void this.#subject.write?.(tx, item.name)
      })
      if (how === 'late') throw errors.boom
      return
    }
    if (how in errors) throw errors[how as 'boom']
  }

  #starts(item: Item, context: Context): void {
    const { state } = item
    const isDue =
      ['waiting', 'unsure'].includes(state) ||
      (state === 'retrying' && (item.dueMs <= this.clock.now() || item.isBehindItself))
    if (!isDue) this.#wrong(item, 'starts, and may not')
    if (this.#state === 'stopped') this.#wrong(item, 'starts after the stop')
    if (context.replayed !== item.replayed) this.#wrong(item, 'is wrong about being replayed')
    const isExact = context.attempt === item.burned + 1
    const isSure = state !== 'unsure' && !item.mayBeToBlame
    if (isSure ? !isExact : context.attempt > item.burned + 1)
      this.#wrong(item, `starts attempt ${context.attempt}, not ${item.burned + 1}`)
    item.burned = context.attempt - 1
    if (item.wasAlone && !item.replayed) this.#wrong(item, 'crashed alone, and was not charged')
    item.isTouched = true
    item.mayBeToBlame = false
    this.#checkLane(item)
    if (!item.isSuspect || item.replayed) return
    const other = this.#calls.find((call) => call.item.isSuspect && call.item !== item && !call.isZombie)
    if (other !== undefined) this.#wrong(item, `is suspect, and runs beside ${other.item.name}`)
  }

  #checkLane(item: Item): void {
    const { lane } = item
    const beside = this.#calls.find((call) => call.item.lane === lane && !(call.isZombie && item.key === undefined))
    if (beside !== undefined) this.#wrong(item, `starts beside ${beside.item.name}`)
    if (item.letter !== undefined) return
    const before = lane.slice(0, lane.indexOf(item)).find((one) => one.isAccepted && this.#isInTheWay(one))
    if (before !== undefined) this.#wrong(item, `starts before ${before.name} (${before.state})`)
  }

  #isInTheWay(item: Item): boolean {
    const isInPlace = item.letter === undefined || this.#policyOf(item.handler).onDead === 'park'
    return this.#holds(item) || (isInPlace && isLive(item))
  }

  #holds({ state, key, handler }: Item): boolean {
    return state === 'dead' && key !== undefined && this.#policyOf(handler).onDead === 'park'
  }

  #policyOf(handler: string): Policy {
    const index = DURABLE.indexOf(handler)
    const attempts = handler === 'c' ? 9 : 1
    const otherwise: Policy = { attempts, backoffMs: 5, onDead: 'continue', discards: false, hasTimeout: false }
    return this.#policies[index] ?? otherwise
  }

  /** Has an attempt end, as its script says. */
  #end(call: Call | undefined): void {
    if (call === undefined) return
    const { item } = call
    this.#calls.splice(this.#calls.indexOf(call), 1)
    const how = item.ends[item.runs - 1] ?? 'ok'
    if (call.isZombie) return call.end(how)
    if (item.state === 'running') this.#ended(item, how)
    else if (item.state === 'overdue') {
      item.state = item.after ?? 'lost'
      item.isSuspect = item.mayBeSuspect = false
      item.after = undefined
      item.dueMs = Math.max(item.dueMs, this.clock.now())
    }
    call.end(how)
  }

  /** What has to become of it. */
  #ended(item: Item, how: End): void {
    item.isTouched = true
    item.last = how
    item.isSuspect = false
    item.isSettling = true
    item.wasAlone = false
    item.state = this.#fails(how) ? this.#afterFailure(item, how) : 'ending'
  }

  #fails(how: End): boolean {
    return !['ok', 'ok!', 'cause', 'cause!', 'commit', 'late'].includes(how)
  }

  #afterFailure(item: Item, how: End | 'timeout' | 'crash'): Item['state'] {
    const { attempts, discards, backoffMs } = this.#policyOf(item.handler)
    if (how === 'never') return 'dead'
    if (how === 'unwanted' && discards) return 'skipped'
    const isFree = how === 'away'
    if (!isFree) item.burned += 1
    item.dueMs = this.clock.now() + backoffMs
    return isFree || item.burned < attempts ? 'retrying' : 'dead'
  }

  #heard(name: string, { handler, envelope, attempt, outcome, letterId, error, by }: Notice): void {
    const item = this.items.get(`${handler.replace('events/', '')} ${envelope.message.n}`)
    if (item === undefined)
      return void this.faults.push(`${name} of ${envelope.message.n} at ${handler}, which never was`)
    const { code } = (error ?? {}) as { code?: string }
    if (name === 'failed' && code === 'PROCESS_CRASHED') {
      if (!item.mayBeToBlame) this.#wrong(item, 'is charged for a crash, and did not run alone')
      // It is written that it runs alone before it does.
      if (!['waiting', 'unsure', 'retrying'].includes(item.state)) this.#wrong(item, 'is charged for a crash')
      this.#checkLane(item)
      item.wasAlone = item.mayBeToBlame = false
      item.isTouched = true
      item.burned = (attempt ?? 0) - 1
      item.state = this.#afterFailure(item, 'crash')
    } else if (name === 'failed' && code === 'TIMED_OUT') {
      if (item.state !== 'running') this.#wrong(item, 'times out')
      item.isTouched = true
      item.after = this.#afterFailure(item, 'timeout')
      item.dueMs -= this.clock.now() - (item.startedMs + TIMEOUT_MS) // It is heard of later.
      item.state = 'overdue'
    } else if (name === 'succeeded') {
      if (item.state !== 'ending') this.#wrong(item, 'succeeds')
      item.state = 'done'
      item.letter = undefined
    } else if (name === 'failed') {
      const expected = { retrying: 'retry', dead: 'dead', skipped: 'skipped' }[item.state as string]
      if (outcome !== expected) this.#wrong(item, `comes to ${outcome}: ${error?.stack}`)
    } else if (name === 'dead' && code === 'PROCESS_CRASHED' && item.state !== 'dead') {
      // A replay that has crashed the process alone; or once more, where that is what it had died of.
      const isBrought = item.replayed && (item.outlived > 0 || item.state === 'unsure')
      if (!isBrought || (item.state !== 'waiting' && item.state !== 'unsure')) this.#wrong(item, 'is dead by a crash')
      item.state = 'dead'
      item.letter = letterId
    } else if (name === 'dead') {
      if (item.state !== 'dead' && item.after !== 'dead') this.#wrong(item, 'is dead')
      item.letter = letterId
    } else if (name === 'dropped' && by === 'recover') {
      if (item.state !== 'skipped') this.#wrong(item, 'is dropped')
      item.letter = undefined
    }
  }

  #wrong(item: Item, what: string): void {
    this.faults.push(`${item.name} ${what} (${item.state})`)
  }

  #crash(crash: { readonly soon: number | undefined }): void {
    void this.#subject.crash()
    this.#leaveProcess(crash)
    this.#state = 'stopped'
    this.#hasStopped = true
  }

  /** The process is no more, and with it what only memory held. */
  #leaveProcess(crash?: { readonly soon: number | undefined }): void {
    this.#process.die()
    const running = new Set(this.#calls.splice(0).flatMap(({ item, isZombie }) => (isZombie ? [] : [item])))
    for (const item of this.items.values()) {
      const { state } = item
      if (item.handler === 'm') Object.assign(item, { state: 'lost', letter: undefined })
      else if (crash !== undefined)
        this.#survives(item, { isRunning: running.has(item), isSoon: crash.soon !== undefined })
      else if (state === 'running' || state === 'overdue') item.state = item.after ?? 'waiting'
      if (item.replayed && isLive(item)) item.outlived += 1
      beginReplayAnew(item)
    }
    for (const wait of this.#waits.filter(({ outcomes }) => outcomes === undefined))
      this.#waits.splice(this.#waits.indexOf(wait), 1)
    this.#process = this.#begin()
  }

  #survives(item: Item, how: { readonly isRunning: boolean; readonly isSoon: boolean }): void {
    const { isRunning } = how
    const { state } = item
    item.wasAlone ||= state === 'running' && item.isSuspect && !item.replayed
    item.mayBeToBlame ||= (state === 'running' || item.isTouched || how.isSoon) && item.mayBeSuspect && !item.replayed
    if (state === 'running') item.state = 'waiting'
    else if (state === 'overdue') item.state = item.isTouched ? 'unsure' : (item.after ?? 'waiting')
    else if (item.isTouched && ['ending', 'dead', 'retrying', 'skipped'].includes(state)) item.state = 'unsure'
    else if (state === 'ending') this.faults.push(`${item.name} was not told of`)
    item.after = undefined
    if (item.isTouched && item.state === 'waiting' && isRunning) item.wasAlone = false
    item.isSuspect = isRunning && item.state === 'waiting' && !item.isTouched
    item.mayBeSuspect = item.mayBeSuspect || !isEnd(item)
    item.isSettling = false
  }

  /** Waits until nothing more happens by itself. */
  async #rest(): Promise<void> {
    for (let turn = 0; turn < REST_TURNS; turn += 1) await nextTurn()
    if (this.#state === 'stopping' && this.#hasStopped) {
      this.#state = 'stopped'
      for (const call of this.#calls) {
        const { item } = call
        if (!call.isZombie && (item.state === 'running' || item.state === 'overdue'))
          item.state = item.after ?? 'waiting'
        if (!call.isZombie) item.after = undefined
        item.mayBeSuspect = true // It runs alone after the next start.
        item.isBehindItself = true // What is left of its last attempt has its lane: the next starts when that ends.
        call.isZombie = true
      }
      for (const item of this.items.values()) item.wasAlone = item.mayBeToBlame = false
      for (const item of this.items.values()) {
        if (item.handler === 'm' && isLive(item)) item.state = item.letter === undefined ? 'lost' : 'dead'
        if (item.replayed && isLive(item)) item.outlived += 1
        beginReplayAnew(item)
      }
    }
    for (const item of this.items.values()) {
      if (item.isSettling) item.mayBeSuspect = false
      item.isSettling = item.isTouched = false
    }
    if (this.#state === 'started') await this.#checkLetters()
  }

  async #checkLetters(): Promise<void> {
    const { letters } = await this.#process.dp.deadLetters.list({ limit: 10_000 })
    const found = new Map(
      letters.map((letter) => [
        `${letter.handler.replace('events/', '')} ${(letter.envelope.message as Told).n}`,
        letter,
      ]),
    )
    if (found.size !== letters.length)
      this.faults.push(
        `two letters of one: ${letters.map(({ id, handler, envelope }) => `${id} ${handler} ${(envelope.message as Told).n}`).join()}`,
      )
    for (const item of this.items.values()) {
      const letter = found.get(item.name)
      if (letter !== undefined && item.state === 'unsure') {
        item.letter = letter.id
        item.state = letter.isReplaying ? 'waiting' : 'dead'
        beginReplayAnew(item)
      }
      if (letter === undefined && item.state === 'unsure') item.letter = undefined
      if (letter?.id !== item.letter) this.#wrong(item, `has the letter ${letter?.id}, and not ${item.letter}`)
      if (letter === undefined || letter.isReplaying) continue
      if (item.state !== 'dead' && item.state !== 'overdue')
        this.#wrong(item, 'has a letter that is not being replayed')
    }
  }

  /** Whatever is left ends: then each has come to one end, nothing is left of it, and whoever waited was told. */
  async #finish(): Promise<void> {
    for (let step = 0; this.#state === 'stopping' && step < 30; step += 1) await this.#goOn()
    await this.#act({ do: 'start', anew: false })
    await this.#rest()
    await this.#drain()
    for (const item of this.items.values()) this.#checkEnd(item)
    await this.#checkEffects()
    if (this.faults.length > 0) return
    for (let left = 1; left > 0;) {
      for (const item of this.items.values()) if (item.letter !== undefined) this.#removeLetter(item)
      left = await this.#process.dp.deadLetters.discard({})
      await this.#drain()
    }
    await this.#act({ do: 'stop' })
    for (let step = 0; this.#state === 'stopping' && step < 30; step += 1) await this.#goOn()
    for (const { n, outcomes } of this.#waits) if (outcomes === undefined) this.faults.push(`${n} was not told`)
    if (this.clock.refTimers > 0) this.faults.push(`${this.clock.refTimers} timers are left`)
    await this.#checkStore()
  }

  async #drain(): Promise<void> {
    for (let step = 0; step < 400 && this.faults.length === 0; step += 1) {
      const isQuiet = this.#calls.length === 0
      await this.#goOn()
      const left = [...this.items.values()].filter((item) => {
        return item.isAccepted && (isLive(item) || this.#mayComeAgain(item)) && !this.#isBlocked(item)
      })
      if (isQuiet && this.#calls.length === 0 && left.length === 0 && step > 3) return
    }
  }

  async #goOn(): Promise<void> {
    if (this.#calls.length > 0) this.#end(this.#calls[0])
    else this.clock.advance(10)
    await this.#rest()
  }

  #isBlocked(item: Item): boolean {
    return item.lane.slice(0, item.lane.indexOf(item)).some((one) => this.#holds(one))
  }

  /** Whether its last attempt before the crash was none to end with. */
  #mayComeAgain({ state, last }: Item): boolean {
    return state === 'unsure' && (last === undefined || (this.#fails(last) && last !== 'unwanted'))
  }

  #checkEnd(item: Item): void {
    if (!item.isAccepted || item.handler === 'm') return
    const isSilentlyDone = item.state === 'unsure' && !this.#mayComeAgain(item)
    if (!isEnd(item) && !isSilentlyDone && !this.#isBlocked(item)) this.#wrong(item, 'has no end')
    if (item.state !== 'done' || !['cause', 'cause!', 'commit'].includes(item.last ?? '')) return
    const caused = this.items.get(`c ${item.name}`)
    if (caused === undefined) this.#wrong(item, 'has caused nothing')
  }

  async #checkEffects(): Promise<void> {
    const effects = (await this.#subject.effects?.()) ?? []
    for (const item of this.items.values()) {
      const count = effects.filter((effect) => effect === item.name).length
      const commits = item.last === 'commit' || item.last === 'late'
      if (count > 1) this.#wrong(item, `had its effect ${count} times`)
      if (item.state === 'done' && count !== (commits ? 1 : 0)) this.#wrong(item, `had its effect ${count} times`)
    }
    for (const lane of this.#lanes.values()) {
      const inOrder = lane.filter(({ name, replayed }) => !replayed && effects.includes(name)).map(({ name }) => name)
      const actual = effects.filter((effect) => inOrder.includes(effect))
      if (actual.join() !== inOrder.join()) this.faults.push(`effects ${actual.join()} instead of ${inOrder.join()}`)
    }
  }

  async #checkStore(): Promise<void> {
    const subscriptions = [...DURABLE, 'c'].map((name) => {
      const types = [name === 'c' ? 'model.caused' : 'model.told']
      return { name: `events/${name}`, formerly: [], types, from: 'now' as const }
    })
    const opening = { service: undefined, subscriptions, clock: this.clock, wake: () => {} }
    const store = await this.#subject.store.open(opening)
    const { messages, deadLetters, subscriptions: of } = await store.stats()
    const left = of.filter(({ behind, exceptions }) => behind > 0 || exceptions > 0)
    if (messages > 0 || deadLetters > 0 || left.length > 0) {
      this.faults.push(`${messages} messages and ${deadLetters} letters are left, ${JSON.stringify(left)}`)
    }
    await store.close()
  }
}

/** The attempts of a replay are not stored before it ends. */
function beginReplayAnew(item: Item): void {
  if (!item.replayed || !isLive(item)) return
  item.burned = 0
  if (item.state === 'retrying') item.state = 'waiting'
}

function isLive({ state }: Item): boolean {
  return state === 'waiting' || state === 'running' || state === 'overdue' || state === 'retrying'
}

function isEnd({ state }: Item): boolean {
  return ['done', 'dead', 'skipped', 'gone', 'lost'].includes(state)
}

function pick<T>(from: readonly T[], which: number): T | undefined {
  return from[which % (from.length || 1)]
}

interface Notice {
  readonly handler: string
  readonly envelope: { readonly message: { readonly n: string } }
  readonly attempt?: number
  readonly outcome?: string
  readonly letterId?: string
  readonly error?: Error
  readonly by?: string
}

const policy = record({
  attempts: integer({ min: 1, max: 3 }),
  backoffMs: constantFrom(0, 10, 25),
  onDead: constantFrom<OnDead>('continue', 'park', 'park'),
  discards: boolean(),
  hasTimeout: boolean(),
})
const end = constantFrom<End>(
  'ok',
  'ok!',
  'cause',
  'cause!',
  'commit',
  'commit',
  'rollback',
  'late',
  'boom',
  'boom',
  'boom!',
  'never',
  'unwanted',
  'away',
)
const which = nat(5)
const action: Arbitrary<Action> = oneof(
  {
    weight: 14,
    arbitrary: record({
      do: constant('publish'),
      key: constantFrom(undefined, 'a', 'a', 'b'),
      ends: array(array(end, { maxLength: 4 }), { minLength: 2, maxLength: 3 }),
      waits: boolean(),
    }),
  },
  { weight: 22, arbitrary: record({ do: constant('end'), which }) },
  { weight: 6, arbitrary: record({ do: constant('advance'), ms: constantFrom(5, 10, 25, 50) }) },
  { weight: 4, arbitrary: record({ do: constantFrom('replay', 'replay', 'edit', 'discard', 'erase'), which }) },
  { weight: 1, arbitrary: record({ do: constant('again'), which }) },
  {
    weight: 3,
    arbitrary: record({ do: constant('crash'), soon: constantFrom(undefined, undefined, 0, 1, 2, 3, 5, 8, 13, 21) }),
  },
  { weight: 1, arbitrary: record({ do: constant('stop') }) },
  { weight: 6, arbitrary: record({ do: constant('start'), anew: boolean() }) },
)

const runs = Number(process.env['RUNS'] ?? 200)

for (const [name, harness, numRuns] of [
  ['memory', memoryHarness({ shared: false }), runs],
  ['sqlite', sqliteHarness('path'), Math.ceil(runs / 10)],
] as const) {
  test(`on ${name}, whatever is stored comes to one end, in the order of its key, over crashes`, async () => {
    await assert(
      asyncProperty(
        array(policy, { minLength: 2, maxLength: 2 }),
        array(action, { maxLength: 50, size: 'max' }),
        async (policies, actions) => {
          const subject = await harness.create({ partitions: 1, completion: 'delete' })
          try {
            expect(await new World(policies, subject).run(actions)).toEqual([])
          } finally {
            await subject.dispose?.()
          }
        },
      ),
      { numRuns },
    )
  }, 120_000)
}
