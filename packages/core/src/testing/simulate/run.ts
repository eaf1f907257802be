import type { Dispatcher } from '../../dispatcher.ts'
import { asError, InvalidOption } from '../../errors.ts'
import { isThenable } from '../../routing/thenable.ts'
import { memory } from '../../memory/store.ts'
import type { Awaitable } from '../../routing/providers.ts'
import { turn, VirtualClock } from '../virtual-clock.ts'
import { Chance } from './chance.ts'
import type { GlobalsWatch } from './determinism.ts'
import type { Fault, PlannedFault } from './faults.ts'
import { Stuck } from './failures.ts'
import { type Dead, Guarantees } from './guarantees.ts'
import { Life, type LifeParts, type SimulatedNode } from './life.ts'
import { Mischief } from './mischief.ts'
import type { Plan } from './plan.ts'
import { type Message, Publisher } from './publisher.ts'
import { inWords, isDurable, isParked, whatIsLeft } from './rest.ts'
import { SimulatedFailure, type SimulatedTransaction } from './simulated-store.ts'
import { type Step, Steps } from './steps.ts'
import { Timeline } from './timeline.ts'

/** What an invariant is asked about. */
export interface SimulatedState<W> {
  readonly world: W
  /** What was given to the bus in this run: when a failure is made smaller, these are fewer. */
  readonly messages: readonly (object | string)[]
  /** What has failed for good so far. */
  readonly dead: readonly Dead[]
  /** Whether everything has come to rest: no message is under way any more. */
  readonly isSettled: boolean
}

/** What is simulated. */
export interface Subject<W> {
  readonly make: (node: SimulatedNode<W>) => Awaitable<Dispatcher>
  readonly world: () => W
  readonly messages: (chance: Chance) => readonly Message[]
  readonly invariant: (state: SimulatedState<W>) => void
  readonly transaction: ((world: W) => SimulatedTransaction) | undefined
  readonly faults: readonly Fault[]
  readonly nodes: number
  readonly forMs: number
  readonly maxSteps: number
}

/** What has come of a run. */
export interface Ran {
  readonly error: Error | undefined
  readonly timeline: readonly string[]
  readonly steps: number
  readonly faults: readonly PlannedFault[]
  /** How many deliveries have failed for good. */
  readonly dead: number
  /** How many messages there were to be given. */
  readonly messages: number
}

/** How often time passes in a run while something could happen. */
const HASTY_AT_MOST = 12
/** How long a claim lasts where there are several nodes: so that hours take few steps. */
const LEASE_MS = 60_000

/** One run: from the start of its nodes until everything has come to rest, or something is found. */
export class Run<W> {
  readonly #subject: Subject<W>
  readonly #plan: Plan
  readonly #watch: GlobalsWatch
  readonly #clock = new VirtualClock()
  readonly #timeline = new Timeline()
  readonly #steps = new Steps()
  readonly #guarantees: Guarantees
  /** Which step is taken. */
  readonly #order: Chance
  readonly #mischief: Mischief
  readonly #struck: PlannedFault[] = []
  readonly #world: W
  readonly #publisher: Publisher
  readonly #messages: readonly Message[]
  readonly #parts: LifeParts
  readonly #lives: Life[]
  #step = 0
  /** How often time may still pass while something could happen: as if all of it was slow. */
  #hasty = HASTY_AT_MOST
  #error: Error | undefined

