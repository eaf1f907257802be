import type { Aim, Case, Group, Run, Tally } from '../case.ts'
import { durable, type Handle, toCompletion, WIDTH } from '../peers/durable.ts'
import { withPlainjob } from '../peers/plainjob.ts'
import { BATCH, RawLog } from '../peers/raw-sqlite.ts'

const base = `by hand: \`INSERT\` and \`DELETE\`, ${BATCH} in a transaction`
const ranged = `by hand, the \`DELETE\` of a whole range`
const promised = 'by hand, with ids, text, checksums, and read back'
const ours = 'iambus `publish` to completion'
const plainjob = 'plainjob, not with full sync'

const variants = [
  { variant: '1 handler', handlers: 1, ratio: 0.5 },
  { variant: '3 handlers', handlers: 3, ratio: 0.35 },
]

const raw =
  (how: 'each' | 'range' | 'promised') =>
  (tally: Tally): Run => {
    const log = new RawLog()
    return async (count) => {
      for (let n = 1; n <= count; n += BATCH) {
        const size = Math.min(BATCH, count - n + 1)
        if (how === 'promised') log.complete(size)
        else log.insert(size)
        for (let row = 0; row < size; row += 1) tally.add({ n: n + row })
        if (how !== 'promised') log.delete(size, how)
      }
    }
  }

/** The number 0 is only to be known when what was before it is stored. */
const counting = (tally: Tally, count: number): Handle[] =>
  Array.from({ length: count }, (): Handle => async (order) => {
    if (order.n !== 0) tally.add(order)
  })

function casesOf({ variant, handlers }: (typeof variants)[number]): Case[] {
  return [
    { name: base, variant, setup: raw('each') },
    { name: ranged, variant, setup: raw('range') },
    { name: promised, variant, setup: raw('promised') },
    {
      name: ours,
      variant,
      handlers,
      setup: async (tally) => {
        const dp = await durable({ handlers: counting(tally, handlers) })
        return (count) => toCompletion(dp, { count, isHandled: () => tally.count === count * handlers })
      },
    },
    { name: plainjob, variant, handlers, setup: (tally) => withPlainjob(counting(tally, handlers)) },
  ]
}

export default {
  title: 'Durable: an event, from publication to the end of its handling',
  text: `Stored with full sync, each with a key (64 in turn) and an id that may not come again; handled by async functions, and finished
in the store, where an attempt that the process does not survive is counted; ${WIDTH} publications in flight. By hand, a row is
written and deleted, and nothing is known of handlers; the third of these rows does what is promised of a message, in one loop,
with nobody who publishes, waits or handles: a limit. plainjob, on better-sqlite3, has a job for each message and handler.`,
  base,
  unit: 'message',
  pace: { warmUpMs: 3_000, batchMs: 500, timedMs: 2_500 },
  allocations: false,
  cases: variants.flatMap(casesOf),
  aims: variants.flatMap(({ variant, ratio }): Aim[] => [
    { name: ours, variant, atLeast: [ratio, base] },
    { name: ours, variant, atLeast: [5, plainjob] },
  ]),
} satisfies Group as Group
