import type { Client } from 'pg'
import { BIG, BLOATED } from './filled.ts'

/** One step of a plan, as `EXPLAIN (FORMAT JSON)` says it. */
interface Step {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Index Cond'?: string
  readonly 'Recheck Cond'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly 'Rows Removed by Join Filter'?: number
  readonly Plans?: readonly Step[]
}

/** What a statement has done. */
export interface Explained {
  /** Scans of tables from end to end that have big files, as `Seq Scan of message`. */
  readonly wholeScans: readonly string[]
  /** How many rows of big tables it has looked at. */
  readonly rows: number
  /** Pairs of rows that a join has compared in vain. */
  readonly pairs: number
  readonly plan: string
}

/** Runs a prepared statement, and takes it back. Each argument is a literal of SQL. */
export async function explain(client: Client, name: string, args: readonly string[]): Promise<Explained> {
  const given = args.length === 0 ? '' : `(${args.join(', ')})`
  await client.query('BEGIN')
  try {
    const { rows } = await client.query<{ 'QUERY PLAN': readonly { Plan: Step }[] }>(
      `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE ${name}${given}`,
    )
    const top = rows[0]?.['QUERY PLAN'][0]?.Plan as Step // There is one for each statement.
    const steps = [...stepsOf(top)]
    return {
      wholeScans: steps.flatMap(({ step, isBounded }) => (isBounded ? [] : wholeScanOf(step))),
      rows: sum(steps.map(({ step }) => rowsOf(step))),
      pairs: sum(steps.map(({ step }) => (step['Rows Removed by Join Filter'] ?? 0) * step['Actual Loops'])),
      plan: JSON.stringify(top, undefined, 1),
    }
  } finally {
    await client.query('ROLLBACK')
  }
}

interface Placed {
  readonly step: Step
  /** Whether something above it takes no more than a few of its rows, in the order of an index. */
  readonly isBounded: boolean
}

function* stepsOf(step: Step, isBounded = false): Iterable<Placed> {
  yield { step, isBounded: isBounded && step['Index Name'] !== undefined }
  for (const one of step.Plans ?? []) yield* stepsOf(one, step['Node Type'] === 'Limit')
}

function wholeScanOf(step: Step): string[] {
  const { 'Node Type': type, 'Relation Name': table = '', 'Index Name': index, 'Index Cond': condition } = step
  if (index !== undefined && condition === undefined && ofBig(step)) return [`${type} of ${index}`]
  return type === 'Seq Scan' && (BIG.has(table) || BLOATED.has(table)) ? [`Seq Scan of ${table}`] : []
}

/** Indexes are named for their tables. */
function ofBig({ 'Relation Name': table, 'Index Name': index = '' }: Step): boolean {
  return table === undefined ? [...BIG].some((name) => index.startsWith(name)) : BIG.has(table)
}

function rowsOf(step: Step): number {
  const { 'Node Type': type } = step
  // What a bitmap of an index leads to is counted where it is read.
  if (!type.endsWith('Scan') || type === 'Bitmap Index Scan' || !ofBig(step)) return 0
  const removed = (step['Rows Removed by Filter'] ?? 0) + (step['Rows Removed by Index Recheck'] ?? 0)
  return (step['Actual Rows'] + removed) * step['Actual Loops']
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)
