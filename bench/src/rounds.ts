import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Case, Group } from './case.ts'

export interface Plan {
  readonly rounds: number
  readonly allocations: boolean
  /** How many times as long as usual to measure. */
  readonly scale: number
}

/** What was measured of one case. */
export interface Measured {
  /** Nanoseconds a call, one for each round. */
  readonly ns: number[]
  bytes: number | undefined
}

export type Results = ReadonlyMap<Case, Measured>

/** Large enough that nothing is collected while allocations are counted. */
const hugeYoungGeneration = ['--min-semi-space-size=1024', '--max-semi-space-size=1024']

/**
 * Measures all cases of a group, each in a process of its own. The cases of one variant follow each other closely, since
 * they are compared, and start with another one in each round, since the machine may slow down.
 */
export function measureGroup(name: string, group: Group, plan: Plan): Results {
  const results = new Map<Case, Measured>(group.cases.map((one) => [one, { ns: [], bytes: undefined }]))
  for (let round = 0; round < plan.rounds; round += 1) {
    process.stderr.write(`${name}: round ${round + 1} of ${plan.rounds}\n`)
    for (const variant of variantsOf(group)) {
      const cases = group.cases.filter((one) => one.variant === variant)
      for (const one of rotated(cases, round)) results.get(one)?.ns.push(measure(name, one, plan))
    }
  }
  if (plan.allocations && group.allocations !== false) {
    process.stderr.write(`${name}: allocations\n`)
    for (const [one, measured] of results) measured.bytes = measure(name, one, { ...plan, bytes: true })
  }
  return results
}

export function variantsOf(group: Group): (string | undefined)[] {
  return [...new Set(group.cases.map(({ variant }) => variant))]
}

function rotated<T>(values: readonly T[], by: number): T[] {
  const start = by % values.length
  return [...values.slice(start), ...values.slice(0, start)]
}

/** Nanoseconds a call; or, asked for, bytes. */
function measure(group: string, { name, variant }: Case, how: { scale: number; bytes?: boolean }): number {
  const script = join(import.meta.dirname, 'child.ts')
  const which = ['--group', group, '--name', name, ...(variant === undefined ? [] : ['--variant', variant])]
  const flags = how.bytes ? hugeYoungGeneration : []
  const options = ['--scale', String(how.scale), ...(how.bytes ? ['--bytes'] : [])]
  const { status, stdout } = spawnSync(process.execPath, [...flags, script, ...which, ...options], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`The case '${name}' ${variant ?? ''} of ${group} failed: see above.`)
  const { value } = JSON.parse(stdout) as { value: number }
  return value
}
