import { InvalidOption, shown } from './errors.ts'
import type { MessageHeaders } from './message/augmentable.ts'

/** The defaults of `new Dispatcher()`, in one table. */
export const DEFAULTS: Defaults = {
  /** How many messages may cause each other in one chain before the next one ends as dead. */
  maxDepth: 1_000,
  /** For how long an `id` given to `publish` or `send` is remembered, so that its second use runs nothing: 5 minutes. */
  dedupeMs: 300_000,
  /** How many deliveries may run at a time: of the dispatcher, of a router, of a handler. */
  workers: Number.POSITIVE_INFINITY,
  /** How many deliveries may wait before messages from outside are held back, and when they are let in again. */
  capacity: Object.freeze({ high: Number.POSITIVE_INFINITY, low: Number.POSITIVE_INFINITY }),
  /** What becomes of a message from outside that would go over the capacity. */
  whenFull: 'wait',
  /** How long a handler that was given up may go on before it is reported as stalled, in milliseconds. */
  stallAfterMs: 30_000,
  /** What becomes of the later messages of a key when one of them has died. */
  onDead: 'continue',
  /** How many dead letters, and messages parked behind them, are kept in memory. */
  deadLetterCapacity: 10_000,
  /** What becomes of the due times of a schedule that passed while nobody looked: they fire as one. */
  missedSchedules: 'fire-once',
}

interface Defaults {
  readonly maxDepth: number
  readonly dedupeMs: number
  readonly workers: number
  readonly capacity: CapacityMarks
  readonly whenFull: 'wait' | 'throw'
  readonly stallAfterMs: number
  readonly onDead: OnDead
  readonly deadLetterCapacity: number
  readonly missedSchedules: MissedSchedules
}

/**
 * What becomes of the due times of a schedule that passed while no process ran, or while the machine slept: they fire as one,
 * as the latest of them; or none of them does; or each.
 */
export type MissedSchedules = 'fire-once' | 'skip' | 'fire-all'

/** What becomes of the later messages of a key when one has died: they go on, or are parked behind it until it is replayed. */
export type OnDead = 'continue' | 'park'

/** The defaults of `retry()` and `exponential()`: 20 attempts, with the jitter in 47 minutes on average. */
export const RETRY = {
  /** How many attempts there are in all. */
  attempts: 20,
  /** The first delay, and the longest before jitter, in milliseconds. */
  initialMs: 100,
  maxMs: 300_000,
  /** What each delay is multiplied with for the next one. */
  factor: 2,
  /** By which part of it a delay may be longer, at random. */
  jitter: 0.25,
  /** For how long errors that say `unavailable` burn no attempt, in milliseconds: 24 hours. */
  maxAgeMs: 86_400_000,
} as const

/** How many messages of a durable handler may be set aside, retrying or dead in their lanes, before no more are read. */
export const SCAN_AHEAD = 10_000

/** How many messages of a durable handler and a partition are in memory at a time, unless the store says something else. */
export const READ_AHEAD = 256

/** How long a message waits that no live node can read, in milliseconds: 15 minutes, longer than most deploys take. */
export const UNKNOWN_TYPE_MS = 900_000

/** How long `stop()` waits for what was accepted, in milliseconds. */
export const DEADLINE_MS = 10_000

/** The longest delay that a timer of Node.js can have, in milliseconds (2^31 - 1, about 24.8 days). */
export const MAX_TIMER_MS = 2_147_483_647

/** How long a message can be delayed, in milliseconds: when it is due must still be a time that a `Date` can have (8.64e15). */
export const MAX_DELAY_MS = 8_000_000_000_000_000

/** How a message leaves: the options of `publish`, `send` and `request` alike. */
export interface MessageOptions {
  /** The message's own id, where you have one. Used twice within `dedupeMs`, `publish` and `send` run it once. */
  readonly id?: string | undefined
  /** Messages of one key reach each handler one at a time, in the order of the calls. `null` sheds an inherited key. */
  readonly key?: string | null | undefined
  /** Text that travels along, and on to whatever the message causes. */
  readonly headers?: MessageHeaders | undefined
  /** What the whole chain of messages is known by. Default: the id of its first message. */
  readonly correlationId?: string | undefined
}

/** When a message takes its place in the lanes of its handlers. Default: at once. */
export interface DelayOptions {
  /** After so many milliseconds. Without a store they count by the dispatcher's `clock`, else by the time of the store. */
  readonly delayMs?: number | undefined
  /** At this time; at once where it has passed. Only one of the two can be given. */
  readonly at?: Date | undefined
}

