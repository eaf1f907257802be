import {
  InvalidOption,
  MaxDepthExceeded,
  NonRetryable,
  ProviderFailed,
  RetryLater,
  shown,
  Unavailable,
} from '../errors.ts'
import type { MessageHeaders } from '../message/augmentable.ts'
import { checkCount, checkDurationMs, checkNames, RETRY } from '../options.ts'
import { type Backoff, exponential, fixed, immediate } from './backoff.ts'

/** A delivery whose attempt has failed, as {@link Recover} sees it. */
export interface FailedDelivery {
  readonly id: string
  readonly type: string
  readonly message: object | string
  /** The handler, as `events/update-search`. */
  readonly handler: string
  readonly key: string | undefined
  readonly headers: MessageHeaders
  /** Which attempt failed, from 1 on. Attempts that burned none are not counted. */
  readonly attempt: number
  /** How often it has failed in all, with this time. */
  readonly failures: number
  /** How long ago it failed for the first time, in milliseconds. */
  readonly failingMs: number
  /** Whether it was a dead letter before. */
  readonly replayed: boolean
  /** From 0 up to 1, for jitter. */
  readonly random: number
}

/** What becomes of a delivery whose attempt has failed. What the attempt had recorded is dropped in any case. */
export type Recovery =
  /** It is tried again after so many milliseconds. `isFree`: the failed attempt is not counted. */
  | { readonly outcome: 'retry'; readonly delayMs: number; readonly isFree?: boolean }
  /** It is kept as a dead letter. */
  | { readonly outcome: 'dead' }
  /** It is left, with a notice. */
  | { readonly outcome: 'skipped' }
  /** It counts as handled. */
  | { readonly outcome: 'done' }

/**
 * Decides what becomes of a delivery whose attempt has failed; `undefined` leaves it to the next one: of the binding, then
 * of the router, then of the dispatcher, then the default. It is a pure function: no clock, no randomness, no effects.
 *
 * ```ts
 * dp.events.bind(OrderPlaced, reserveStock, {
 *   recover: [discard({ when: OutOfDate }), deadLetter({ when: TypeError }), retry({ attempts: 5 })],
 * })
 * ```
 */
export type Recover = (error: Error, delivery: FailedDelivery) => Recovery | undefined

type ErrorClass = abstract new (...args: never) => Error

/** Which errors are meant: those of a class, of several, or those that a function picks. */
export type ErrorFilter = ErrorClass | readonly ErrorClass[] | ((error: Error) => boolean)

/** Which errors {@link deadLetter} and {@link discard} are for. */
export interface WhenOptions {
  /** Default: all. */
  readonly when?: ErrorFilter
}

/** How {@link retry} does it. */
export interface RetryOptions extends WhenOptions {
  /** How many attempts there are in all. Default 20. */
  readonly attempts?: number
  /**
   * How long to wait before the next one, by how many have failed. Those that burned no attempt are counted apart. Default
   * `exponential()`: 20 attempts take about 47 minutes.
   */
  readonly backoff?: Backoff
  /** Which errors, besides {@link Unavailable}, say that something else is away: they burn no attempt. Default: none. */
  readonly unavailable?: ErrorFilter
  /** For how long after the first failure errors may burn no attempt, in milliseconds. Default 86 400 000 (24 hours). */
  readonly maxAgeMs?: number
}

/**
 * Tries again, until the attempts are used up; then it is dead. {@link NonRetryable} is dead at once; {@link Unavailable}
 * and {@link RetryLater} burn no attempt for `maxAgeMs`.
 *
 * @throws {InvalidOption} for an option that does not exist, or a value that it cannot have.
 */
