import type { Aim, Case, Group } from '../case.ts'
import { columnOf, keyedCases } from '../keyed.ts'

const chains = 'by hand: a promise chain per key'
const timesChains: readonly (readonly [keyCount: number, ratio: number])[] = [
  [1, 4],
  [1_000, 4],
  [100_000, 2.5],
  [1_000_000, 1.4],
]
const keyCounts = timesChains.map(([keyCount]) => keyCount)

const fewer = (cases: readonly Case[]): Case[] => cases.map((one) => ({ ...one, batch: 100_000 }))

export default {
  title: 'In the order of the key, a million messages',
  text: `One async handler; 1,000,000 messages are pushed in one go, none of them awaited, their keys in turn, and then drain. Where
a million would take a queue too long, it gets 100,000: p-queue always, fastq with 1,000,000 keys, of which it then sees 100,000.`,
  base: chains,
  unit: 'message',
  rounds: 3,
  batch: 1_000_000,
  allocations: false,
  cases: [
    ...keyedCases([chains, 'iambus `publish` with `key`', 'iambus, `workers: 64`'], keyCounts),
    ...keyedCases(['fastq per key'], keyCounts.slice(0, -1)),
    ...fewer(keyedCases(['fastq per key'], keyCounts.slice(-1))),
    ...fewer(keyedCases(['p-queue per key'], keyCounts)),
  ],
  aims: timesChains.flatMap(([keyCount, ratio]) => {
    const of = { name: 'iambus, `workers: 64`', variant: columnOf(keyCount) }
    return [
      { ...of, atLeast: [ratio, chains] },
      { ...of, atLeast: [8, 'fastq per key'] },
      { ...of, atLeast: [15, 'p-queue per key'] },
    ] satisfies Aim[]
  }),
} satisfies Group as Group
