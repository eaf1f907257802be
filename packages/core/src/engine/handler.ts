import { HandlerConstructionFailed, type IambusError, ImproperlyConfigured } from '../errors.ts'
import type { MessageClass } from '../message/message-type.ts'
import type { Observer } from '../observe.ts'
import type { Clock } from '../ports/clock.ts'
import { type Binding, routerName } from '../routing/binding.ts'
import { type Attempt, around, type Middleware } from '../routing/middleware.ts'
import type { OpenProviders } from '../routing/providers.ts'
import type { Router } from '../routing/router.ts'
import { nameHandlers } from '../routing/wiring.ts'
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
}

/** A handler ready to run: bound, injected, with its middleware around it, its lanes and its workers. */
export class Handler {
  /** As `events/update-search`. */
  readonly name: string
  readonly attempt: Attempt
  readonly responseEvents: readonly MessageClass[]
  readonly timeoutMs: number | undefined
  readonly lanes: Lanes
  readonly pool: Pool
  readonly engine: HandlerEngine
  readonly outlet: Outlet

  constructor(name: string, attempt: Attempt, of: { binding: Binding; engine: HandlerEngine; outlet: Outlet }) {
    const { lanes, pool } = of.engine.places.of(of.binding)
    this.name = name
    this.attempt = attempt
    this.responseEvents = of.binding.responseEvents
    this.timeoutMs = of.binding.timeoutMs
    this.lanes = lanes
    this.pool = pool
    this.engine = of.engine
    this.outlet = of.outlet
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
}

/**
 * Makes every handler ready, and puts it into `handlers`.
 * @throws {ImproperlyConfigured} with each class that could not be constructed.
 */
export function readyHandlers(handlers: Map<Binding, Handler>, routers: readonly Router[], parts: HandlerParts): void {
  const problems: IambusError[] = []
  for (const router of routers) {
    const middleware = [...parts.middleware, ...router.middleware]
    for (const [binding, ownName] of nameHandlers(router.bindings)) {
      try {
        const attempt = around(attemptOf(binding, parts.singletons, parts.observer), middleware)
        const name = `${routerName[binding.router]}/${ownName}`
        handlers.set(binding, new Handler(name, attempt, { binding, engine: parts.engine, outlet: parts.outlet }))
      } catch (error) {
        if (!(error instanceof HandlerConstructionFailed)) throw error
        problems.push(error)
      }
    }
  }
  if (problems.length > 0) throw ImproperlyConfigured.of(problems)
}