export function retry(options: RetryOptions = {}): Recover {
  checkOptions('retry()', options, ['attempts', 'backoff', 'when', 'unavailable', 'maxAgeMs'])
  const { attempts = RETRY.attempts, backoff = exponential(), maxAgeMs = RETRY.maxAgeMs } = options
  checkCount('attempts', attempts)
  checkDurationMs('maxAgeMs', maxAgeMs)
  const uncalled = [exponential, fixed, immediate].find((make: unknown) => make === backoff)
  if (uncalled !== undefined)
    throw new InvalidOption(`backoff is ${shown(uncalled)} itself. Call it: ${uncalled.name}().`)
  if (typeof backoff !== 'function') {
    throw new InvalidOption(`backoff is ${shown(backoff)}. Pass exponential(), fixed(1_000), or a function.`)
  }
  const isMeant = filterOf('when', options.when, true)
  const isAway = filterOf('unavailable', options.unavailable, false)
  return (thrown, { attempt, failures, failingMs, random }) => {
    const error = saidBy(thrown)
    if (!isMeant(error)) return undefined
    if (error instanceof NonRetryable || error instanceof MaxDepthExceeded) return { outcome: 'dead' }
    if (failingMs < maxAgeMs) {
      if (error instanceof RetryLater) return { outcome: 'retry', delayMs: error.delayMs, isFree: true }
      if (error instanceof Unavailable || isAway(error)) {
        return { outcome: 'retry', delayMs: backoff(failures - attempt + 1, random), isFree: true }
      }
    }
    return attempt < attempts ? { outcome: 'retry', delayMs: backoff(attempt, random) } : { outcome: 'dead' }
  }
}

/** Keeps the delivery as a dead letter at once. @throws {InvalidOption} for a `when` that cannot be. */
export function deadLetter(options: WhenOptions = {}): Recover {
  return always('deadLetter()', options, { outcome: 'dead' })
}

/** Leaves the delivery, with a notice: its outcome is `skipped`. @throws {InvalidOption} for a `when` that cannot be. */
export function discard(options: WhenOptions = {}): Recover {
  return always('discard()', options, { outcome: 'skipped' })
}

/** What holds where nothing else is said: one attempt, and what burns none is tried again. */
export const byDefault: Recover = retry({ attempts: 1 })

/** The same for what survives a crash: with all attempts. */
export const durableByDefault: Recover = retry()

/** One after the other, the first that decides. */
export function firstOf(policies: readonly Recover[]): Recover {
  return (error, delivery) => {
    for (const policy of policies) {
      const recovery = policy(error, delivery)
      if (recovery !== undefined) return recovery
    }
    return undefined
  }
}

/** What was given as `recover`, as an array. @throws {InvalidOption} for what is neither a function nor several. */
export function checkRecover(where: string, given: Recover | readonly Recover[] | undefined): readonly Recover[] {
  const policies: readonly unknown[] = given === undefined ? [] : Array.isArray(given) ? given : [given]
  for (const policy of policies) {
    if (policy === retry || policy === deadLetter || policy === discard) {
      throw new InvalidOption(`${where}recover is ${shown(policy)} itself. Call it: ${(policy as Function).name}().`)
    }
    if (typeof policy === 'function') continue
    throw new InvalidOption(
      `${where}recover is ${shown(policy)}. Pass retry(), deadLetter(), discard(), or a function.`,
    )
  }
  return policies as readonly Recover[]
}

function always(name: string, options: WhenOptions, recovery: Recovery): Recover {
  checkOptions(name, options, ['when'])
  const isMeant = filterOf('when', options.when, true)
  return (error) => (isMeant(saidBy(error)) ? recovery : undefined)
}

function checkOptions(name: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'function') return checkNames(name, options, known)
  throw new InvalidOption(`${name} was given ${shown(options)}. Pass it as { when: ${options.name || 'filter'} }.`)
}

/** A provider that could not be opened has its own error as the cause: that is the one which tells what to do. */
function saidBy(error: Error): Error {
  return error instanceof ProviderFailed && error.cause instanceof Error ? error.cause : error
}

function filterOf(name: string, filter: ErrorFilter | undefined, otherwise: boolean): (error: Error) => boolean {
  if (filter === undefined) return () => otherwise
  if (typeof filter === 'function' && !isErrorClass(filter)) return filter
  const classes: readonly unknown[] = Array.isArray(filter) ? filter : [filter]
  for (const one of classes) {
    if (isErrorClass(one)) continue
    throw new InvalidOption(`${name} is ${shown(one)}. Pass a class of errors, an array of them, or a function.`)
  }
  return (error) => classes.some((one) => error instanceof (one as ErrorClass))
}

function isErrorClass(value: unknown): value is ErrorClass {
  return typeof value === 'function' && (value === Error || value.prototype instanceof Error)
}
