import { busOf, type Dispatcher } from '../../dispatcher.ts'
import type { DispatcherOptions } from '../../dispatcher-options.ts'
import { forgetAtExit } from '../../engine/shutdown.ts'
import { asError, ImproperlyConfigured } from '../../errors.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Logger } from '../../ports/logger.ts'
import type { Awaitable } from '../../routing/providers.ts'
import type { VirtualClock } from '../virtual-clock.ts'
import { asHandler } from './determinism.ts'
import type { Given, Guarantees } from './guarantees.ts'
import { type Remote, remoteOf } from './remote.ts'
import { SimulatedStore, type SimulatedStoreParts } from './simulated-store.ts'
import type { Steps } from './steps.ts'
import type { Timeline } from './timeline.ts'

/** What a program is given to make its dispatcher with, each time that one of its nodes starts. */
export interface SimulatedNode<W> {
  /** To be given to the dispatcher: `new Dispatcher({ ...options, onDead: 'park' })`. */
  readonly options: Required<Pick<DispatcherOptions, 'store' | 'clock' | 'random' | 'logger'>>
  /** What survives a crash: the databases and services that the handlers work with. */
  readonly world: W
  /**
   * Something outside, as handlers reach it: each call of a method takes its time, so that other things happen before it and
   * after it, and it may fail, or its answer get lost.
   *
   * @param name what it is called in what a simulation prints.
   */
  readonly remote: <T extends object>(name: string, service: T) => Remote<T>
}

/** What all lives of a run share. */
export interface LifeParts extends SimulatedStoreParts {
  readonly make: (node: Omit<SimulatedNode<unknown>, 'world'>) => Awaitable<Dispatcher>
  /** How many there are. */
  readonly nodes: number
  readonly clock: VirtualClock
  readonly random: () => number
  readonly steps: Steps
  readonly guarantees: Guarantees
  readonly timeline: Timeline
  /** It could not be started, or has been. */
  readonly started: (life: Life, error: Error | undefined) => void
}

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** A node, from its start to its death. */
export class Life {
  /** How it is called where there are several: `node 2`. */
  readonly name: string
  /** Which of the nodes it is, from 0 on. */
  readonly node: number
  isAlive = true
  isStarted = false
  dp: Dispatcher | undefined
  readonly store: SimulatedStore
  readonly #parts: LifeParts
  readonly #ends = new Set<() => void>()

  constructor(node: number, parts: LifeParts) {
    this.node = node
    this.name = parts.nodes === 1 ? 'the process' : `node ${node + 1}`
    this.#parts = parts
    this.store = new SimulatedStore(parts, this)
  }

  /** Calls it when the node dies. @returns a function that takes it back. */
  whenItDies(run: () => void): () => void {
    this.#ends.add(run)
    return () => void this.#ends.delete(run)
  }

  async start(): Promise<void> {
    const { make, random, steps, started } = this.#parts
    const clock = this.#clock()
    try {
      const dp = await make({
        options: { store: this.store, clock, random, logger: silent },
        remote: (name, service) =>
          remoteOf(name, service, { life: this, steps, say: this.#say, fail: this.#parts.fail }),
      })
      if (!this.isAlive) return
      this.dp = dp
      if (busOf(dp).machine.engine.clock !== clock) throw notGiven()
      if (busOf(dp).routers.frozen) throw hasStarted()
      this.whenItDies(() => forgetAtExit(busOf(dp).machine.engine))
      this.#watch(dp)
      await dp.start()
      this.isStarted = true
      started(this, undefined)
    } catch (thrown) {
      started(this, asError(thrown))
    }
  }

  /** As by `kill -9`. */
  die(): void {
    this.isAlive = false
    this.isStarted = false
    this.store.crash()
    this.#parts.steps.removeOf(this)
    for (const end of this.#ends) end()
    this.#ends.clear()
  }

  /** Its timers die with it. */
  #clock(): Clock {
    const { clock } = this.#parts
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (delayMs, run) => {
        const timer = clock.after(delayMs, () => {
          forget()
          run()
        })
        const forget = this.whenItDies(() => timer.cancel())
        return {
          ...timer,
          cancel: () => {
            forget()
            timer.cancel()
          },
        }
      },
    }
  }

  #watch(dp: Dispatcher): void {
    const { guarantees, steps, timeline } = this.#parts
    dp.use(async (_message, { context, next }) => {
      const { id, type, handler, key, replayed, attempt } = context
      const given: Given = { id, type, handler, key, replayed }
      await steps.until(this)
      const name = timeline.nameOf(given)
      guarantees.begins(this, given, context.signal.aborted)
      this.#say(`${handler} begins with ${name}${attempt > 1 ? `, attempt ${attempt}` : ''}`)
      let isDone = false
      try {
        const value = await asHandler(handler, next)
        isDone = !context.signal.aborted
        if (this.isAlive) this.#say(`${handler} is done with ${name}`)
        return value
      } finally {
        if (this.isAlive) guarantees.ends(this, given, isDone)
      }
    })
    const listen = [
      dp.observe('accepted', ({ envelope, handlers }) => guarantees.accepted(this, envelope, handlers)),
      dp.observe('failed', ({ envelope, handler, error, outcome }) => {
        this.#say(`${handler} fails with ${timeline.nameOf(envelope)}: ${error.message} (${outcome})`)
        if (outcome !== 'retry') guarantees.hasOutcome(this, envelope, handler)
      }),
      dp.observe('claimLost', ({ handler }) => this.#say(`what is for ${handler} is another node's now`)),
      dp.observe('dead', ({ envelope, handler, error }) => {
        guarantees.dead.push({ message: envelope.message, handler, error })
        guarantees.hasOutcome(this, envelope, handler)
      }),
      dp.observe('stopped', ({ envelope, handler }) => guarantees.isGivenUp(this, envelope, handler)),
      dp.observe('dropped', ({ envelope, handler }) => guarantees.hasOutcome(this, envelope, handler)),
    ]
    for (const end of listen) this.whenItDies(end)
  }

  readonly #say = (text: string): void => {
    const { say, nodes } = this.#parts
    say(nodes === 1 ? text : `${this.name}: ${text}`)
  }
}

function hasStarted(): ImproperlyConfigured {
  return new ImproperlyConfigured(
    'NOT_SIMULATED',
    'make() has started the dispatcher. Let it make one, and bind: the simulation starts it.',
  )
}

function notGiven(): ImproperlyConfigured {
  return new ImproperlyConfigured(
    'NOT_SIMULATED',
    'The dispatcher has another clock than its simulation. Make it with what it is given: new Dispatcher({ ...options }).',
  )
}
