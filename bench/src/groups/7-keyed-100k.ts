import type { Group } from '../case.ts'
import { keyedCases } from '../keyed.ts'

export default {
  title: 'In the order of the key, a hundred thousand messages',
  text: `The same with 100,000 messages, which the young generation of the heap holds. Queues per key are made anew for each burst, as
nobody keeps those of every key ever seen; with 100,000 keys there is one message each.`,
  base: 'by hand: a promise chain per key',
  unit: 'message',
  batch: 100_000,
  rounds: 3,
  pace: { warmUpMs: 400, timedMs: 600 },
  cases: keyedCases(
    [
      'by hand: a promise chain per key',
      'iambus `publish` with `key`',
      'iambus, `workers: 64`',
      'fastq per key',
      'p-queue per key',
    ],
    [1, 1_000, 100_000],
  ),
} satisfies Group as Group
