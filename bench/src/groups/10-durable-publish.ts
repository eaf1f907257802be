import type { Group, Run, Tally } from '../case.ts'
import { inFlight } from '../in-flight.ts'
import { orderOf, storing, WIDTH } from '../peers/durable.ts'
import { BATCH, RawLog } from '../peers/raw-sqlite.ts'

const batched = `by hand: \`INSERT\`, ${BATCH} in a transaction`
const single = 'by hand: `INSERT`, one in a transaction'
const together = `iambus \`publish\`, ${WIDTH} in flight`
const inTurn = 'iambus `publish`, one after the other'

const raw =
  (write: (log: RawLog, count: number) => void, rows: number) =>
  (tally: Tally): Run => {
    const log = new RawLog()
    return async (count) => {
      for (let n = 1; n <= count; n += rows) {
        const size = Math.min(rows, count - n + 1)
        write(log, size)
        for (let row = 0; row < size; row += 1) tally.add({ n: n + row })
      }
    }
  }

/** So many fill the write-ahead log once; by hand, an eighth of its length is enough, and the warm-up does it. */
const FILLING = 100_000

const publishing =
  (width: number) =>
  async (tally: Tally): Promise<Run> => {
    const dp = await storing()
    await inFlight(WIDTH, FILLING, (n) => dp.publish(orderOf(n)))
    return (count) =>
      inFlight(width, count, async (n) => {
        const order = orderOf(n)
        await dp.publish(order)
        tally.add(order)
      })
  }

export default {
  title: 'Durable: an event, published and on the disk',
  text: `Messages of 250 bytes are stored in a file of SQLite with full sync: each call is awaited, and resolves after the commit. Nobody handles
them here. By hand, rows of the same table are written with \`node:sqlite\`, also with full sync, and with no JSON made: a limit rather
than a peer. Ours has filled its write-ahead log once before: while one grows, a sync takes twice as long.`,
  base: batched,
  unit: 'message',
  pace: { warmUpMs: 2_000, batchMs: 400, timedMs: 2_400 },
  allocations: false,
  cases: [
    { name: batched, setup: raw((log, size) => log.insert(size), BATCH) },
    { name: together, setup: publishing(WIDTH) },
    { name: single, setup: raw((log) => log.insertOne(), 1) },
    { name: inTurn, setup: publishing(1) },
  ],
  aims: [
    { name: together, atLeast: [0.6, batched] },
    { name: together, atLeast: [20, single] },
    { name: inTurn, atLeast: [0.8, single] },
  ],
} satisfies Group as Group
