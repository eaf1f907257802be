import { asError, InvalidOption, shown } from '../errors.ts'
import { checkNames } from '../options.ts'
import { type Clock, systemClock } from '../ports/clock.ts'
import type { Middleware, Outgoing, OutgoingMiddleware } from '../routing/middleware.ts'
import { tell } from './tell.ts'

/** How one attempt of a handler went. */
export interface Timing {
  /** The handler, as `events/update-search`. */
  readonly handler: string
  /** The name of the message's type. */
  readonly type: string
  readonly id: string
  readonly key: string | undefined
  readonly attempt: number
  /** From the acceptance of the message to the start of this attempt, in milliseconds: earlier attempts are in it. */
  readonly waitedMs: number
  /** How long the attempt ran, in milliseconds. */
  readonly ranMs: number
  readonly outcome: 'done' | 'failed'
  /** What it failed with. */
  readonly error?: Error
}

/** How one message left. */
export interface OutgoingTiming {
  readonly verb: Outgoing['verb']
  /** The name of the message's type. */
  readonly type: string
  readonly key: string | undefined
  /** How long the outgoing middleware inside of this one ran, in milliseconds. */
  readonly ranMs: number
  /** Whether the middleware inside of this one let it pass. */
  readonly outcome: 'passed' | 'refused'
  /** What it was refused with. */
  readonly error?: Error
}

/** The options of `timing`. */
export interface TimingOptions {
  /** Where the time comes from. Default: the machine's (`performance.now()` for durations). */
  readonly clock?: Clock | undefined
}

/**
 * Middleware that tells, at the end of each attempt, how long the message had waited and how long the attempt ran. Those
 * inside of it count as the attempt: put it first to measure them too.
 *
 * ```ts
 * dp.use(timing(({ handler, ranMs, outcome }) => histogram.record(ranMs, { handler, outcome })))
 * ```
 *
 * @param record is called once for each attempt, and not awaited. What it throws, or rejects with, is a process warning.
 * @throws {InvalidOption} for a `record` that is no function, and for options that do not exist.
 */
export function timing(record: (timing: Timing) => void, options: TimingOptions = {}): Middleware {
  const { now, monotonic } = checked('timing()', record, options)
  return async (_message, { context, next }) => {
    const { handler, type, id, key, attempt } = context
    const waitedMs = Math.max(0, now() - context.time.getTime()) // A clock can be set back.
    const startMs = monotonic()
    const end = (outcome: Timing['outcome'], error?: Error): void => {
      const ended = { handler, type, id, key, attempt, waitedMs, ranMs: monotonic() - startMs, outcome }
      tell(`The record of timing() for ${handler}`, () => record(error === undefined ? ended : { ...ended, error }))
    }
    try {
      const value = await next()
      end('done')
      return value
    } catch (thrown) {
      end('failed', asError(thrown))
      throw thrown
    }
  }
}

/**
 * The same for each publication: {@link timing} on the way out.
 *
 * ```ts
 * dp.use(timingOutgoing(({ verb, type }) => counter.add(1, { verb, type })))
 * ```
 *
 * @throws {InvalidOption} like `timing`.
 */
export function timingOutgoing(
  record: (timing: OutgoingTiming) => void,
  options: TimingOptions = {},
): OutgoingMiddleware {
  const { monotonic } = checked('timingOutgoing()', record, options)
  return {
    outgoing: (message, next) => {
      const startMs = monotonic()
      const end = (outcome: OutgoingTiming['outcome'], error?: Error): void => {
        const { verb, type, key } = message
        const ended = { verb, type, key, ranMs: monotonic() - startMs, outcome }
        tell(`The record of timingOutgoing() for '${type}'`, () =>
          record(error === undefined ? ended : { ...ended, error }),
        )
      }
      try {
        next()
      } catch (thrown) {
        end('refused', asError(thrown))
        throw thrown
      }
      end('passed')
    },
  }
}

interface Times {
  readonly now: () => number
  readonly monotonic: () => number
}

function checked(where: string, record: unknown, options: TimingOptions): Times {
  if (typeof record !== 'function') {
    throw new InvalidOption(`${where} was given ${shown(record)}. Pass the function that records a timing.`)
  }
  checkNames(where, options, ['clock'])
  const { clock = systemClock } = options
  return { now: () => clock.now(), monotonic: () => clock.monotonic?.() ?? clock.now() }
}
