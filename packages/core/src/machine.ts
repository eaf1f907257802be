import { Admission } from './delivery/admission.ts'
import { Capacity } from './delivery/capacity.ts'
import { DeadLetters } from './delivery/dead-letters.ts'
import { MemoryDelays } from './time/delays.ts'
import { LettersInStore } from './durability/letters-in-store.ts'
import { Persistence } from './durability/persistence.ts'
import type { SeenIds } from './engine/seen-ids.ts'
import { knownTypes, subscriptionsOf } from './durability/subscriptions.ts'
import type { SettledOptions } from './dispatcher-options.ts'
import type { AsyncContexts } from './engine/async-contexts.ts'
import type { Engine } from './engine/engine.ts'
import { type Handler, readyHandlers } from './engine/handler.ts'
import type { Dispatch } from './engine/outlet.ts'
import { drain, forgetAtExit, reportAtExit } from './engine/shutdown.ts'
import { ImproperlyConfigured } from './errors.ts'
import { Limits } from './limits.ts'
import { MemoryDeadLetters } from './memory/dead-letters.ts'
import { Codec } from './message/codec.ts'
import type { Observer } from './observe.ts'
import { DEFAULTS } from './options.ts'
import { type Binding, routerName } from './routing/binding.ts'
import { HandlerMap } from './routing/handler-map.ts'
import { aroundOutgoing, type MiddlewareInUse } from './routing/middleware.ts'
import type { Mounted } from './routing/module.ts'
import { responseCycles } from './routing/response-cycles.ts'
import type { Router } from './routing/router.ts'
import { namedByClass, openSingletons, wiringProblems } from './routing/wiring.ts'

/** How long the store has to write what is left and to close, after the deadline of a stop: milliseconds. */
const CLOSE_MS = 1_000

/** What the messages of a dispatcher run on. It outlives a stop. */
export interface Machine {
  readonly engine: Engine
  readonly capacity: Capacity
  readonly limits: Limits
  readonly deadLetters: DeadLetters
}

export function machineOf(
  options: SettledOptions,
  parts: { readonly observer: Observer; readonly routers: () => readonly Router[] },
): Machine {
  const { engine: EngineClass, clock, random, stallAfterMs, whenFull, workers, redact, deadLetterCapacity } = options
  const deadLetters = { store: new MemoryDeadLetters(), redact, capacity: deadLetterCapacity }
  const engine = new EngineClass({ observer: parts.observer, clock, random, stallAfterMs, deadLetters })
  const capacity = new Capacity(engine.census, options.capacity, whenFull)
  const limits = new Limits({ engine, capacity, routers: parts.routers })
  limits.workers = workers
  for (const router of ['events', 'commands', 'queries'] as const) {
    limits[router].workers = options[router].workers ?? DEFAULTS.workers
  }
  return {
    engine,
    capacity,
    limits,
    deadLetters: new DeadLetters(engine, { observer: parts.observer, hasStore: options.store !== undefined }),
  }
}

/** What is checked besides the routers. */
export interface WiringParts {
  readonly mounted: Mounted
  readonly options: SettledOptions
  readonly observer: Observer
}

/** Says what is doubtful. @throws {ImproperlyConfigured} with everything that is wrong. */
export function checkWiring(routers: readonly Router[], { mounted, options, observer }: WiringParts): void {
  const { messages, store } = options
  const problems = [...mounted.problems, ...wiringProblems(routers, { messages, hasStore: store !== undefined })]
  if (problems.length > 0) throw ImproperlyConfigured.of(problems)
  const bindings = routers.flatMap((router) => router.bindings)
  for (const cycle of responseCycles(bindings)) observer.say('responseCycle', { cycle })
  const types = namedByClass(bindings, messages)
  if (types.length > 0) observer.say('namedByClass', { types })
}

/** What a start works with, besides the machine. */
export interface StartParts {
  readonly observer: Observer
  readonly seenIds: SeenIds
  readonly middleware: MiddlewareInUse
  readonly options: SettledOptions
  readonly contexts: AsyncContexts | undefined
}

