import { AsyncLocalStorage } from 'node:async_hooks'
import type { Context } from '../routing/context.ts'
import type { Attempt } from '../routing/middleware.ts'
import type { Delivery } from './delivery.ts'

/** Finds the context of the handler that code runs for, however deep below it: the option `asyncContext`. */
export class AsyncContexts {
  readonly #storage = new AsyncLocalStorage<Delivery>()
  /** Where the dispatcher was made: a handler is in no context of whoever happened to have it started. */
  readonly #outside = AsyncLocalStorage.snapshot()

  get current(): Context | undefined {
    return this.#storage.getStore()
  }

  /** The same, while its handler runs: what goes on after it has ended acts from outside. */
  get active(): Context | undefined {
    const delivery = this.#storage.getStore()
    return delivery?.isActive ? delivery : undefined
  }

  around(attempt: Attempt): Attempt {
    // What the engine gives to an attempt as its context is the delivery.
    return (message, deps) => this.#outside(() => this.#storage.run(deps.context as Delivery, attempt, message, deps))
  }
}
