import { asError, InvalidOption, shown } from '../errors.ts'
import type { Fits } from '../message/kind.ts'
import {
  checkCount,
  checkMissed,
  checkNames,
  checkText,
  type MessageOptions,
  type MissedSchedules,
} from '../options.ts'
import type { When } from '../ports/when.ts'

/** A recurring time: every so many milliseconds, at the multiples of it since 1970, so that an hour is on the hour. */
export interface Every {
  readonly everyMs: number
}

/** The options of `dp.schedule`. */
export interface ScheduleOptions {
  /** What becomes of the due times that passed while nobody looked. Default: the dispatcher's `missedSchedules`. */
  readonly missed?: MissedSchedules | undefined
}

/** What a scheduled message is sent with. Its id is `schedule:<name>:<due time>`. */
export type ScheduledOptions = Pick<MessageOptions, 'key' | 'headers' | 'correlationId'>

/** An event or a command; neither an array nor a promise of one. */
type One = string | (Fits<'event' | 'command'> & { readonly [Symbol.iterator]?: never; readonly then?: never })

/** What a schedule makes for each due time: an event or command; or that, and what it is sent with. */
export type Scheduled = One | readonly [message: One, options?: ScheduledOptions]

/** Something that recurs, as `dp.schedule` was told. */
export interface Schedule {
  readonly name: string
  readonly when: When
  readonly make: (dueAt: Date) => unknown
  readonly missed: MissedSchedules
}

/** @throws {InvalidOption} */
export function scheduleOf(
  name: string,
  when: When | Every,
  of: { readonly make: unknown; readonly options: ScheduleOptions; readonly missed: MissedSchedules },
): Schedule {
  checkText('name', name, 'a schedule')
  const { make, options } = of
  if (typeof make !== 'function') {
    throw new InvalidOption(`What makes the messages of schedule '${name}' is ${shown(make)}. Pass a function.`)
  }
  checkNames('schedule()', options, ['missed'])
  const { missed = of.missed } = options
  checkMissed('missed', missed)
  return { name, when: whenOf(name, when), make: make as Schedule['make'], missed }
}

function whenOf(name: string, given: unknown): When {
  if (typeof given === 'object' && given !== null) {
    if ('next' in given && typeof given.next === 'function') return given as When
    if ('everyMs' in given) {
      checkNames(`the schedule '${name}'`, given, ['everyMs'])
      const everyMs = checkCount('everyMs', given.everyMs)
      return { next: (afterMs) => (Math.floor(afterMs / everyMs) + 1) * everyMs }
    }
  }
  const remedy = "Pass { everyMs }, cron() of '@iambus/core/cron', or an object with next()."
  throw new InvalidOption(`When schedule '${name}' is due is ${shown(given)}. ${remedy}`)
}

/** The latest time that a `Date` can have, in milliseconds since 1970. */
export const END_OF_TIME = 8_640_000_000_000_000

/** When the schedule is due next. @throws {InvalidOption} where its `next` fails, or gives no later time. */
export function nextOf({ name, when }: Schedule, afterMs: number): number | undefined {
  let next: unknown
  try {
    next = when.next(afterMs)
  } catch (thrown) {
    throw new InvalidOption(`next() of schedule '${name}' threw: ${asError(thrown).message}. It must not.`)
  }
  if (next === undefined) return undefined
  const atMs = Math.ceil(next as number) // Never early.
  if (typeof next === 'number' && atMs > afterMs) return atMs > END_OF_TIME ? undefined : atMs
  const remedy = 'Give a later time in milliseconds since 1970, or undefined.'
  throw new InvalidOption(`next(${afterMs}) of schedule '${name}' gave ${shown(next)}. ${remedy}`)
}
