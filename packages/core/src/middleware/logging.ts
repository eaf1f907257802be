import { InvalidOption, shown } from '../errors.ts'
import { checkNames } from '../options.ts'
import type { Logger, LogLevel } from '../ports/logger.ts'
import type { Middleware, OutgoingMiddleware } from '../routing/middleware.ts'
import { timing, timingOutgoing, type TimingOptions } from './timing.ts'

/** The options of `logging`. */
export interface LoggingOptions extends TimingOptions {
  /** The level of what succeeds. Default `'debug'`. What fails is a warning. */
  readonly level?: LogLevel | undefined
}

/**
 * Middleware that logs a line for each attempt, at its end: the handler, the message's type, id and key, which attempt it
 * was, how long the message had waited and the attempt ran, and its outcome; a failure with its error, as `err`.
 *
 * ```ts
 * dp.use(logging(pino()))
 * ```
 *
 * @param logger any object with pino's methods. What it throws is a process warning, and fails nothing.
 * @throws {InvalidOption} for what is no logger, and for options that do not exist.
 */
export function logging(logger: Logger, options: LoggingOptions = {}): Middleware {
  const level = checkedLevel('logging()', logger, options)
  return timing(
    ({ error, ...fields }) => {
      const { handler, type, waitedMs, ranMs } = fields
      const times = { waitedMs: toMicroseconds(waitedMs), ranMs: toMicroseconds(ranMs) }
      if (error === undefined) logger[level]({ ...fields, ...times }, `${handler} handled '${type}'.`)
      else logger.warn({ ...fields, ...times, err: error }, `${handler} failed on '${type}': ${error.message}`)
    },
    { clock: options.clock },
  )
}

/**
 * The same for each publication: {@link logging} on the way out. A message that is refused is a warning.
 *
 * ```ts
 * dp.use(loggingOutgoing(pino()))
 * ```
 *
 * @throws {InvalidOption} like `logging`.
 */
export function loggingOutgoing(logger: Logger, options: LoggingOptions = {}): OutgoingMiddleware {
  const level = checkedLevel('loggingOutgoing()', logger, options)
  return timingOutgoing(
    ({ error, ranMs, ...fields }) => {
      const { verb, type } = fields
      const times = { ranMs: toMicroseconds(ranMs) }
      if (error === undefined) logger[level]({ ...fields, ...times }, `'${type}' leaves: ${verb}.`)
      else logger.warn({ ...fields, ...times, err: error }, `'${type}' was refused on its way out: ${error.message}`)
    },
    { clock: options.clock },
  )
}

const levels = ['debug', 'info', 'warn', 'error'] as const satisfies readonly LogLevel[]

function checkedLevel(
  where: string,
  logger: Partial<Record<LogLevel, unknown>> | undefined,
  options: LoggingOptions,
): LogLevel {
  for (const level of levels) {
    if (typeof logger?.[level] !== 'function') {
      throw new InvalidOption(`${where} was given ${shown(logger)} as its logger, which has no method '${level}'.`)
    }
  }
  checkNames(where, options, ['level', 'clock'])
  const { level = 'debug' } = options
  if (!levels.includes(level)) {
    throw new InvalidOption(`The level of ${where} is ${shown(level)}. Pass one of: ${levels.join(', ')}.`)
  }
  return level
}

/** A thousandth of a millisecond is as much as a reader of logs can use. */
function toMicroseconds(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}
