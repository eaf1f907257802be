import { assert, constantFrom, integer, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidOption } from '../errors.ts'
import { cron } from './cron.ts'

const at = (text: string): number => Date.parse(text)

/** The times from then on, that one excluded. */
function times(expression: string, timeZone: string | undefined, from: string, count: number): string[] {
  const when = cron(expression, { timeZone })
  const found: string[] = []
  let last: number | undefined = at(from)
  while (found.length < count && last !== undefined) {
    last = when.next(last)
    if (last !== undefined) found.push(new Date(last).toISOString().replace(':00.000Z', 'Z'))
  }
  return found
}

test('it gives the times of the zone, and of UTC where none is named', () => {
  expect(times('0 3 * * *', 'Europe/Berlin', '2026-01-10T00:00Z', 2)).toEqual([
    '2026-01-10T02:00Z',
    '2026-01-11T02:00Z',
  ])
  expect(times('0 3 * * *', undefined, '2026-01-10T00:00Z', 2)).toEqual(['2026-01-10T03:00Z', '2026-01-11T03:00Z'])
})

test('what is after a time is never that time itself, nor a part of a second behind it', () => {
  const when = cron('0 3 * * *')
  expect(when.next(at('2026-01-10T03:00Z'))).toBe(at('2026-01-11T03:00Z'))
  expect(when.next(at('2026-01-10T03:00Z') + 1)).toBe(at('2026-01-11T03:00Z'))
  expect(when.next(at('2026-01-10T03:00Z') - 1)).toBe(at('2026-01-10T03:00Z'))
})

describe('where the clocks of the zone are put forward, from 2 to 3 on 29 March', () => {
  test('a time that does not exist comes when the gap ends, and once', () => {
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-03-28T00:00Z', 3)).toEqual([
      '2026-03-28T01:30Z',
      '2026-03-29T01:00Z', // 3:00 there.
      '2026-03-30T00:30Z',
    ])
  })

  test('what recurs every half an hour goes on as if nothing was', () => {
    expect(times('*/30 * * * *', 'Europe/Berlin', '2026-03-29T00:10Z', 3)).toEqual([
      '2026-03-29T00:30Z',
      '2026-03-29T01:00Z',
      '2026-03-29T01:30Z',
    ])
  })
})

describe('where they are put back, from 3 to 2 on 25 October', () => {
  test('a time that exists twice comes the first time only, also when asked between the two', () => {
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-24T00:00Z', 3)).toEqual([
      '2026-10-24T00:30Z',
      '2026-10-25T00:30Z',
      '2026-10-26T01:30Z',
    ])
    expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-25T01:10Z', 1)).toEqual(['2026-10-26T01:30Z'])
  })

  test('what recurs every hour comes each hour', () => {
    expect(times('0 * * * *', 'Europe/Berlin', '2026-10-24T23:30Z', 3)).toEqual([
      '2026-10-25T00:00Z',
      '2026-10-25T01:00Z',
      '2026-10-25T02:00Z',
    ])
  })
})

test('from wherever it is asked between two times, the second one is next', () => {
  const expressions = constantFrom('30 2 * * *', '0 * * * *', '*/20 1-3 * * *', '0 0 1 * *', '15 2 * * 0', '@daily')
  const zones = constantFrom('Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'UTC')
  // Around both changes of the clocks.
  const starts = constantFrom('2026-03-07', '2026-03-28', '2026-04-04', '2026-10-03', '2026-10-24', '2026-10-31').map(
    at,
  )
  const minutes = integer({ min: 0, max: 3 * 1_440 })
  assert(
    property(expressions, zones, starts, minutes, integer({ min: 0 }), (expression, timeZone, start, minute, share) => {
      const when = cron(expression, { timeZone })
      const from = start + minute * 60_000
      const next = when.next(from) as number
      expect(next).toBeGreaterThan(from)
      expect(when.next(from + (share % (next - from)))).toBe(next)
    }),
    { numRuns: 2_000 },
  )
})

test('one that comes no more says so', () => {
  expect(cron('0 0 1 1 * 2020'.padStart(16, '0 ')).next(at('2026-01-01'))).toBeUndefined()
})

test.each([
  ['x', 'The cron expression "x" cannot be read: invalid configuration format'],
  ['61 * * * *', 'Invalid value for minute: 61'],
  ['', 'The cron expression "" cannot be read'],
  [7, 'The cron expression 7 cannot be read'],
  ['0 0 30 2 *', 'The cron expression "0 0 30 2 *" never comes. Check its day and its month.'],
])('%o is refused', (expression, text) => {
  expect(() => cron(expression as string)).toThrow(InvalidOption)
  expect(() => cron(expression as string)).toThrow(text)
})

test.each([
  [{ timeZone: 'Europe/Nowhere' }, 'The timeZone "Europe/Nowhere" is unknown. Pass an IANA name'],
  [{ timeZone: 1 }, 'The timeZone 1 is unknown'],
  [{ timezone: 'UTC' }, "cron() has no option 'timezone'"],
])('%o is refused', (options, text) => {
  expect(() => cron('0 3 * * *', options as never)).toThrow(text)
})
