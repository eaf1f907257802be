import type { Group, Run, Tally } from '../case.ts'
import { inFlight } from '../in-flight.ts'
import { orderOf, WIDTH } from '../peers/durable.ts'
import { graphileWorker } from '../peers/graphile-worker.ts'
import { pgBoss } from '../peers/pg-boss.ts'
import { BATCH, rawInserts, storingIn } from '../peers/postgres.ts'

const base = `by hand: \`INSERT\` of \`unnest\`, ${BATCH} rows`
const ours = `iambus \`publish\`, ${WIDTH} in flight`
const boss = 'pg-boss `send`, 32 in flight'
const graphile = 'graphile-worker `addJob`'

const calling =
  (width: number, make: () => Promise<(n: number) => Promise<unknown>>) =>
  async (tally: Tally): Promise<Run> => {
    const call = await make()
    return (count) =>
      inFlight(width, count, async (n) => {
        await call(n)
        tally.add({ n })
      })
  }

export default {
  title: 'Postgres: an event, published and committed',
  text: `Messages of 250 bytes, \`synchronous_commit\` on: each call is awaited, and resolves after the commit. Nobody handles them here.
By hand, rows of the same columns are written on one connection.`,
  base,
  unit: 'message',
  pace: { warmUpMs: 700, batchMs: 500, timedMs: 2_000 },
  allocations: false,
  cases: [
    { name: base, setup: rawInserts },
    {
      name: ours,
      setup: calling(WIDTH, async () => {
        const dp = await storingIn()
        return (n) => dp.publish(orderOf(n), { key: `key-${n % 64}` })
      }),
    },
    {
      name: 'iambus `publish`, one after the other',
      setup: calling(1, async () => {
        const dp = await storingIn()
        return (n) => dp.publish(orderOf(n), { key: `key-${n % 64}` })
      }),
    },
    { name: boss, setup: calling(32, async () => (await pgBoss()).send) },
    { name: graphile, setup: calling(1, async () => (await graphileWorker()).add) },
  ],
  aims: [
    { name: ours, atLeast: [0.5, base] },
    { name: ours, atLeast: [15, boss] },
    { name: ours, atLeast: [20, graphile] },
  ],
} satisfies Group as Group
