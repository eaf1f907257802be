import type { Sample, TableSample } from './sample.ts'

/** When what has begun, in milliseconds. */
export interface Phases {
  /** From then on, nothing is to grow. */
  readonly warmMs: number
  /** A transaction was open between these: until then, no dead row can be removed. */
  readonly heldMs: number
  readonly releasedMs: number
  readonly endMs: number
  /** How often the autovacuum looks at the database. */
  readonly naptimeMs: number
}

/** What a table may have more than it needs, whatever its load: an autovacuum begins at 50 dead rows and a fifth of the table. */
const SLACK = { rows: 5_000, bytes: 2_000_000 }
/** The archive is what is kept: it grows. */
const kept = new Set(['archive'])

/**
 * What is not bounded. Dead rows: no more than those that come about while the autovacuum looks three times (once until it
 * looks, once for what it does, once because it counts late); while a transaction is open, all of them, and that again at the most
 * once it has ended. Sizes: once warm, and once it has made good what the transaction kept, no table and no index grows by more than
 * a quarter.
 */
export function judge(samples: readonly Sample[], phases: Phases): string[] {
  const names = samples.at(-1)?.tables.map(({ table }) => table) ?? []
  return names.flatMap((table) => [...deadRows(table, samples, phases), ...sizes(table, samples, phases)])
}

const of = (table: string, { tables }: Sample): TableSample | undefined => tables.find((one) => one.table === table)

function deadRows(table: string, samples: readonly Sample[], phases: Phases): string[] {
  const spanMs = 3 * phases.naptimeMs
  return samples.flatMap((at) => {
    const now = of(table, at)
    // While it is open, and until what it kept is made good.
    const isExcused = at.atMs >= phases.heldMs && at.atMs <= phases.releasedMs + spanMs
    const before = samples.findLast(({ atMs }) => atMs <= at.atMs - spanMs)
    if (now === undefined || before === undefined || isExcused) return []
    const bound = now.turned - (of(table, before)?.turned ?? 0) + SLACK.rows
    return now.deadRows <= bound
      ? []
      : [`${seconds(at)}: ${table} has ${now.deadRows} dead rows, and may have ${bound}`]
  })
}

function sizes(
  table: string,
  samples: readonly Sample[],
  { warmMs, heldMs, releasedMs, endMs, naptimeMs }: Phases,
): string[] {
  if (kept.has(table)) return []
  const spans = [
    [warmMs, heldMs],
    [releasedMs + 3 * naptimeMs, endMs],
  ] as const
  return spans.flatMap(([from, to]) => {
    const within = samples.filter(({ atMs }) => atMs >= from && atMs <= to)
    return (['tableBytes', 'indexBytes'] as const).flatMap((what) => {
      const first = Math.max(
        0,
        ...within.slice(0, Math.ceil(within.length / 3)).map((one) => of(table, one)?.[what] ?? 0),
      )
      return within.flatMap((one) => {
        const bytes = of(table, one)?.[what] ?? 0
        if (bytes <= first * 1.25 + SLACK.bytes) return []
        return [`${seconds(one)}: ${table} has ${bytes} ${what}, and had ${first} before`]
      })
    })
  })
}

const seconds = ({ atMs }: Sample): string => `${Math.round(atMs / 1_000)} s`
