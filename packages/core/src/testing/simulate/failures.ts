import { IambusError } from '../../errors.ts'
import { type Plan, planText } from './plan.ts'

/** One of the promises of the bus itself was broken: a fault of iambus, or of whatever the dispatcher was extended with. */
export class GuaranteeBroken extends IambusError {
  constructor(message: string) {
    super('GUARANTEE_BROKEN', message)
  }
}

/** A run does not come to rest: something waits for what does not come. */
export class Stuck extends IambusError {
  constructor(message: string) {
    super('STUCK', message)
  }
}

/** A handler did what no seed decides: then no run can be repeated. */
export class NonDeterministic extends IambusError {
  constructor(message: string) {
    super('NON_DETERMINISTIC', message)
  }
}

/** A handler has called something outside, does not wait for it, and it has failed. */
export class Unawaited extends IambusError {
  constructor(message: string, options?: ErrorOptions) {
    super('UNAWAITED', message, options)
  }
}

/** What a simulation has found. */
export interface Finding {
  readonly plan: Plan
  readonly error: Error
  readonly timeline: readonly string[]
}

/**
 * A simulation has found a run in which an invariant does not hold. `cause` is the invariant's own error; `timeline` what
 * happens in the smallest such run that was found; `replay` repeats it.
 */
export class SimulationFailed extends IambusError {
  readonly seed: number
  /** To be given to the option `replay`. */
  readonly replay: string
  readonly timeline: readonly string[]

  constructor({ plan, error, timeline }: Finding, runs: number) {
    const lines = abridged(timeline.map((line, index) => `  ${index + 1}. ${line}`)).join('\n')
    const replay = planText(plan)
    const found = `Run ${runs} of the simulation, with the seed ${plan.seed}, has failed: ${error.name}: ${error.message}`
    const again = `Again: simulate(make, { ...options, replay: '${replay}' })`
    super(
      'SIMULATION_FAILED',
      `${found}\n\nThe smallest run like it:\n${lines || '  nothing has happened before'}\n\n${again}`,
      { cause: error },
    )
    this.seed = plan.seed
    this.replay = replay
    this.timeline = timeline
  }
}

/** How many lines of a timeline are printed at most, at each end. */
const LINES = 40

function abridged(lines: readonly string[]): readonly string[] {
  if (lines.length <= 2 * LINES) return lines
  const left = lines.length - 2 * LINES
  return [...lines.slice(0, LINES), `  ... ${left} more: error.timeline has all of them`, ...lines.slice(-LINES)]
}
