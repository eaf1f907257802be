import { setTimeout as pause } from 'node:timers/promises'
import type { Dispatcher } from '@iambus/core'
import type { Pool, PoolClient } from 'pg'
import type { FigureRow, Group } from '../case.ts'
import { orderOf } from '../peers/durable.ts'
import { durableIn, freshSchema, sweep } from '../peers/postgres.ts'
import { median } from '../ratios.ts'

const columns = ['a round trip, ms', 'from the commit to the handler, ms', 'in round trips']
const MESSAGES = 200
/** So that nothing is under way when the next one is published, and nobody is taken for busy. */
const APART_MS = 30

/** Publishes, and resolves when that is committed. */
type Publish = (n: number) => Promise<unknown>

interface Nodes {
  readonly handling: Dispatcher
  readonly pool: Pool
  /** A node of its own, without a handler, on the same log. */
  readonly publishing: () => Promise<Dispatcher>
}

const inCallersTransaction = async ({ handling, pool }: Nodes): Promise<Publish> => {
  const client = await pool.connect()
  return async (n) => {
    await client.query('BEGIN')
    await handling.publish(orderOf(n), { key: 'key', tx: client })
    await client.query('COMMIT')
  }
}

const onTheSameNode = ({ handling }: Nodes): Publish => {
  return (n) => handling.publish(orderOf(n), { key: 'key' })
}

const onAnotherNode = async ({ publishing }: Nodes): Promise<Publish> => {
  const dp = await publishing()
  return (n) => dp.publish(orderOf(n), { key: 'key' })
}

async function latencies(make: (nodes: Nodes) => Publish | Promise<Publish>): Promise<readonly number[]> {
  const target = await freshSchema()
  await sweep(target.pool)
  let handled = (_at: number): void => {}
  const handling = await durableIn(target, [() => handled(performance.now())])
  const client = await target.pool.connect()
  const publish = await make({ handling, pool: target.pool, publishing: () => durableIn(target, []) })
  const [trips, times]: [number[], number[]] = [[], []]
  for (let n = 1; n <= MESSAGES; n += 1) {
    await pause(APART_MS)
    trips.push(await roundTrip(client))
    const arrived = new Promise<number>((resolve) => (handled = resolve))
    await publish(n)
    const committed = performance.now()
    times.push((await arrived) - committed)
  }
  const [tripMs, latencyMs] = [median(trips), median(times)]
  return [tripMs, latencyMs, latencyMs / tripMs]
}

async function roundTrip(client: PoolClient): Promise<number> {
  const before = performance.now()
  await client.query('SELECT 1')
  return performance.now() - before
}

const rows = [
  ["in a transaction of the caller's", inCallersTransaction],
  ['on the node that handles it', onTheSameNode],
  ['on another node', onAnotherNode],
] as const

export default {
  title: 'Postgres: how soon a handler has what was published',
  text: `One message each ${APART_MS} ms, of one key, to a node that sleeps and looks once a second by itself: from the answer to the commit to the
call of the handler, median of ${MESSAGES}; beside \`SELECT 1\` on a connection of its own in between. Before a handler starts, its start is on
disk.`,
  columns,
  rows: rows.map(([name, make]): FigureRow => ({ name: `published ${name}`, measure: () => latencies(make) })),
  aims: rows.map(([name]) => ({ name: `published ${name}`, variant: columns[2] as string, atMost: 5 })),
} satisfies Group as Group
