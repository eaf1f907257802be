import { array, assert, constantFrom, nat, property } from 'fast-check'
import { expect, test, vi } from 'vitest'
import type { MissedSchedules } from '../options.ts'
import { FIRED_AT_MOST, passedTimes } from './passed-times.ts'
import { nextOf, scheduleOf } from './schedule.ts'

const policy = constantFrom<MissedSchedules[]>('fire-once', 'skip', 'fire-all')
const make = (): string => 'x'

test('it is what looking at each due time gives', () => {
  const gaps = array(nat(50), { minLength: 1, maxLength: 60 })
  assert(
    property(gaps, policy, nat(1_500), nat(30), (given, missed, passes, lateMs) => {
      let sum = 0
      const times = given.map((gap) => (sum += gap + 1))
      const when = { next: (after: number) => times.find((time) => time > after) }
      const schedule = scheduleOf('s', when, { make, options: {}, missed })
      const first = times[0] as number
      const now = first + passes
      const come = times.filter((time) => time <= now)
      const last = come.at(-1) as number
      const all = { 'fire-once': [last], 'fire-all': come, skip: now - last <= lateMs ? [last] : [] }
      expect(passedTimes(schedule, first, { now, lateMs })).toEqual({
        fire: all[missed],
        next: times.find((time) => time > now),
        first,
        last,
        areLeft: all[missed].length < come.length,
      })
    }),
  )
})

test('of a month of milliseconds, the last one is found in a few steps', () => {
  const next = vi.fn((after: number) => Math.floor(after) + 1)
  const schedule = scheduleOf('s', { next }, { make, options: {}, missed: 'fire-once' })
  const now = 30 * 86_400_000
  expect(passedTimes(schedule, 1, { now, lateMs: 0 })).toMatchObject({ fire: [now], next: now + 1, areLeft: true })
  expect(next.mock.calls.length).toBeLessThan(100)
})

test('of so many that are to fire, the first thousand do', () => {
  const schedule = scheduleOf('s', { everyMs: 10 }, { make, options: {}, missed: 'fire-all' })
  const passed = passedTimes(schedule, 10, { now: 1_000_000, lateMs: 0 })
  expect(passed.fire).toHaveLength(FIRED_AT_MOST)
  expect(passed).toMatchObject({ areLeft: true, last: 1_000_000, next: 1_000_010 })
  expect(passed.fire.at(-1)).toBe(10 * FIRED_AT_MOST)
})

test.each([
  [() => 5, 'next(5) of schedule "s"'],
  [() => Number.NaN, 'gave NaN'],
  [() => '6', 'gave "6"'],
  [
    () => {
      throw new Error('boom')
    },
    'threw: boom',
  ],
])('a next() that is wrong is told from one that is not: %o', (next, text) => {
  const schedule = scheduleOf('s', { next: next as () => number }, { make, options: {}, missed: 'skip' })
  expect(() => nextOf(schedule, 5)).toThrow(text.replace(/"s"/, "'s'"))
})

test('a next time is rounded up, and one beyond all dates never comes', () => {
  const of = (time: number) => scheduleOf('s', { next: () => time }, { make, options: {}, missed: 'skip' })
  expect(nextOf(of(5.1), 5)).toBe(6)
  expect(nextOf(of(1e300), 5)).toBeUndefined()
})
