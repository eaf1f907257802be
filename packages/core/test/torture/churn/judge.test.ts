import { expect, test } from 'vitest'
import { judge, type Phases } from './judge.ts'
import type { Sample, TableSample } from './sample.ts'

const phases: Phases = { warmMs: 20_000, heldMs: 40_000, releasedMs: 60_000, endMs: 100_000, naptimeMs: 2_000 }

/** A look each second at a table of which 1 000 rows turn in a second. */
function samples(of: (second: number) => Partial<TableSample>): Sample[] {
  return Array.from({ length: 100 }, (_, n) => {
    const second = n + 1
    const table = { table: 'message', deadRows: 500, tableBytes: 10_000_000, indexBytes: 1_000_000, ...of(second) }
    return { atMs: second * 1_000, tables: [{ turned: second * 1_000, ...table }] }
  })
}

test('a table whose dead rows come and go, and whose files stay as they are, is bounded', () => {
  expect(
    judge(
      samples(() => ({})),
      phases,
    ),
  ).toEqual([])
})

test('what grows while a transaction is open, and no more after it, is bounded', () => {
  const held = (second: number): number => Math.min(20, Math.max(0, second - 40))
  const grown = (second: number): Partial<TableSample> => ({
    deadRows: second > 62 ? 500 : held(second) * 1_000,
    tableBytes: 10_000_000 + held(second) * 1_000_000,
  })
  expect(judge(samples(grown), phases)).toEqual([])
})

test.each([
  ['dead rows that nobody removes', (second: number) => ({ deadRows: second * 1_000 }), 'dead rows'],
  [
    'dead rows that stay when the transaction has ended',
    (second: number) => ({ deadRows: second < 40 ? 0 : 30_000 }),
    'dead rows',
  ],
  ['a table that grows', (second: number) => ({ tableBytes: second * 1_000_000 }), 'tableBytes'],
  ['an index that grows', (second: number) => ({ indexBytes: second * 1_000_000 }), 'indexBytes'],
])('%s is not', (_, of, what) => {
  expect(judge(samples(of), phases)[0]).toContain(what)
})

test('the archive may grow', () => {
  expect(
    judge(
      samples((second) => ({ table: 'archive', tableBytes: second * 1_000_000 })),
      phases,
    ),
  ).toEqual([])
})
