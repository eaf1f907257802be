import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Group } from './case.ts'

export interface Plan {
  readonly rounds: number
  readonly allocations: boolean
  /** How many times as long as usual to measure. */
  readonly scale: number
}

/** A row of a table, or one cell of it. */
interface Cell {
  readonly name: string
  readonly variant?: string
}

/** What was measured of one cell. */
export interface Measured {
  /** Nanoseconds a call; or bytes, or figures. One for each round. */
  readonly values: number[]
  bytes: number | undefined
}

/** By name and variant. */
export type Results = ReadonlyMap<string, Measured>

export const keyOf = (name: string, variant: string | undefined): string => JSON.stringify([name, variant])

/** Large enough that nothing is collected while allocations are counted. */
const hugeYoungGeneration = ['--min-semi-space-size=1024', '--max-semi-space-size=1024']
/** To collect by force, and to let peers have as much as they need. */
const weighing = ['--expose-gc', '--max-old-space-size=8192']

export function cellsOf(group: Group): readonly Cell[] {
  if ('rows' in group) return group.rows.flatMap(({ name }) => group.columns.map((variant) => ({ name, variant })))
  return 'weights' in group ? group.weights : group.cases
}

/**
 * Measures all cases of a group, each in a process of its own. The cases of one variant follow each other closely, since
 * they are compared, and start with another one in each round, since the machine may slow down.
 */
export function measureGroup(name: string, group: Group, plan: Plan): Results {
  const results = new Map<string, Measured>(
    cellsOf(group).map((cell) => [keyOf(cell.name, cell.variant), { values: [], bytes: undefined }]),
  )
  const flags = 'cases' in group ? [] : weighing
  const rounds = Math.min(plan.rounds, group.rounds ?? plan.rounds)
  for (let round = 0; round < rounds; round += 1) {
    process.stderr.write(`${name}: round ${round + 1} of ${rounds}\n`)
    for (const cell of processesOf(group, round)) {
      const given = measure(name, cell, { flags, args: ['--scale', String(plan.scale)] })
      const variants = 'rows' in group ? group.columns : [cell.variant]
      for (const [index, variant] of variants.entries()) {
        results.get(keyOf(cell.name, variant))?.values.push(given[index] ?? Number.NaN)
      }
    }
  }
  if (plan.allocations && 'cases' in group && group.allocations !== false) {
    process.stderr.write(`${name}: allocations\n`)
    for (const cell of group.cases) {
      const measured = results.get(keyOf(cell.name, cell.variant)) as Measured
      measured.bytes = measure(name, cell, { flags: hugeYoungGeneration, args: ['--bytes'] })[0]
    }
  }
  return results
}

/** What has a process of its own in each round, in the order of this one. */
function processesOf(group: Group, round: number): readonly Cell[] {
  if ('rows' in group) return rotated(group.rows, round)
  return variantsOf(group).flatMap((variant) =>
    rotated(
      cellsOf(group).filter((cell) => cell.variant === variant),
      round,
    ),
  )
}

export function variantsOf(group: Group): (string | undefined)[] {
  return [...new Set(cellsOf(group).map(({ variant }) => variant))]
}

function rotated<T>(values: readonly T[], by: number): T[] {
  const start = by % values.length
  return [...values.slice(start), ...values.slice(0, start)]
}

/** The numbers that the process of one measurement prints. */
function measure(
  group: string,
  { name, variant }: Cell,
  how: { readonly flags: readonly string[]; readonly args: readonly string[] },
): readonly number[] {
  const script = join(import.meta.dirname, 'child.ts')
  const which = ['--group', group, '--name', name, ...(variant === undefined ? [] : ['--variant', variant])]
  const { status, stdout } = spawnSync(process.execPath, [...how.flags, script, ...which, ...how.args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`The case '${name}' ${variant ?? ''} of ${group} failed: see above.`)
  const { values } = JSON.parse(stdout) as { values: readonly number[] }
  return values
}
