import { AsyncLocalStorage } from 'node:async_hooks'
import type { Context } from '../routing/context.ts'
import type { Attempt } from '../routing/middleware.ts'
import { Delivery } from './delivery.ts'

/** Finds the context of the handler that code runs for, however deep below it: the option `asyncContext`. */
export class AsyncContexts {
  readonly #storage = new AsyncLocalStorage<Context>()

  get current(): Context | undefined {
    return this.#storage.getStore()
  }

  /** The same, while its handler runs: what goes on after it has ended acts from outside. */
  get active(): Delivery | undefined {
    const { current } = this
    return current instanceof Delivery && current.isActive ? current : undefined
  }

  around(attempt: Attempt): Attempt {
    return (message, deps) => this.#storage.run(deps.context, attempt, message, deps)
  }
}
