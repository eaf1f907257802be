import { HandlerConstructionFailed, type IambusError, ImproperlyConfigured } from '../errors.ts'
import type { Kind } from '../message/kind.ts'
import type { MessageClass } from '../message/message-type.ts'
import type { Observer } from '../observe.ts'
import { DEFAULTS, type OnDead } from '../options.ts'
import type { Clock } from '../ports/clock.ts'
import { type Binding, mayBeDurable, routerName } from '../routing/binding.ts'
import { withCheckedReply } from '../routing/checked-reply.ts'
import { type Attempt, around, type Middleware } from '../routing/middleware.ts'
import type { OpenProviders } from '../routing/providers.ts'
import { byDefault, durableByDefault, firstOf, type Recover } from '../routing/recover.ts'
import type { Router } from '../routing/router.ts'
import { nameHandlers } from '../routing/wiring.ts'
import type { AsyncContexts } from './async-contexts.ts'
import type { Lanes } from './lanes.ts'
import type { Outlet } from './outlet.ts'
import { attemptOf } from './pipeline.ts'
import type { Places } from './places.ts'
import type { Pool } from './pool.ts'

/** What handlers need of the engine. */
export interface HandlerEngine {
  readonly clock: Clock
  /** When it was made, in milliseconds since 1970. */
  readonly madeAtMs: number
  readonly stopping: boolean
  readonly places: Places
  /** By name. They outlive a stop. */
  readonly handlers: Map<string, Handler>
}

/** A handler as the engine knows it, with its lanes and its workers. It outlives a stop; each start makes it ready anew. */
export class Handler {
  /** As `events/update-search`. */
  readonly name: string
  readonly binding: Binding
  readonly responseEvents: readonly MessageClass[]
  readonly timeoutMs: number | undefined
  readonly onDead: OnDead
  /** Whether its deliveries are kept in a store. */
  readonly isDurable: boolean
  readonly lanes: Lanes
  readonly pool: Pool
  readonly engine: HandlerEngine
  /** What becomes of a delivery whose attempt has failed. */
  readonly recover: Recover
  /** Runs one attempt: injected, with its middleware around it. */
  attempt!: Attempt
  outlet!: Outlet

  constructor(name: string, binding: Binding, of: HandlerParts & Policy) {
    const { lanes, pool } = of.engine.places.of(binding)
    this.name = name
    this.binding = binding
    this.responseEvents = binding.responseEvents
    this.timeoutMs = binding.timeoutMs
    this.onDead = of.onDead
    this.isDurable = of.isDurable
    this.lanes = lanes
    this.pool = pool
    this.engine = of.engine
    this.recover = of.recover
  }
}

/** What handlers are made ready with. */
export interface HandlerParts {
  readonly singletons: OpenProviders
  /** The dispatcher's own, around that of each router. */
  readonly middleware: readonly Middleware[]
  readonly engine: HandlerEngine
  readonly outlet: Outlet
  readonly observer: Observer
  /** What holds for the handlers of a router unless a binding says otherwise: its own word first, then the dispatcher's. */
  readonly failing: (router: Kind) => readonly Failing[]
  /** Where the context of a running handler is found, if anywhere. */
  readonly contexts: AsyncContexts | undefined
  readonly hasStore: boolean
}

/** What holds for a handler, wherever it is said. */
interface Policy {
  readonly isDurable: boolean
  readonly recover: Recover
  readonly onDead: OnDead
}

/** What becomes of deliveries that fail, as far as it is said in one place. */
interface Failing {
  readonly recover?: Recover | readonly Recover[]
  readonly onDead?: OnDead | undefined
}

/**
 * Makes every handler ready.
 * @throws {ImproperlyConfigured} with each class that could not be constructed.
 */
export function readyHandlers(routers: readonly Router[], parts: HandlerParts): ReadonlyMap<Binding, Handler> {
  const { engine, outlet } = parts
  const ready = new Map<Binding, Handler>()
  const problems: IambusError[] = []
  for (const router of routers) {
    const middleware = [...parts.middleware, ...router.middleware]
    for (const [binding, ownName] of nameHandlers(router.bindings)) {
      try {
        const handled = around(attemptOf(binding, parts.singletons, parts.observer), middleware)
        const attempt = withCheckedReply(binding, handled)
        const name = `${routerName[binding.router]}/${ownName}`
        const former = engine.handlers.get(name)
        const handler =
          former?.binding === binding ? former : new Handler(name, binding, { ...parts, ...policyOf(binding, parts) })
        handler.attempt = parts.contexts?.around(attempt) ?? attempt
        handler.outlet = outlet
        engine.handlers.set(name, handler)
        ready.set(binding, handler)
      } catch (error) {
        if (!(error instanceof HandlerConstructionFailed)) throw error
        problems.push(error)
      }
    }
  }
  if (problems.length > 0) throw ImproperlyConfigured.of(problems)
  return ready
}

/** The binding's word first, then the router's, then the dispatcher's. */
function policyOf(binding: Binding, { failing, hasStore }: HandlerParts): Policy {
  const all: Failing[] = [binding, ...failing(binding.router)]
  const onDead = all.find((one) => one.onDead !== undefined)?.onDead ?? DEFAULTS.onDead
  const isDurable = hasStore && mayBeDurable(binding)
  const otherwise = isDurable ? durableByDefault : byDefault
  return { isDurable, onDead, recover: firstOf([...all.flatMap(({ recover = [] }) => recover), otherwise]) }
}
