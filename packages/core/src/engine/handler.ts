import { HandlerConstructionFailed, type IambusError, ImproperlyConfigured } from '../errors.ts'
import type { MessageClass } from '../message/message-type.ts'
import type { Observer } from '../observe.ts'
import { type Binding, routerName } from '../routing/binding.ts'
import { type Attempt, around, type Middleware } from '../routing/middleware.ts'
import type { OpenProviders } from '../routing/providers.ts'
import type { Router } from '../routing/router.ts'
import { nameHandlers } from '../routing/wiring.ts'
import type { Lanes } from './lanes.ts'
import { attemptOf } from './pipeline.ts'

/** A handler ready to run: bound, injected, with its middleware around it and its lanes. */
export class Handler {
  /** As `events/update-search`. */
  readonly name: string
  readonly attempt: Attempt
  readonly responseEvents: readonly MessageClass[]
  readonly lanes: Lanes

  constructor(name: string, attempt: Attempt, rest: { responseEvents: readonly MessageClass[]; lanes: Lanes }) {
    this.name = name
    this.attempt = attempt
    this.responseEvents = rest.responseEvents
    this.lanes = rest.lanes
  }
}

/** What handlers are made ready with. */
export interface HandlerParts {
  readonly singletons: OpenProviders
  /** The dispatcher's own, around that of each router. */
  readonly middleware: readonly Middleware[]
  /** Keeps the lanes of each binding. */
  readonly engine: { lanesOf(binding: Binding): Lanes }
  readonly observer: Observer
}

/** Makes every handler ready. @throws {ImproperlyConfigured} with each class that could not be constructed. */
export function readyHandlers(routers: readonly Router[], parts: HandlerParts): Map<Binding, Handler> {
  const handlers = new Map<Binding, Handler>()
  const problems: IambusError[] = []
  for (const router of routers) {
    const middleware = [...parts.middleware, ...router.middleware]
    for (const [binding, ownName] of nameHandlers(router.bindings)) {
      try {
        const attempt = around(attemptOf(binding, parts.singletons, parts.observer), middleware)
        const name = `${routerName[binding.router]}/${ownName}`
        const { responseEvents } = binding
        handlers.set(binding, new Handler(name, attempt, { responseEvents, lanes: parts.engine.lanesOf(binding) }))
      } catch (error) {
        if (!(error instanceof HandlerConstructionFailed)) throw error
        problems.push(error)
      }
    }
  }
  if (problems.length > 0) throw ImproperlyConfigured.of(problems)
  return handlers
}
