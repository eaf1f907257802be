import { expect, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { DueTimer } from './due-timer.ts'

function timerAt(clock: ManualClock, now = () => clock.now()) {
  const calls: number[] = []
  const timer = new DueTimer(clock, { now, run: () => calls.push(clock.now()) })
  return { timer, calls }
}

test('it calls once, at the time that was set last', () => {
  const clock = new ManualClock()
  const { timer, calls } = timerAt(clock)
  timer.set(50)
  timer.set(30)
  timer.setBy(40)
  timer.setBy(20)
  expect(clock.timers).toBe(1)
  clock.advance(100)
  expect(calls).toEqual([20])
  timer.set(110)
  timer.set(undefined)
  clock.advance(100)
  expect(calls).toEqual([20])
  expect(clock.timers).toBe(0)
})

test('however far away the time is, it calls only then', () => {
  const clock = new ManualClock(1) // Its timers fire too early.
  const { timer, calls } = timerAt(clock)
  const days = 90 * 86_400_000
  timer.set(days)
  clock.advance(days - 1)
  expect(calls).toEqual([])
  clock.advance(1)
  expect(calls).toEqual([days])
})

test('a time that has passed is called as soon as can be, and not within the call', () => {
  const clock = new ManualClock()
  const { timer, calls } = timerAt(clock)
  timer.set(-1)
  expect(calls).toEqual([])
  clock.advance(0)
  expect(calls).toEqual([0])
})
