import type { Middleware } from '@iambus/core'

/** How long the attempts of each handler took, in milliseconds. */
export class HandlerTimes {
  readonly #timesMs = new Map<string, number[]>()

  /** For `dp.use`: goes around each attempt, whatever becomes of it. */
  readonly measure: Middleware = async (_message, { context, next }) => {
    const startMs = performance.now()
    try {
      return await next()
    } finally {
      const timesMs = this.#timesMs.get(context.handler) ?? []
      this.#timesMs.set(context.handler, [...timesMs, performance.now() - startMs])
    }
  }

  /** By the name of the handler. */
  get all(): { readonly handler: string; readonly timesMs: readonly number[] }[] {
    return [...this.#timesMs].map(([handler, timesMs]) => ({ handler, timesMs })).sort((a, b) => (a.handler < b.handler ? -1 : 1))
  }
}
