import { InvalidOption, shown } from '../errors.ts'
import { checkDurationMs, checkNames, RETRY } from '../options.ts'

/**
 * How long to wait before the next attempt.
 *
 * @param failures how many attempts have failed so far, from 1 on.
 * @param random a number from 0 up to 1, for jitter: the same numbers give the same delay.
 * @returns milliseconds, 0 or more.
 */
export type Backoff = (failures: number, random: number) => number

/** How the delays of {@link exponential} grow. */
export interface ExponentialOptions {
  /** The first delay, in milliseconds. Default 100. */
  readonly initialMs?: number
  /** What each delay is multiplied with for the next one, 1 or more. Default 2. */
  readonly factor?: number
  /** The longest delay before jitter, in milliseconds. Default 300 000 (5 minutes). */
  readonly maxMs?: number
  /** By which part of it a delay may be longer, at random: 0.25 for up to a quarter. It is never shorter. Default 0.25. */
  readonly jitter?: number
}

/**
 * Delays that grow: with the defaults 100 ms, 200 ms, 400 ms, up to 5 minutes, each up to a quarter longer, so that what
 * failed together is not tried again together.
 *
 * @throws {InvalidOption} for an option that does not exist, or a value that it cannot have.
 */
export function exponential(options: ExponentialOptions = {}): Backoff {
  checkNames('exponential()', options, ['initialMs', 'factor', 'maxMs', 'jitter'])
  const { initialMs = RETRY.initialMs, factor = RETRY.factor, maxMs = RETRY.maxMs, jitter = RETRY.jitter } = options
  checkDurationMs('initialMs', initialMs)
  checkDurationMs('maxMs', maxMs)
  checkAtLeast('factor', factor, 1)
  checkAtLeast('jitter', jitter, 0)
  return (failures, random) => {
    const grown = initialMs * Math.min(factor ** (failures - 1), Number.MAX_VALUE) // 0 * Infinity would be no number.
    return Math.min(maxMs, grown) * (1 + jitter * random)
  }
}

/** The same delay each time, in milliseconds. @throws {InvalidOption} for what is no duration. */
export function fixed(delayMs: number): Backoff {
  checkDurationMs('The delay of fixed()', delayMs)
  return () => delayMs
}

/** No delay: the next attempt starts as soon as it can. */
export function immediate(): Backoff {
  return () => 0
}

function checkAtLeast(name: string, value: unknown, least: number): void {
  if (typeof value === 'number' && value >= least && value < Number.POSITIVE_INFINITY) return
  throw new InvalidOption(`${name} is ${shown(value)}. Pass a number, ${least} or more.`)
}
