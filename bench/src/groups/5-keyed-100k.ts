import type { Group } from '../case.ts'
import { keyedCases } from '../keyed.ts'

export default {
  title: 'In the order of the key, a hundred thousand messages',
  text: `The same with 100,000 messages, for those who would take too long with a million. Queues per key are made anew for each burst, as
nobody keeps those of every key ever seen; with 100,000 keys there is one message each.`,
  base: 'by hand: a promise chain per key',
  unit: 'message',
  batch: 100_000,
  pace: { warmUpMs: 400, timedMs: 600 },
  cases: keyedCases([
    'by hand: a promise chain per key',
    'iambus `publish` with `key`',
    'fastq per key',
    'p-queue per key',
  ]),
} satisfies Group as Group