/** The options of `context.publish` and `context.send`. A `delayMs` counts from when the attempt has succeeded. */
export interface RecordedOptions extends MessageOptions, DelayOptions {}

/** The options of `publish` and `send`. */
export interface PublishOptions extends MessageOptions, DelayOptions {
  /** Aborted before the message is accepted, it refuses it. Afterwards it has no effect. */
  readonly signal?: AbortSignal | undefined
  /** How long the message may wait to be accepted where the bus is full, in milliseconds. Afterwards it has no effect. */
  readonly timeoutMs?: number | undefined
  /**
   * A transaction of your own, on the database that the store works on: the message is part of it. It is written when the call
   * returns, stored for good when you commit, and never was when you roll back.
   */
  readonly tx?: object | undefined
}

/** The options of `request`. */
export interface RequestOptions extends MessageOptions {
  /** Aborted, it rejects the request, and aborts the `context.signal` of the handler if that has started. */
  readonly signal?: AbortSignal | undefined
  /** How long the caller waits for the answer, in milliseconds. Then it is as if `signal` was aborted. */
  readonly timeoutMs?: number | undefined
}

/** The options of a call without any: one object, so that such calls can be told at a glance. */
export const noOptions: Record<never, never> = Object.freeze({})

/** How many deliveries may wait. */
export interface CapacityMarks {
  /** From so many on, messages from outside are held back. */
  readonly high: number
  /** When no more than so many are left, they are let in again. At most `high`. */
  readonly low: number
}

/** Whether the caller of `publish` or `handle` waits for what becomes of the message. */
export type Waiting = { readonly waitForResponse: true }
export type NotWaiting = { readonly waitForResponse?: false | undefined }
export type PerhapsWaiting = { readonly waitForResponse?: boolean | undefined }
/** Nobody can wait for what becomes of a delayed message. */
export type NotDelayed = { readonly delayMs?: undefined; readonly at?: undefined }

/** The options of `stop`. */
export interface StopOptions {
  /** How long to wait for what was accepted, in milliseconds; `Infinity` for as long as it takes. Default 10 000. */
  readonly deadlineMs?: number | undefined
}

/** The options that there are, as the keys of an object without a prototype: to look one up costs next to nothing. */
export type KnownNames = Readonly<Record<string, true>>

const named = (...names: string[]): KnownNames =>
  Object.assign(Object.create(null) as object, Object.fromEntries(names.map((name) => [name, true] as const)))
const recorded = ['id', 'key', 'headers', 'correlationId', 'delayMs', 'at']
const outside = named(...recorded, 'signal', 'timeoutMs', 'waitForResponse', 'tx')
/** Of what a handler records: it leaves when the handler has succeeded, and nobody waits for it. */
export const recordedNames: KnownNames = named(...recorded)

/** @throws {InvalidOption} for a name that no option has, or a value that it cannot have. */
export function checkMessageOptions(options: PublishOptions, known: KnownNames = outside): void {
  checkObject('a message', options)
  for (const name in options) {
    if (!(name in known) && Object.hasOwn(options, name)) throw unknownOption('A message', name, Object.keys(known))
  }
  const { id, key, headers, correlationId, signal, timeoutMs, delayMs, at } = options
  if (timeoutMs !== undefined) checkDurationMs('timeoutMs', timeoutMs)
  if (id !== undefined) checkText('id', id)
  if (key !== undefined && key !== null) checkText('key', key)
  if (correlationId !== undefined) checkText('correlationId', correlationId)
  if (headers !== undefined) checkHeaders(headers)
  if (delayMs !== undefined || at !== undefined) checkDelay(delayMs, at)
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
    throw new InvalidOption(`The signal is ${shown(signal)}. Pass an AbortSignal, such as controller.signal.`)
  }
}

/** @throws {InvalidOption} for a duration that is no number of milliseconds a timer can wait for. */
export function checkDurationMs(name: string, value: unknown, bounds?: { readonly infinite: boolean }): number {
  const infinite = bounds?.infinite === true
  if (infinite && value === Number.POSITIVE_INFINITY) return value
  if (typeof value !== 'number' || !(value >= 0)) {
    throw new InvalidOption(`${name} is ${shown(value)}. Pass a number of milliseconds, 0 or more.`)
  }
  if (value > MAX_TIMER_MS) {
    const remedy = infinite ? 'Pass less, or Infinity.' : 'Pass less, or leave it out.'
    throw new InvalidOption(`${name} is ${value}, longer than a timer can wait (${MAX_TIMER_MS} ms). ${remedy}`)
  }
  return value
}

