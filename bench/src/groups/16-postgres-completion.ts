import { setImmediate as turn } from 'node:timers/promises'
import type { Group, Run, Tally } from '../case.ts'
import { type Handle, WIDTH } from '../peers/durable.ts'
import { graphileWorker } from '../peers/graphile-worker.ts'
import { pgBoss } from '../peers/pg-boss.ts'
import { BATCH, durableIn, freshSchema, rawInserts, sweep, toCompletionIn } from '../peers/postgres.ts'

const base = `by hand: \`INSERT\` of \`unnest\`, ${BATCH} rows`
const ours = 'iambus `publish` to completion, 64 keys in order'
const boss = 'pg-boss, in batches of 500'
const graphile = 'graphile-worker, local queue, batched completion'

const counting =
  (tally: Tally): Handle =>
  async (order) =>
    tally.add(order)

const handled = async (tally: Tally, count: number): Promise<void> => {
  while (tally.count < count) await turn()
}

export default {
  title: 'Postgres: an event, from publication to the end of its handling',
  text: `Published ${WIDTH} at a time (the others: 500 in one call), and handled by one process with an async function; timed
until the last handler has returned. Ours are in the order of their keys. By hand, rows are only written.`,
  base,
  unit: 'message',
  pace: { warmUpMs: 1_000, batchMs: 1_000, timedMs: 3_000 },
  allocations: false,
  cases: [
    { name: base, setup: rawInserts },
    {
      name: ours,
      setup: async (tally): Promise<Run> => {
        const target = await freshSchema()
        await sweep(target.pool)
        const dp = await durableIn(target, [counting(tally)])
        return (count) => toCompletionIn(dp, { count, width: WIDTH, isHandled: () => tally.count === count })
      },
    },
    {
      name: boss,
      setup: async (tally): Promise<Run> => {
        const queue = await pgBoss()
        await queue.work(counting(tally))
        return async (count) => {
          await queue.insert(count)
          await handled(tally, count)
        }
      },
    },
    {
      name: graphile,
      setup: async (tally): Promise<Run> => {
        const queue = await graphileWorker()
        await queue.work(counting(tally))
        return async (count) => {
          await queue.addMany(count)
          await handled(tally, count)
        }
      },
    },
  ],
  aims: [
    { name: ours, atLeast: [1.5, graphile] },
    { name: ours, atLeast: [15, boss] },
  ],
} satisfies Group as Group