/** What a start opens. */
export interface OpenBus {
  readonly admission: Admission
  /** Takes back a message that is not due yet. */
  readonly cancel: (id: string) => Promise<boolean>
  readonly delays: MemoryDelays
  readonly persistence: Persistence | undefined
  /** @param lastStored resolves when nobody else stores anything more. */
  readonly close: (deadlineMs: number, lastStored: Promise<void>) => Promise<void>
}

/**
 * Opens the singletons, makes the handlers ready, and gives the way in; and what undoes all that.
 * @throws {ProviderFailed | ImproperlyConfigured} where that fails; what was opened is closed.
 */
export async function openBus(
  routers: readonly Router[],
  { engine, capacity, deadLetters }: Machine,
  parts: StartParts,
): Promise<OpenBus> {
  const { observer, options } = parts
  const bindings = routers.flatMap((router) => router.bindings)
  const singletons = await openSingletons(bindings, observer)
  try {
    let handlers: ReadonlyMap<Binding, Handler> = new Map()
    const map = new HandlerMap(routers, (binding) => handlers.get(binding) as Handler)
    const outgoing = aroundOutgoing(parts.middleware.publications)
    const release = (due: readonly Dispatch[]): void => admission.releaseLocal(due)
    const delays = new MemoryDelays({ ...parts, clock: options.clock, release })
    const admission = new Admission({ ...parts, map, engine, capacity, delays, maxDepth: options.maxDepth, outgoing })
    handlers = readyHandlers(routers, {
      ...parts,
      middleware: parts.middleware.attempts,
      singletons,
      engine,
      outlet: admission,
      failing: (router) => [options[routerName[router]], options],
      hasStore: options.store !== undefined,
    })
    const persistence = await openStore({ routers, handlers, admission, engine, observer, options })
    engine.stopping = false
    engine.stopped = false
    reportAtExit(engine, (reason) => delays.report(reason))
    const close: OpenBus['close'] = async (deadlineMs, lastStored) => {
      capacity.close()
      persistence?.pause()
      delays.close()
      const { deadlines } = engine
      const sinceMs = deadlines.now()
      await drain(engine, deadlineMs, async () => {
        await lastStored
        await persistence?.written()
      })
      forgetAtExit(engine)
      const leftMs = deadlineMs - (deadlines.now() - sinceMs)
      await persistence?.close(Math.max(leftMs, CLOSE_MS))
      deadLetters.inStore = undefined
      await singletons.close()
    }
    deadLetters.inStore = persistence && new LettersInStore(persistence, { engine, observer })
    try {
      await persistence?.start()
    } catch (error) {
      await close(CLOSE_MS, Promise.resolve())
      throw error
    }
    const cancel: OpenBus['cancel'] = async (id) => {
      // One that has durable handlers, and others, waits in both. The store goes first: it may fail.
      const wasStored = persistence === undefined ? false : await persistence.delays.cancel(id)
      const wasThere = delays.cancel(id) || wasStored
      if (wasThere) observer.say('cancelled', { id })
      return wasThere
    }
    return { admission, cancel, delays, persistence, close }
  } catch (error) {
    await singletons.close()
    throw error
  }
}

/** Opens the store, if there is one: what is for durable handlers goes there from then on. */
async function openStore(of: {
  readonly routers: readonly Router[]
  readonly handlers: ReadonlyMap<Binding, Handler>
  readonly admission: Admission
  readonly engine: Engine
  readonly observer: Observer
  readonly options: SettledOptions
}): Promise<Persistence | undefined> {
  const { routers, handlers, admission, engine, observer, options } = of
  const { store, service, messages, maxDepth, codec } = options
  if (store === undefined) return undefined
  const bindings = routers.flatMap((router) => router.bindings)
  const persistence = await Persistence.open({
    store,
    service,
    engine,
    observer,
    codec: new Codec(knownTypes(bindings, messages), codec),
    subscriptions: subscriptionsOf(routers, handlers, messages),
    maxDepth,
    release: (local) => admission.releaseLocal(local),
  })
  admission.storeIn(persistence)
  return persistence
}
