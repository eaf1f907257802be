import type { Delivery } from '../engine/delivery.ts'
import type { Envelope } from '../message/envelope.ts'
import { checkCount, checkDurationMs, checkNames } from '../options.ts'
import { type Clock, systemClock } from '../ports/clock.ts'
import type { Middleware } from '../routing/middleware.ts'

/** The options of `dedupe`. */
export interface DedupeOptions {
  /** How long a success is remembered, in milliseconds. Default 300 000 (5 minutes). */
  readonly windowMs?: number | undefined
  /** How many successes are remembered, over all handlers; the oldest is forgotten first. Default 10 000. */
  readonly maxIds?: number | undefined
  /** Where the time comes from. Default: the machine's. */
  readonly clock?: Clock | undefined
}

/**
 * Middleware that runs each handler once for a message id: what comes again within the window is answered with the value
 * of the first time, and causes nothing. What comes while the first still runs waits for it, and runs only if that fails.
 *
 * It guards handlers, where the same message can arrive twice: redelivered by a broker, or published by somebody who
 * gives it the same `id` again. Use one for several dispatchers of a process, and they share what it remembers. (The
 * dispatcher's own `dedupeMs` guards its publications.)
 *
 * Its limits: it remembers in memory, and nothing across a restart; the value is the very one of the first time, not a
 * copy; a returned `responseEvent` is published again. Put it first: what a middleware outside of it makes of a success
 * is not seen.
 *
 * ```ts
 * dp.commands.use(dedupe({ windowMs: 60_000 }))
 * ```
 *
 * @throws {InvalidOption} for a duration or a count that cannot be, and for options that do not exist.
 */
export function dedupe(options: DedupeOptions = {}): Middleware {
  checkNames('dedupe()', options, ['windowMs', 'maxIds', 'clock'])
  const { windowMs = 300_000, maxIds = 10_000, clock = systemClock } = options
  checkDurationMs('windowMs', windowMs, { infinite: true })
  checkCount('maxIds', maxIds)
  const running = new Map<string, Promise<unknown>>()
  const done = new Remembered(windowMs, maxIds, () => clock.monotonic?.() ?? clock.now())

  return async (_message, { context, next }) => {
    const id = JSON.stringify([context.handler, context.id])
    for (;;) {
      const first = running.get(id)
      if (first === undefined) break
      await first.catch(() => {}) // Its failure is its own.
      context.signal.throwIfAborted()
    }
    const remembered = done.get(id)
    // A later attempt at the same shows that the success was none: it failed outside of here, and lost what it had recorded.
    const { envelope } = context as Delivery // What the engine gives as the context.
    const isLater = context.attempt > (remembered?.attempt ?? 0) && remembered?.envelope === envelope
    if (remembered !== undefined && !isLater && !context.replayed) return remembered.value
    const run = (async () => next())()
    running.set(id, run)
    try {
      const value = await run
      // What succeeds after it was given up has failed for the bus.
      if (!context.signal.aborted) done.add(id, { value, attempt: context.attempt, envelope })
      return value
    } finally {
      running.delete(id)
    }
  }
}

interface Success {
  readonly value: unknown
  readonly attempt: number
  /** Of which of the messages with this id it was. */
  readonly envelope: Envelope
}

/** Successes by id, each for a time, and no more than so many. */
class Remembered {
  readonly #windowMs: number
  readonly #maxIds: number
  readonly #now: () => number
  /** The oldest first, since a map keeps the order of insertion. */
  readonly #successes = new Map<string, Success & { readonly untilMs: number }>()

  constructor(windowMs: number, maxIds: number, now: () => number) {
    this.#windowMs = windowMs
    this.#maxIds = maxIds
    this.#now = now
  }

  get(id: string): Success | undefined {
    this.#forgetOld()
    return this.#successes.get(id)
  }

  add(id: string, success: Success): void {
    this.#successes.delete(id)
    this.#successes.set(id, { ...success, untilMs: this.#now() + this.#windowMs })
    this.#forgetOld()
  }

  #forgetOld(): void {
    const nowMs = this.#now()
    for (const [id, { untilMs }] of this.#successes) {
      if (untilMs > nowMs && this.#successes.size <= this.#maxIds) return
      this.#successes.delete(id)
    }
  }
}
