import { Cron } from 'croner'
import { asError, InvalidOption, shown } from '../errors.ts'
import { checkNames } from '../options.ts'
import type { When } from '../ports/when.ts'

/** The options of `cron()`. */
export interface CronOptions {
  /** Whose clocks are meant, by its IANA name: `'Europe/Berlin'`. Default `'UTC'`, so that all machines agree. */
  readonly timeZone?: string | undefined
}

/**
 * The times of a cron expression, for `dp.schedule`: minute, hour, day of the month, month, day of the week; or with seconds in
 * front. It needs the package `croner`, which says what else an expression may hold.
 *
 * Where clocks are put forward, one time of day that does not exist (`30 2 * * *`) comes when the gap ends; where they are put
 * back, one that exists twice comes the first time only. Times that recur within a day (`0 * * * *`) come as they are.
 *
 * ```ts
 * dp.schedule('nightly', cron('0 3 * * *', { timeZone: 'Europe/Berlin' }), () => new CloseBooks({}))
 * ```
 *
 * @throws {InvalidOption} for an expression that is none, or never comes, or a time zone that is unknown.
 */
export function cron(expression: string, options: CronOptions = {}): When {
  checkNames('cron()', options, ['timeZone'])
  const { timeZone = 'UTC' } = options
  checkTimeZone(timeZone)
  const times = timesOf(expression, timeZone)
  if (times.nextRun(new Date(0)) === null) {
    throw new InvalidOption(`The cron expression ${shown(expression)} never comes. Check its day and its month.`)
  }
  return { next: (afterMs) => times.nextRun(new Date(afterMs))?.getTime() }
}

function timesOf(expression: string, timezone: string): Cron {
  try {
    return new Cron(expression, { timezone, paused: true })
  } catch (thrown) {
    const why = asError(thrown).message.replace(/^CronPattern: /, '')
    const remedy = "Pass minute, hour, day, month and day of the week, such as '0 3 * * *'."
    throw new InvalidOption(`The cron expression ${shown(expression)} cannot be read: ${why} ${remedy}`)
  }
}

function checkTimeZone(timeZone: unknown): void {
  try {
    if (typeof timeZone === 'string') return void new Intl.DateTimeFormat('en', { timeZone })
  } catch {
    // It is said below.
  }
  throw new InvalidOption(`The timeZone ${shown(timeZone)} is unknown. Pass an IANA name, such as 'Europe/Berlin'.`)
}