  constructor(subject: Subject<W>, plan: Plan, watch: GlobalsWatch) {
    const { seed } = plan
    this.#subject = subject
    this.#plan = plan
    this.#watch = watch
    this.#order = new Chance(seed)
    this.#mischief = new Mischief(seed, subject.faults)
    this.#messages = subject.messages(new Chance(seed ^ 0xfeed))
    const missing = plan.messages?.find((index) => index >= this.#messages.length)
    if (missing !== undefined) {
      const text = `replay has the message ${missing}, and there are ${this.#messages.length}, from 0 on.`
      throw new InvalidOption(`${text} Pass the same messages as the simulation that has printed it.`)
    }
    this.#world = subject.world()
    const say = (text: string): void => this.#timeline.say(text)
    const fail = (error: Error): void => void (this.#error ??= error)
    this.#publisher = new Publisher({
      messages: this.#messages,
      chosen: plan.messages ?? this.#messages.map((_, index) => index),
      mayDuplicate: subject.faults.includes('duplicate'),
      say,
      fail,
      timeline: this.#timeline,
    })
    const { make, transaction, nodes } = subject
    // More than nodes: so that each has some, and hands over what another one should have.
    const partitions = nodes === 1 ? 1 : 2 * nodes
    this.#guarantees = new Guarantees(this.#timeline, partitions)
    const world = this.#world
    const jitter = new Chance(seed ^ 0xd1ce)
    this.#parts = {
      nodes,
      memory: nodes === 1 ? memory() : memory({ shared: true, partitions, leaseMs: LEASE_MS }),
      make: (node) => make({ ...node, world }),
      clock: this.#clock,
      random: jitter.next,
      steps: this.#steps,
      guarantees: this.#guarantees,
      timeline: this.#timeline,
      begin: transaction && (() => transaction(world)),
      say,
      fail,
      started: (life, error) => this.#started(life, error),
    }
    this.#lives = Array.from({ length: nodes }, (_, node) => this.#begin(node))
  }

  async go(): Promise<Ran> {
    try {
      while (this.#error === undefined && (await this.#next())) this.#step += 1
    } catch (thrown) {
      this.#error = asError(thrown)
    } finally {
      for (const life of this.#lives) life.die()
    }
    return {
      error: this.#error,
      timeline: this.#timeline.lines,
      steps: this.#step,
      faults: this.#struck,
      dead: this.#guarantees.dead.length,
      messages: this.#messages.length,
    }
  }

  /** Tells whether there was anything to do. */
  async #next(): Promise<boolean> {
    await turn()
    if (this.#error !== undefined) throw this.#error
    this.#check(false)
    if (this.#step >= this.#subject.maxSteps) {
      throw new Stuck(
        `It has not come to rest after ${this.#step} steps: if it should take more, raise maxSteps. ${inWords(await this.#left())}`,
      )
    }
    const faults = this.#faultsNow()
    for (const fault of faults) this.#strikeBetween(fault)
    const step = this.#choose()
    if (step === undefined) return this.#pass()
    this.#steps.remove(step)
    const kind = step.faults?.find((one) => faults.some(({ fault }) => fault === one))
    if (kind !== undefined) {
      this.#struck.push({ step: this.#step, fault: kind, detail: 0 })
      step.strike?.(kind)
    } else step.take()
    return true
  }

  /** @throws what does not hold. */
  #check(isSettled: boolean): void {
    const nonDeterministic = this.#watch.take()
    if (nonDeterministic !== undefined) throw nonDeterministic
    if (isSettled) {
      // What only memory held dies with it; what is parked waits for somebody to replay what died before it.
      this.#guarantees.hasSettled(({ life, envelope: { key }, handler }) => {
        return (life.isAlive || isDurable(life, handler)) && !isParked(this.#lives, handler, key)
      })
    }
    if (this.#guarantees.broken !== undefined) throw this.#guarantees.broken
    const { dead } = this.#guarantees
    const state = { world: this.#world, messages: this.#publisher.messages, dead, isSettled }
    const given: unknown = this.#subject.invariant(state)
    if (!isThenable(given)) return
    given.then(undefined, () => {})
    throw new InvalidOption('The invariant gave a promise: it is asked between two steps. Let it answer at once.')
  }

  /** The step to be taken; `undefined` where there is none, or time passes first. */
  #choose(): Step | undefined {
    const possible = this.#steps.possible
    const started = this.#lives.filter(({ isStarted }) => isStarted)
    const canGive = this.#publisher.hasMore && started.length > 0
    const give: Step = {
      take: () => this.#publisher.give(this.#plan.isCalm ? (started[0] as Life) : this.#order.of(started)),
    }
    if (possible.length === 0) {
      if (canGive) this.#steps.add(give)
      return canGive ? give : undefined
    }
    if (this.#plan.isCalm) return possible[0]
    if (this.#hasty > 0 && this.#clock.timers > 0 && this.#order.oneIn(16)) {
      this.#hasty -= 1
      return undefined
    }
    const choice = this.#order.below(possible.length + (canGive ? 1 : 0))
    if (choice < possible.length) return possible[choice]
    this.#steps.add(give)
    return give
  }

  /** Nothing can happen now: so time passes, unless nothing is waited for. */
  async #pass(): Promise<boolean> {
    const hasNothingToDo = this.#steps.possible.length === 0 && this.#publisher.isIdle
    const isOver = this.#clock.monotonic() >= this.#subject.forMs || this.#clock.timers === 0
    if (hasNothingToDo && isOver && (await this.#left()).length === 0) {
      this.#check(true)
      return false
    }
    const inMs = this.#clock.nextInMs
    if (inMs === undefined) {
      throw new Stuck(`It does not come to rest, and nothing can happen any more. ${inWords(await this.#left())}`)
    }
    this.#timeline.passes(inMs)
    this.#clock.fireNext()
    return true
  }

  #faultsNow(): readonly PlannedFault[] {
    const { faults } = this.#plan
    const step = this.#step
    if (faults !== undefined) return faults.filter((one) => one.step === step)
    return this.#mischief.at(step, {
      struck: this.#struck.length,
      messages: this.#messages.length,
      nodes: this.#lives.length,
    })
  }

  /** Those that come between two steps. */
  #strikeBetween(planned: PlannedFault): void {
    const { fault, detail } = planned
    if (fault === 'crash') {
      const life = this.#lives[detail]
      if (life?.isAlive !== true) return
      this.#crash(life)
    } else if (fault === 'duplicate') {
      const isGiven = (this.#plan.messages ?? this.#messages.map((_, index) => index)).includes(detail)
      if (!isGiven) return
      this.#publisher.duplicate(detail)
    } else if (fault === 'clock-jump') {
      this.#timeline.say(`the time of day is set by ${detail} ms`)
      this.#clock.jump(detail)
    } else return
    this.#struck.push(planned)
  }

  #left(): Promise<string[]> {
    return whatIsLeft(this.#lives, this.#guarantees)
  }

  #crash(life: Life): void {
    this.#timeline.say(`${life.name} crashes`)
    life.die()
    this.#publisher.died(life)
    this.#steps.add({ take: () => void (this.#lives[life.node] = this.#begin(life.node)) })
  }

  #begin(node: number): Life {
    const life = new Life(node, this.#parts)
    void life.start()
    return life
  }

  #started(life: Life, error: Error | undefined): void {
    if (!life.isAlive) return
    if (error === undefined) {
      if (this.#struck.some(({ fault }) => fault === 'crash')) this.#timeline.say(`${life.name} has started again`)
      return
    }
    // Where it was the simulation that had its store fail, it is started again, as by a supervisor.
    if (error instanceof SimulatedFailure) this.#crash(life)
    else this.#error ??= error
  }
}
