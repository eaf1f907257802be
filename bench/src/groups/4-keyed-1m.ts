import type { Group } from '../case.ts'
import { keyedCases } from '../keyed.ts'

export default {
  title: 'In the order of the key, a million messages',
  text: 'One async handler; 1,000,000 messages are pushed in one go, their keys in turn, and then drain.',
  base: 'by hand: a promise chain per key',
  unit: 'message',
  batch: 1_000_000,
  allocations: false,
  cases: keyedCases(['by hand: a promise chain per key', 'iambus `publish` with `key`', 'fastq per key']),
} satisfies Group as Group