function checkDelay(delayMs: unknown, at: unknown): void {
  if (delayMs !== undefined && at !== undefined) {
    throw new InvalidOption('A message has both delayMs and at. Pass the one or the other.')
  }
  if (delayMs === undefined) {
    if (at instanceof Date && !Number.isNaN(at.getTime())) return
    throw new InvalidOption(`The option at is ${shown(at)}. Pass a Date that is valid.`)
  }
  if (typeof delayMs === 'number' && delayMs >= 0 && delayMs <= MAX_DELAY_MS) return
  throw new InvalidOption(`delayMs is ${shown(delayMs)}. Pass a number of milliseconds, from 0 to ${MAX_DELAY_MS}.`)
}

/** @throws {InvalidOption} for a count that is neither a whole number from 1 on nor, where that is meant, infinite. */
export function checkCount(name: string, value: unknown, bounds?: { readonly infinite: boolean }): number {
  if (bounds?.infinite === true && value === Number.POSITIVE_INFINITY) return value
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value
  const remedy = bounds?.infinite === true ? 'a whole number, 1 or more, or Infinity' : 'a whole number, 1 or more'
  throw new InvalidOption(`${name} is ${shown(value)}. Pass ${remedy}.`)
}

/** @throws {InvalidOption} for a number of workers that cannot be. */
export function checkWorkers(where: string, value: unknown): number {
  return checkCount(`${where}workers`, value, { infinite: true })
}

/** @throws {InvalidOption} for what is neither `'continue'` nor `'park'`. */
export function checkOnDead(where: string, value: unknown): void {
  if (value === 'continue' || value === 'park') return
  throw new InvalidOption(`${where}onDead is ${shown(value)}. Pass 'continue' or 'park'.`)
}

/** @throws {InvalidOption} for what is none of the three. */
export function checkMissed(name: string, value: unknown): void {
  if (value === 'fire-once' || value === 'skip' || value === 'fire-all') return
  throw new InvalidOption(`${name} is ${shown(value)}. Pass 'fire-once', 'skip' or 'fire-all'.`)
}

/** @throws {InvalidOption} for marks that are no counts, or a low one above the high one. */
export function checkCapacity(marks: unknown): CapacityMarks {
  const isObject = typeof marks === 'object' && marks !== null
  if (isObject) checkNames('capacity', marks, ['high', 'low'])
  if (!isObject || !('high' in marks && 'low' in marks)) {
    const given = isObject ? `an object with ${Object.keys(marks).join(' and ') || 'nothing'}` : shown(marks)
    throw new InvalidOption(`capacity is ${given}. Pass both marks: { high, low }.`)
  }
  const high = checkCount('capacity.high', marks.high, { infinite: true })
  if (marks.low !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(marks.low) && (marks.low as number) >= 0)) {
    throw new InvalidOption(`capacity.low is ${shown(marks.low)}. Pass a whole number, 0 or more, or Infinity.`)
  }
  const low = marks.low as number
  if (low > high) {
    throw new InvalidOption(`capacity.low is ${low}, above capacity.high, which is ${high}. Pass less.`)
  }
  return Object.freeze({ high, low })
}

/** @throws {InvalidOption} for a name that is none of the `known` ones: a misspelt option must not be ignored. */
export function checkNames(where: string, given: unknown, known: readonly string[]): void {
  checkObject(where, given)
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw unknownOption(where, name, known)
  }
}

function unknownOption(where: string, name: string, names: readonly string[]): InvalidOption {
  return new InvalidOption(`${where} has no option '${name}'. It has: ${names.join(', ')}.`)
}

/** @throws {InvalidOption} for options that are no object. */
export function checkObject(where: string, given: unknown): asserts given is object {
  if (typeof given === 'object' && given !== null) return
  throw new InvalidOption(`The options of ${where} are ${shown(given)}. Pass an object, or leave them out.`)
}

/** @throws {InvalidOption} for what is no text, or an empty one. */
export function checkText(name: string, value: unknown, of = 'a message'): void {
  if (typeof value === 'string' && value !== '') return
  const remedy = typeof value === 'number' ? `Write it as text: String(${value}).` : 'Pass a string that is not empty.'
  throw new InvalidOption(`The ${name} of ${of} is ${shown(value)}. ${remedy}`)
}

function checkHeaders(headers: unknown): void {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw new InvalidOption(`The headers of a message are ${shown(headers)}. Pass an object of strings.`)
  }
  for (const name of Object.keys(headers)) {
    const value = (headers as MessageHeaders)[name]
    if (value !== undefined && typeof value !== 'string') {
      throw new InvalidOption(`The header '${name}' is ${shown(value)}. Headers are strings: write it as one.`)
    }
  }
}
