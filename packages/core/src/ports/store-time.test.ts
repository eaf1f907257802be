import { expect, test } from 'vitest'
import type { Clock } from './clock.ts'
import { StoreTime } from './store-time.ts'

class SetClock implements Clock {
  wallMs = 10_000
  passedMs = 0
  now = (): number => this.wallMs + this.passedMs
  monotonic = (): number => this.passedMs
  after = (): never => {
    throw new Error('not used')
  }
}

test('it is the time of the clock', () => {
  const clock = new SetClock()
  const time = new StoreTime(clock, 0)
  clock.passedMs = 500
  expect(time.now()).toBe(10_500)
  clock.wallMs += 3_000
  expect(time.now()).toBe(13_500)
})

test('it is never before what is stored', () => {
  const clock = new SetClock()
  expect(new StoreTime(clock, 12_000).now()).toBe(12_000)
  expect(new StoreTime(clock, 0).now(12_000)).toBe(12_000)
})

test('when the clock is set back it goes on, at half the speed, until the clock has caught up', () => {
  const clock = new SetClock()
  const time = new StoreTime(clock, 0)
  expect(time.now()).toBe(10_000)
  clock.wallMs -= 1_000
  expect(time.now()).toBe(10_000)
  clock.passedMs = 100
  expect(time.now()).toBe(10_050)
  clock.passedMs = 101
  expect(time.now()).toBe(10_050)
  clock.passedMs = 1_999
  expect(time.now()).toBe(10_999)
  clock.passedMs = 2_000
  expect([time.now(), clock.now()]).toEqual([11_000, 11_000])
  clock.passedMs = 2_500
  expect(time.now()).toBe(11_500)
})

test('a clock without a time for durations does as well', () => {
  let now = 1_000
  const time = new StoreTime({ now: () => now, after: () => ({ cancel: () => {} }) }, 2_000)
  expect(time.now()).toBe(2_000)
  now = 1_500
  expect(time.now()).toBe(2_250)
  now = 900
  expect(time.now()).toBe(2_250)
  now = 4_000
  expect(time.now()).toBe(4_000)
})
