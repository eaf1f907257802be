import { nextOf, type Schedule } from './schedule.ts'

/** With `'fire-all'`, so many due times fire one after the other. A schedule of every second misses 86 400 in a day. */
export const FIRED_AT_MOST = 1_000

/** What is to become of the due times of a schedule that have come. */
export interface PassedTimes {
  /** Which of them fire, in order. */
  readonly fire: readonly number[]
  /** When it is due then; `undefined` for never. */
  readonly next: number | undefined
  /** The first and the last of those that have come. */
  readonly first: number
  readonly last: number
  /** Whether there are some that do not fire. */
  readonly areLeft: boolean
}

/**
 * What becomes of the due times from `first` until now.
 *
 * @param at `lateMs`: by how much the last of them may have passed without having been missed.
 * @throws {InvalidOption} where the schedule's `next` is wrong.
 */
export function passedTimes(
  schedule: Schedule,
  first: number,
  { now, lateMs }: { readonly now: number; readonly lateMs: number },
): PassedTimes {
  const last = latest(schedule, first, now)
  const next = nextOf(schedule, now)
  const passed = { next, first, last }
  if (schedule.missed === 'fire-all') {
    const fire = [first]
    while (fire.length < FIRED_AT_MOST) {
      const then = nextOf(schedule, fire.at(-1) as number)
      if (then === undefined || then > now) break
      fire.push(then)
    }
    return { ...passed, fire, areLeft: fire.at(-1) !== last }
  }
  const fires = schedule.missed === 'fire-once' || now - last <= lateMs
  return { ...passed, fire: fires ? [last] : [], areLeft: !fires || last !== first }
}

/** The last due time that has come. There may be millions, so the time is halved until none is left between. */
function latest(schedule: Schedule, first: number, now: number): number {
  let last = first
  let beyond = now // After it, none has come.
  for (;;) {
    const then = nextOf(schedule, last)
    if (then === undefined || then > now) return last
    last = then
    const middle = Math.floor((last + beyond) / 2)
    const later = nextOf(schedule, middle)
    if (later !== undefined && later <= now) last = later
    else beyond = middle
  }
}
