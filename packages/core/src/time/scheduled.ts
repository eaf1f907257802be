import type { Dispatch } from '../engine/outlet.ts'
import { InvalidOption, shown } from '../errors.ts'
import type { Kind } from '../message/kind.ts'
import type { Observer } from '../observe.ts'
import { checkNames, noOptions, type RecordedOptions } from '../options.ts'
import { isThenable } from '../routing/thenable.ts'
import type { PassedTimes } from './passed-times.ts'
import type { Schedule } from './schedule.ts'

/** What makes scheduled messages ready: the way in. */
export interface ScheduleOutlet {
  kindOf(message: unknown): Kind
  record(verb: 'publish' | 'send', message: object | string, options: RecordedOptions): Dispatch
}

/** Makes the message of a due time ready. @throws what `make` throws, and whatever refuses what it gives. */
export function scheduled({ name, make }: Schedule, dueAt: number, outlet: ScheduleOutlet): Dispatch {
  const made = make(new Date(dueAt))
  const [message, options = noOptions] = (Array.isArray(made) ? made : [made]) as [unknown, unknown?]
  if (isThenable(made)) made.then(undefined, () => {}) // Its failure, if it has one, is this fault.
  if (isThenable(made) || (typeof message !== 'string' && (typeof message !== 'object' || message === null))) {
    const what = isThenable(made) ? 'a promise' : shown(message)
    throw new InvalidOption(`Schedule '${name}' made ${what}. Return an event or a command, or [it, options].`)
  }
  checkNames('a scheduled message', options, ['key', 'headers', 'correlationId'])
  const kind = outlet.kindOf(message)
  const id = `schedule:${name}:${new Date(dueAt).toISOString()}`
  // A query is refused, as `send` refuses it.
  return outlet.record(kind === 'event' ? 'publish' : 'send', message, { ...(options as object), id })
}

/** Says that due times of a schedule have passed without firing, if they have. */
export function sayMissed(
  { name, missed }: Schedule,
  { first, last, fire, areLeft }: PassedTimes,
  observer: Observer,
): void {
  if (!areLeft) return
  const between = { first: new Date(first), last: new Date(last) }
  observer.say('missed', { schedule: name, ...between, fired: fire.length, by: missed })
}
