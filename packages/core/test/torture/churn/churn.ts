import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { privatePostgres } from '../../servers/private-postgres.ts'
import { judge, type Phases } from './judge.ts'
import { Load } from './load.ts'
import { type Sample, sample } from './sample.ts'
import type { Timing } from './timed-pool.ts'

export interface ChurnOptions {
  readonly minutes: number
  /** Messages in a second, of each of the two variants. */
  readonly rate: number
  /** How often the autovacuum looks, in seconds: 60 by default on a server. */
  readonly naptimeS: number
  readonly say?: (line: string) => void
}

export interface Churned {
  readonly faults: readonly string[]
  readonly handled: number
  readonly published: number
}

const variants = ['delete', 'archive'] as const

/** Keeps two logs busy on a server of its own, one that deletes what is finished, and one that archives it, and looks how they grow. */
export async function churn({ minutes, rate, naptimeS, say = () => {} }: ChurnOptions): Promise<Churned> {
  const totalMs = minutes * 60_000
  const naptimeMs = naptimeS * 1_000
  const phases: Phases = {
    warmMs: totalMs * 0.2,
    heldMs: totalMs * 0.4,
    releasedMs: totalMs * 0.6,
    endMs: totalMs,
    naptimeMs,
  }
  await using server = await privatePostgres({ settings: { autovacuum_naptime: `${naptimeS}s` } })
  const loads = variants.map((completion) => {
    return new Load({ url: server.url, schema: completion, completion, rate, dedupeMs: totalMs / 10 })
  })
  const [client, old] = [new Client({ connectionString: server.url }), new Client({ connectionString: server.url })]
  await Promise.all([client.connect(), old.connect()])
  for (const load of loads) await load.start()
  const start = performance.now()
  const samples = new Map<string, Sample[]>(variants.map((schema) => [schema, []]))
  const lookMs = Math.max(1_000, Math.min(totalMs / 60, naptimeMs))
  const sayMs = Math.min(60_000, totalMs / 12)
  let hold: 'not yet' | 'held' | 'over' = 'not yet'
  let saidMs = 0
  for (let atMs = 0; atMs < totalMs;) {
    await delay(lookMs)
    atMs = performance.now() - start
    for (const [schema, all] of samples) all.push(await sample(client, schema, atMs))
    if (hold === 'not yet' && atMs >= phases.heldMs) {
      await old.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1')
      hold = 'held'
    }
    if (hold === 'held' && atMs >= phases.releasedMs) {
      await old.query('COMMIT')
      hold = 'over'
    }
    if (atMs - saidMs < sayMs) continue
    saidMs = atMs
    for (const [index, schema] of variants.entries()) {
      const load = loads[index] as Load
      say(rowOf({ schema, hold, load, last: samples.get(schema)?.at(-1) as Sample }))
    }
  }
  for (const load of loads) await load.stop()
  await Promise.all([client.end(), old.end()])
  const faults = [...samples].flatMap(([schema, all]) => judge(all, phases).map((fault) => `${schema}, ${fault}`))
  const sum = (what: 'handled' | 'published'): number => loads.reduce((total, load) => total + load[what], 0)
  return { faults, handled: sum('handled'), published: sum('published') }
}

interface Row {
  readonly schema: string
  readonly hold: string
  readonly load: Load
  readonly last: Sample
}

/** What has most dead rows, what is largest, and which statements took longest. */
function rowOf({ schema, hold, load, last }: Row): string {
  const tables = last.tables.toSorted((a, b) => b.tableBytes + b.indexBytes - a.tableBytes - a.indexBytes).slice(0, 5)
  const mb = (bytes: number): string => (bytes / 1_048_576).toFixed(1)
  const sizes = tables.map((one) => `${one.table} ${one.deadRows}/${mb(one.tableBytes)}+${mb(one.indexBytes)}`)
  const slow = [...load.pool.take()].toSorted(([, a], [, b]) => meanMs(b) - meanMs(a)).slice(0, 4)
  const times = slow.map(([name, timing]) => `${name} ${meanMs(timing).toFixed(1)}`)
  const seconds = Math.round(last.atMs / 1_000)
  return `| ${[seconds, schema, hold, load.handled, sizes.join(', '), times.join(', ')].join(' | ')} |`
}

const meanMs = ({ totalMs, count }: Timing): number => totalMs / count

/** The head of the table whose rows are said. */
export const head =
  '| s | log | old transaction | handled | dead rows / MB + MB of indexes | mean ms of the slowest statements |\n|---|---|---|---|---|---|'
