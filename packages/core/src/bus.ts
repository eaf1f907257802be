import type { Admission } from './delivery/admission.ts'
import { MemorySchedules, type MemorySchedulesParts } from './time/memory-schedules.ts'
import { type Every, nextOf, type ScheduleOptions, scheduleOf } from './time/schedule.ts'
import type { Persistence } from './durability/persistence.ts'
import { type ScheduleRunner, Schedules } from './time/schedules.ts'
import { StoredSchedules } from './time/stored-schedules.ts'
import { SeenIds } from './engine/seen-ids.ts'
import { type DispatcherOptions, type SettledOptions, settledOptions } from './dispatcher-options.ts'
import { AsyncContexts } from './engine/async-contexts.ts'
import { type Close, Lifecycle, stopDeadlock } from './engine/lifecycle.ts'
import { stopOnSignals } from './engine/shutdown.ts'
import { checkWiring, type Machine, machineOf, type OpenBus, openBus } from './machine.ts'
import { Observer } from './observe.ts'
import { checkObject, noOptions } from './options.ts'
import type { When } from './ports/when.ts'
import { type Middleware, MiddlewareInUse, type OutgoingMiddleware } from './routing/middleware.ts'
import { Mounted, type ModuleScope } from './routing/module.ts'
import type { Router } from './routing/router.ts'
import { Routers } from './routing/routers.ts'

/** What modules are mounted on, and signals stop. */
interface Owner extends ModuleScope {
  stop(): Promise<void>
}

/** What makes the messages of a schedule. */
interface ScheduledBy {
  readonly make: (dueAt: Date) => unknown
  readonly options: ScheduleOptions
}

/** What is behind a dispatcher: what was said of it before the start, and what a start opens and a stop closes. */
export class Bus {
  readonly routers: Routers
  readonly observer: Observer
  /** Where the context of a running handler is found, with `asyncContext`. */
  readonly contexts: AsyncContexts | undefined
  readonly #options: SettledOptions
  readonly #dispatcher: Owner
  readonly #seenIds: SeenIds
  readonly #middleware = new MiddlewareInUse()
  readonly #schedules = new Schedules()
  readonly #scheduling: Omit<MemorySchedulesParts, 'outlet'>
  readonly #mounted = new Mounted()
  readonly #lifecycle = new Lifecycle(() => this.#start())
  #machine: Machine | undefined
  /** There while messages are taken from outside. */
  #admission: Admission | undefined
  #opened: OpenBus | undefined

  /** @throws {InvalidOption} */
  constructor(options: DispatcherOptions, dispatcher: Owner) {
    this.#options = settledOptions(options)
    this.#dispatcher = dispatcher
    this.routers = new Routers(this.#options)
    this.contexts = this.#options.asyncContext ? new AsyncContexts() : undefined
    this.observer = new Observer(this.#options.logger)
    this.#seenIds = new SeenIds(this.#options.dedupeMs)
    this.#scheduling = { clock: this.#options.clock, observer: this.observer, dueAt: new WeakMap() }
  }

  /** What messages run on: made when first needed, and kept from then on. */
  get machine(): Machine {
    this.#machine ??= machineOf(this.#options, { observer: this.observer, routers: () => this.routers.all })
    return this.#machine
  }

  /** What the last start has opened. */
  get opened(): OpenBus | undefined {
    return this.#opened
  }

  get isOpen(): boolean {
    return this.#admission !== undefined
  }

  use(middleware: Middleware | OutgoingMiddleware): void {
    this.routers.checkOpen('use')
    this.#middleware.add(middleware)
  }

  mount(part: object): void {
    this.routers.checkOpen('mount')
    this.#mounted.mount(part, { scope: this.#dispatcher, routers: this.routers.all })
  }

  /** @throws {InvalidOption} */
  schedule(name: string, when: When | Every, { make, options }: ScheduledBy): void {
    const { missedSchedules: missed, clock } = this.#options
    const schedule = scheduleOf(name, when, { make, options, missed })
    nextOf(schedule, clock.now()) // What gives nonsense is better known now.
    this.#schedules.add(schedule)
  }

  unschedule(name: string): Promise<boolean> {
    return this.#schedules.remove(name)
  }

  start(): Promise<void> {
    return this.#lifecycle.start()
  }

  stop(deadlineMs: number): Promise<void> {
    const within = this.#machine?.engine.starting ?? this.contexts?.active
    if (this.#machine !== undefined && this.#admission !== undefined) this.#machine.engine.stopping = true
    this.#admission = undefined
    void this.#schedules.close()
    const stopped = this.#lifecycle.stop(deadlineMs)
    return within === undefined ? stopped : stopDeadlock(within.handler)
  }

  /** Takes back a message that is not due yet. @throws {NotAccepting} */
  cancel(id: string): Promise<boolean> {
    if (this.#admission === undefined || this.#opened === undefined) throw this.#lifecycle.refusal()
    return this.#opened.cancel(id)
  }

  /** The way in, while there is one. What it throws becomes a rejection: a caller has one place to look for refusals. */
  enter(options: object): Admission {
    if (options !== noOptions) checkObject('a message', options)
    if (this.#admission === undefined) throw this.#lifecycle.refusal()
    return this.#admission
  }

  async #start(): Promise<Close | undefined> {
    const routers = this.routers.all
    this.routers.frozen = true
    try {
      checkWiring(routers, { mounted: this.#mounted, options: this.#options, observer: this.observer })
      if (routers.some(({ bindings }) => bindings.length > 0)) return await this.#open(routers)
    } catch (error) {
      this.routers.frozen = false
      throw error
    }
    this.observer.say('nothingBound', {})
    this.routers.frozen = false
    return undefined
  }

  async #open(routers: readonly Router[]): Promise<Close> {
    const { machine, observer, contexts } = this
    this.#opened = await openBus(routers, machine, {
      observer,
      seenIds: this.#seenIds,
      middleware: this.#middleware,
      options: this.#options,
      contexts,
    })
    const { admission, persistence, close } = this.#opened
    if (this.#lifecycle.isWanted) this.#admission = admission
    machine.engine.held.resumeFreed()
    if (this.#lifecycle.isWanted) this.#schedules.open(this.#scheduleRunner(admission, persistence))
    const ignoreSignals = stopOnSignals(this.#options.shutdownSignals, () => this.#dispatcher.stop())
    return (deadlineMs) => {
      this.#admission = undefined
      return close(deadlineMs, this.#schedules.close()).finally(ignoreSignals)
    }
  }

  #scheduleRunner(outlet: Admission, persistence: Persistence | undefined): ScheduleRunner {
    if (persistence === undefined) return new MemorySchedules({ ...this.#scheduling, outlet })
    const { observer } = this
    const { clock } = this.#options
    return new StoredSchedules({ store: persistence.store, clock, observer, outlet, causing: persistence })
  }
}
