import { setImmediate as turn } from 'node:timers/promises'
import type { FigureRow, Group } from '../case.ts'
import { durable } from '../peers/durable.ts'
import { prepared } from '../prepared.ts'

const columns = ['first handler after, ms', 'heap, MB', 'RSS, MB']
const MB = 2 ** 20
/** How many messages are handled while the memory is watched, or for how long. */
const WATCHED = { messages: 20_000, ms: 5_000 }

const rows = [
  { name: '1,000 pending, of 1,000 keys', count: 1_000, ofOneKey: 0 },
  { name: '1,000,000 pending, of 1,000 keys', count: 1_000_000, ofOneKey: 0 },
  { name: '1,000,000 pending, 900,000 of one key', count: 1_000_000, ofOneKey: 9 },
]

async function recovering(count: number, ofOneKey: number): Promise<readonly number[]> {
  const path = prepared({ count, ofOneKey })
  globalThis.gc?.()
  const before = process.memoryUsage()
  let [heap, rss, handled, firstAt] = [0, 0, 0, 0]
  const enough = (): boolean => handled >= Math.min(count, WATCHED.messages)
  const start = performance.now()
  const handler = (): void => {
    handled += 1
    if (handled === 1) firstAt = performance.now()
    if (handled % 500 !== 1) return
    const now = process.memoryUsage()
    heap = Math.max(heap, now.heapUsed - before.heapUsed)
    rss = Math.max(rss, now.rss - before.rss)
  }
  await durable({ path, handlers: [handler] })
  while (!enough() && performance.now() - start < WATCHED.ms) await turn()
  if (handled === 0) throw new Error('Nothing was handled.')
  return [firstAt - start, heap / MB, rss / MB]
}

export default {
  title: 'Durable: a start with a million messages pending',
  text: `From the call of \`start()\` to that of the first handler, and by how much the memory in use has grown at most while the
first ${WATCHED.messages.toLocaleString('en')} messages are handled, with garbage; or in ${WATCHED.ms / 1_000} seconds.`,
  rounds: 3,
  columns,
  rows: rows.map(({ name, count, ofOneKey }): FigureRow => ({ name, measure: () => recovering(count, ofOneKey) })),
  aims: rows.slice(1).flatMap(({ name }) => [
    { name, variant: columns[0] as string, atMost: 1_000 },
    { name, variant: columns[1] as string, atMost: 64 },
  ]),
} satisfies Group as Group
