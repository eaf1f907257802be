import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { type Deadline, Deadlines } from './deadlines.ts'

const durations = [0, 1, 7, 20] as const

/** What a deadline does besides being noted when it falls due. */
type And = 'nothing' | 'sets another' | 'cancels the newest'
type Step =
  | { readonly do: 'set'; readonly ms: (typeof durations)[number]; readonly and: And }
  | { readonly do: 'cancel'; readonly which: number }
  | { readonly do: 'advance'; readonly byMs: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('set'),
      ms: fc.constantFrom(...durations),
      and: fc.constantFrom('nothing', 'nothing', 'sets another', 'cancels the newest'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel'), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance'), byMs: fc.integer({ min: 1, max: 25 }) }) },
)

interface Entry {
  readonly ms: number
  readonly dueMs: number
  readonly deadline: Deadline
  firedMs?: number
  isCancelled?: boolean
}

function world(earlyMs: number) {
  const clock = new ManualClock(earlyMs)
  const deadlines = new Deadlines(clock)
  const all: Entry[] = []
  const fired: Entry[] = []
  const cancel = (one: Entry | undefined): void => {
    if (one === undefined) return
    one.deadline.cancel()
    if (one.firedMs === undefined) one.isCancelled = true
  }
  const set = (ms: number, and: And): void => {
    const deadline = deadlines.after(ms, () => {
      one.firedMs = clock.now()
      fired.push(one)
      if (and === 'sets another') set(ms, 'nothing')
      if (and === 'cancels the newest') cancel(all.at(-1))
    })
    const one: Entry = { ms, dueMs: clock.now() + ms, deadline }
    all.push(one)
  }
  const pending = (): Entry[] => all.filter(({ firedMs, isCancelled }) => firedMs === undefined && !isCancelled)
  return { clock, deadlines, all, fired, set, cancel, pending }
}

describe('deadlines', () => {
  test('fall due at their time, in order, unless they are cancelled; and nothing is left of them', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50, size: 'max' }), (steps) => {
        const { clock, all, fired, set, cancel, pending } = world(0)
        for (const one of steps) {
          if (one.do === 'set') set(one.ms, one.and)
          else if (one.do === 'cancel') cancel(all[one.which])
          else clock.advance(one.byMs)
          const kinds = new Set(pending().map(({ ms }) => ms)).size
          // One timer for each duration, and none that keeps the process alive where nothing is to come.
          expect(clock.refTimers).toBe(kinds)
          expect(clock.timers).toBeLessThanOrEqual(durations.length)
          expect(pending().filter(({ dueMs, ms }) => dueMs < clock.now() || (ms > 0 && dueMs === clock.now()))).toEqual(
            [],
          )
        }
        clock.advance(2 * Math.max(...durations))
        expect(pending()).toEqual([])
        expect(clock.timers).toBe(0)
        expect(fired.map(({ firedMs }) => firedMs)).toEqual(fired.map(({ dueMs }) => dueMs))
        expect(fired.filter(({ isCancelled }) => isCancelled)).toEqual([])
        // Those of one duration, in the order in which they were set.
        for (const ms of durations) {
          const inOrder = all.filter((one) => one.ms === ms && one.firedMs !== undefined)
          expect(fired.filter((one) => one.ms === ms)).toEqual(inOrder)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('are never early, though the timers of the clock are', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50, size: 'max' }), fc.integer({ min: 1, max: 3 }), (steps, earlyMs) => {
        const { clock, all, fired, set, cancel, pending } = world(earlyMs)
        for (const one of steps) {
          if (one.do === 'set') set(one.ms, one.and)
          else if (one.do === 'cancel') cancel(all[one.which])
          else clock.advance(one.byMs)
        }
        clock.advance(2 * Math.max(...durations))
        expect(pending()).toEqual([])
        for (const { firedMs, dueMs } of fired) expect(firedMs).toBe(dueMs)
      }),
      { numRuns: 200 },
    )
  })

  test('by the thousand need one timer for each duration', () => {
    const { clock, set, fired } = world(0)
    for (let n = 0; n < 1_000; n += 1) {
      set(20, 'nothing')
      set(7, 'nothing')
      if (n % 100 === 0) clock.advance(1)
    }
    expect(clock.timers).toBe(2)
    clock.advance(40)
    expect(fired).toHaveLength(2_000)
    expect(clock.timers).toBe(0)
  })
})
