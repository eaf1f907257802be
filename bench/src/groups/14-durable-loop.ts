import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FigureRow, Group } from '../case.ts'
import { inFlight } from '../in-flight.ts'
import { durable, orderOf, storing, toCompletion, WIDTH } from '../peers/durable.ts'
import { BATCH, RawLog } from '../peers/raw-sqlite.ts'
import { median } from '../ratios.ts'

const columns = ['a raw commit, ms', 'its p99', 'loop delay p99, ms', 'in raw commits', 'in p99s of them']
const SLICES = 8
const COMMITS = 40
const MESSAGES = 40_000
const RESOLUTION_MS = 1

type Publishing = () => Promise<unknown>

const publishing = async (): Promise<Publishing> => {
  const dp = await storing()
  return () => inFlight(WIDTH, MESSAGES, (n) => dp.publish(orderOf(n)))
}

const completing = async (): Promise<Publishing> => {
  let handled = 0
  const handler = async ({ n }: { readonly n: number }): Promise<void> => {
    if (n > 0) handled += 1
  }
  const dp = await durable({ handlers: [handler] })
  return () => {
    handled = 0
    return toCompletion(dp, { count: MESSAGES, isHandled: () => handled === MESSAGES })
  }
}

/** In turns, since the disk may become slower: so many commits by hand, and so many messages while the loop is watched. */
async function watched(publish: Publishing): Promise<readonly number[]> {
  const log = new RawLog()
  const commits: number[] = []
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  await publish()
  for (let slice = 0; slice < SLICES; slice += 1) {
    for (let commit = 0; commit < COMMITS; commit += 1) {
      const start = performance.now()
      log.insert(BATCH)
      commits.push(performance.now() - start)
    }
    delay.enable()
    await publish()
    delay.disable()
  }
  // What is sampled is the time between two timers of a millisecond.
  const delayMs = delay.percentile(99) / 1e6 - RESOLUTION_MS
  const [commitMs, slowMs] = [median(commits), percentile99(commits)]
  return [commitMs, slowMs, delayMs, delayMs / commitMs, delayMs / slowMs]
}

const percentile99 = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] as number

const rows: readonly (readonly [name: string, setup: () => Promise<Publishing>])[] = [
  ['iambus `publish`', publishing],
  ['iambus `publish` to completion', completing],
]

export default {
  title: 'Durable: how long the event loop is held',
  text: `Full sync, ${WIDTH} publications in flight. The delay of the loop, as Node samples it by a timer of a millisecond (which is taken off), beside a
commit of ${BATCH} rows by hand: the median and the 99th percentile of those measured in between. Where the machine has other work, both
percentiles tell of that.`,
  columns,
  rows: rows.map(([name, setup]): FigureRow => ({ name, measure: async () => watched(await setup()) })),
  aims: rows.map(([name]) => ({ name, variant: columns[3] as string, atMost: 5 })),
} satisfies Group as Group
