import type { EventRouter, RequestRouter, Router } from './router.ts'

/** The classes of the routers of a dispatcher. */
export interface RouterClasses {
  readonly eventsRouter: new () => EventRouter
  readonly commandsRouter: new (kind: 'command') => RequestRouter<'command'>
  readonly queriesRouter: new (kind: 'query') => RequestRouter<'query'>
}

/** The routers of a dispatcher: each made on first use, all frozen together. */
export class Routers {
  readonly #classes: RouterClasses
  #events: EventRouter | undefined
  #commands: RequestRouter<'command'> | undefined
  #queries: RequestRouter<'query'> | undefined
  #frozen = false

  constructor(classes: RouterClasses) {
    this.#classes = classes
  }

  get events(): EventRouter {
    this.#events ??= this.#made(new this.#classes.eventsRouter())
    return this.#events
  }

  get commands(): RequestRouter<'command'> {
    this.#commands ??= this.#made(new this.#classes.commandsRouter('command'))
    return this.#commands
  }

  get queries(): RequestRouter<'query'> {
    this.#queries ??= this.#made(new this.#classes.queriesRouter('query'))
    return this.#queries
  }

  /** Those that were used. */
  get all(): Router[] {
    return [this.#events, this.#commands, this.#queries].filter((router) => router !== undefined)
  }

  /** Whether nothing can be bound any more; or, where `start()` failed, it can again. */
  get frozen(): boolean {
    return this.#frozen
  }

  set frozen(frozen: boolean) {
    this.#frozen = frozen
    for (const router of this.all) router.freeze(frozen)
  }

  #made<R extends Router>(router: R): R {
    router.freeze(this.#frozen)
    return router
  }
}
