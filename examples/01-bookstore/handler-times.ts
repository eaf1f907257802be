import type { Middleware } from '@iambus/core'

export interface HandlerTime {
  readonly handler: string
  readonly calls: number
  readonly totalMs: number
  readonly longestMs: number
}

/** How long each handler took. */
export class HandlerTimes {
  readonly #times = new Map<string, HandlerTime>()

  /** For `dp.use`: goes around each attempt of each handler, whether it succeeds or fails. */
  readonly measure: Middleware = async (_message, { context, next }) => {
    const startMs = performance.now()
    try {
      return await next()
    } finally {
      this.#add(context.handler, performance.now() - startMs)
    }
  }

  /** Sorted by the name of the handler. */
  get all(): HandlerTime[] {
    return [...this.#times.values()].sort((a, b) => a.handler.localeCompare(b.handler, 'en'))
  }

  #add(handler: string, timeMs: number): void {
    const { calls, totalMs, longestMs } = this.#times.get(handler) ?? { calls: 0, totalMs: 0, longestMs: 0 }
    this.#times.set(handler, {
      handler,
      calls: calls + 1,
      totalMs: totalMs + timeMs,
      longestMs: Math.max(longestMs, timeMs),
    })
  }
}
