import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { exponential, fixed, immediate, retry } from '../index.ts'

const delaysOf = (attempts: number, random: number): number[] =>
  Array.from({ length: attempts - 1 }, (_, index) => exponential()(index + 1, random))
const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)

describe('exponential()', () => {
  test('doubles, from 100 ms up to 5 minutes', () => {
    const delays = delaysOf(20, 0)
    expect(delays.slice(0, 4)).toEqual([100, 200, 400, 800])
    expect(delays.slice(11)).toEqual([204_800, ...Array.from({ length: 7 }, () => 300_000)])
  })

  test('takes 20 attempts over about 47 minutes, between 41 and 53', () => {
    expect(sum(delaysOf(20, 0)) / 60_000).toBeCloseTo(41.8, 1)
    expect(sum(delaysOf(20, 0.5)) / 60_000).toBeCloseTo(47.1, 1)
    expect(sum(delaysOf(20, 1)) / 60_000).toBeCloseTo(52.3, 1)
  })

  test('takes its own figures', () => {
    const backoff = exponential({ initialMs: 10, factor: 3, maxMs: 50, jitter: 1 })
    expect([1, 2, 3, 1_000].map((failures) => backoff(failures, 0))).toEqual([10, 30, 50, 50])
    expect([1, 2, 3].map((failures) => backoff(failures, 0.5))).toEqual([15, 45, 75])
  })

  test('never waits for less than without jitter, and never for more than the jitter lets', () => {
    const part = (max: number) => fc.double({ min: 0, max, noNaN: true })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        part(0.999),
        fc.record({
          initialMs: part(1e6),
          factor: fc.double({ min: 1, max: 10, noNaN: true }),
          maxMs: part(1e6),
          jitter: part(3),
        }),
        (failures, random, options) => {
          const delay = exponential(options)(failures, random)
          const least = exponential({ ...options, jitter: 0 })(failures, random)
          expect(delay).toBeGreaterThanOrEqual(least)
          expect(delay).toBeLessThanOrEqual(least * (1 + options.jitter))
          expect(least).toBeLessThanOrEqual(options.maxMs)
        },
      ),
    )
  })
})

test('fixed() is always the same, immediate() nothing', () => {
  expect([1, 2, 30].map((failures) => fixed(7)(failures, 0.5))).toEqual([7, 7, 7])
  expect([1, 2, 30].map((failures) => immediate()(failures, 0.5))).toEqual([0, 0, 0])
})

test.each([
  [() => exponential({ initialMs: -1 }), 'initialMs is -1.'],
  [() => exponential({ maxMs: Number.NaN }), 'maxMs is NaN.'],
  [() => exponential({ factor: 0.5 }), 'factor is 0.5. Pass a number, 1 or more.'],
  [() => exponential({ factor: Number.POSITIVE_INFINITY }), 'factor is Infinity.'],
  [() => exponential({ jitter: -0.1 }), 'jitter is -0.1. Pass a number, 0 or more.'],
  [
    () => exponential({ min: 1 } as never),
    "exponential() has no option 'min'. It has: initialMs, factor, maxMs, jitter.",
  ],
  [() => fixed('5' as never), 'The delay of fixed() is "5".'],
  [() => retry({ backoff: 100 as never }), 'backoff is 100. Pass exponential(), fixed(1_000), or a function.'],
])('%s is refused', (make, text) => {
  expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(text) }))
})
