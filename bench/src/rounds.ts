import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Case, Group, Weight } from './case.ts'

export interface Plan {
  readonly rounds: number
  readonly allocations: boolean
  /** How many times as long as usual to measure. */
  readonly scale: number
}

/** What was measured of one case. */
export interface Measured {
  /** Nanoseconds a call; or bytes, in a table of weights. One for each round. */
  readonly values: number[]
  bytes: number | undefined
}

export type Results = ReadonlyMap<Case | Weight, Measured>

/** Large enough that nothing is collected while allocations are counted. */
const hugeYoungGeneration = ['--min-semi-space-size=1024', '--max-semi-space-size=1024']
/** To collect by force, and to let peers have as much as they need. */
const weighing = ['--expose-gc', '--max-old-space-size=8192']

export const casesOf = (group: Group): readonly (Case | Weight)[] => ('weights' in group ? group.weights : group.cases)

/**
 * Measures all cases of a group, each in a process of its own. The cases of one variant follow each other closely, since
 * they are compared, and start with another one in each round, since the machine may slow down.
 */
export function measureGroup(name: string, group: Group, plan: Plan): Results {
  const results = new Map<Case | Weight, Measured>(casesOf(group).map((one) => [one, { values: [], bytes: undefined }]))
  const flags = 'weights' in group ? weighing : []
  const rounds = Math.min(plan.rounds, group.rounds ?? plan.rounds)
  for (let round = 0; round < rounds; round += 1) {
    process.stderr.write(`${name}: round ${round + 1} of ${rounds}\n`)
    for (const variant of variantsOf(group)) {
      const cases = casesOf(group).filter((one) => one.variant === variant)
      for (const one of rotated(cases, round)) {
        results.get(one)?.values.push(measure(name, one, { flags, args: ['--scale', String(plan.scale)] }))
      }
    }
  }
  if (plan.allocations && 'cases' in group && group.allocations !== false) {
    process.stderr.write(`${name}: allocations\n`)
    for (const [one, measured] of results) {
      measured.bytes = measure(name, one, { flags: hugeYoungGeneration, args: ['--bytes'] })
    }
  }
  return results
}

export function variantsOf(group: Group): (string | undefined)[] {
  return [...new Set(casesOf(group).map(({ variant }) => variant))]
}

function rotated<T>(values: readonly T[], by: number): T[] {
  const start = by % values.length
  return [...values.slice(start), ...values.slice(0, start)]
}

/** The number that the process of one measurement prints. */
function measure(
  group: string,
  { name, variant }: Case | Weight,
  how: { readonly flags: readonly string[]; readonly args: readonly string[] },
): number {
  const script = join(import.meta.dirname, 'child.ts')
  const which = ['--group', group, '--name', name, ...(variant === undefined ? [] : ['--variant', variant])]
  const { status, stdout } = spawnSync(process.execPath, [...how.flags, script, ...which, ...how.args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`The case '${name}' ${variant ?? ''} of ${group} failed: see above.`)
  const { value } = JSON.parse(stdout) as { value: number }
  return value
}
