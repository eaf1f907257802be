import { Admission } from './delivery/admission.ts'
import { Capacity } from './delivery/capacity.ts'
import type { SeenIds } from './delivery/seen-ids.ts'
import type { SettledOptions } from './dispatcher-options.ts'
import type { Engine } from './engine/engine.ts'
import { type Handler, readyHandlers } from './engine/handler.ts'
import type { Close } from './engine/lifecycle.ts'
import { drain, reportAtExit } from './engine/shutdown.ts'
import { ImproperlyConfigured } from './errors.ts'
import { Limits } from './limits.ts'
import type { MessageType } from './message/message-type.ts'
import type { Observer } from './observe.ts'
import { DEFAULTS } from './options.ts'
import type { Binding } from './routing/binding.ts'
import { HandlerMap } from './routing/handler-map.ts'
import { aroundOutgoing, type Middleware, type OutgoingMiddleware } from './routing/middleware.ts'
import type { Mounted } from './routing/module.ts'
import { responseCycles } from './routing/response-cycles.ts'
import type { Router } from './routing/router.ts'
import { namedByClass, openSingletons, wiringProblems } from './routing/wiring.ts'

/** What the messages of a dispatcher run on. It outlives a stop. */
export interface Machine {
  readonly engine: Engine
  readonly capacity: Capacity
  readonly limits: Limits
}

export function machineOf(
  options: SettledOptions,
  parts: { readonly observer: Observer; readonly routers: () => readonly Router[] },
): Machine {
  const { engine: EngineClass, clock, stallAfterMs, whenFull, workers } = options
  const engine = new EngineClass({ observer: parts.observer, clock, stallAfterMs })
  const capacity = new Capacity(engine.census, options.capacity, whenFull)
  const limits = new Limits({ engine, capacity, routers: parts.routers })
  limits.workers = workers
  for (const router of ['events', 'commands', 'queries'] as const) {
    limits[router].workers = options[router].workers ?? DEFAULTS.workers
  }
  return { engine, capacity, limits }
}

/** What is checked besides the routers. */
export interface WiringParts {
  readonly mounted: Mounted
  readonly messages: readonly MessageType[]
  readonly observer: Observer
}

/** Says what is doubtful. @throws {ImproperlyConfigured} with everything that is wrong. */
export function checkWiring(routers: readonly Router[], { mounted, messages, observer }: WiringParts): void {
  const problems = [...mounted.problems, ...wiringProblems(routers, messages)]
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
  readonly maxDepth: number
  readonly middleware: readonly Middleware[]
  readonly outgoing: readonly OutgoingMiddleware[]
}

/**
 * Opens the singletons, makes the handlers ready, and gives the way in; and what undoes all that.
 * @throws {ProviderFailed | ImproperlyConfigured} where that fails; what was opened is closed.
 */
export async function openBus(
  routers: readonly Router[],
  { engine, capacity }: Machine,
  parts: StartParts,
): Promise<{ readonly admission: Admission; readonly close: Close }> {
  const { observer } = parts
  const bindings = routers.flatMap((router) => router.bindings)
  const singletons = await openSingletons(bindings, observer)
  try {
    const handlers = new Map<Binding, Handler>()
    const map = new HandlerMap(routers, (binding) => handlers.get(binding) as Handler)
    const admission = new Admission({ ...parts, map, engine, capacity, outgoing: aroundOutgoing(parts.outgoing) })
    readyHandlers(handlers, routers, { ...parts, singletons, engine, outlet: admission })
    engine.stopping = false
    const ignoreExit = reportAtExit(engine, observer)
    const close: Close = async (deadlineMs) => {
      capacity.close()
      await drain(engine, deadlineMs, observer)
      ignoreExit()
      await singletons.close()
    }
    return { admission, close }
  } catch (error) {
    await singletons.close()
    throw error
  }
}
