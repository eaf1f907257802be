import type { Finding } from './failures.ts'
import type { Plan } from './plan.ts'
import type { Ran } from './run.ts'

/** How many runs are made at most to find a smaller one. */
const RUNS = 300

/** A run that fails, and the plan of it with everything said that the seed had decided. */
interface Failing extends Finding {
  readonly plan: Required<Plan>
}

/**
 * Looks for the smallest run that fails in the same way: with fewer messages, fewer faults, and, where that is possible, with
 * the steps in their plain order.
 */
export async function shrink(run: (plan: Plan) => Promise<Ran>, plan: Plan, ran: Ran): Promise<Finding> {
  let best = failingOf(plan, ran)
  let left = RUNS
  const tried = new Set<string>()
  const fails = async (smaller: Plan): Promise<Ran | undefined> => {
    left -= 1
    const again = await run(smaller)
    return again.error !== undefined && signatureOf(again.error) === signatureOf(best.error) ? again : undefined
  }
  /** By which messages are given: whether it fails, in whatever way, when nothing goes wrong. Then they are too few for the invariant. */
  const asTheyAre = new Map<string, boolean>()
  const isInvalid = async ({ seed, messages }: Required<Plan>): Promise<boolean> => {
    const name = messages.join(',')
    const known = asTheyAre.get(name)
    if (known !== undefined) return known
    left -= 1
    const isSo = (await run({ seed, messages, faults: [], isCalm: true })).error !== undefined
    asTheyAre.set(name, isSo)
    return isSo
  }
  const failsAnyway = await isInvalid(best.plan)
  /** Tells whether it fails in the same way, and is smaller. */
  const improves = async (smaller: Required<Plan>): Promise<boolean> => {
    const name = JSON.stringify(smaller)
    if (left <= 0 || tried.has(name)) return false
    tried.add(name)
    if (!failsAnyway && (await isInvalid(smaller))) return false
    const again = await fails(smaller)
    if (again === undefined) return false
    const found = failingOf(smaller, again)
    if (weightOf(found) >= weightOf(best)) return false
    best = found
    return true
  }
  const makesSmaller = async (): Promise<boolean> => {
    for (const smaller of smallerThan(best.plan)) if (await improves(smaller)) return true
    return false
  }
  while (await makesSmaller());
  return best
}

/** The same with less, the least first. */
function* smallerThan({ seed, messages, faults, isCalm }: Required<Plan>): Generator<Required<Plan>> {
  for (const message of messages) {
    if (messages.length > 1) yield { seed, messages: [message], faults, isCalm }
  }
  if (messages.length > 2) for (const kept of without(messages)) yield { seed, messages: kept, faults, isCalm }
  if (faults.length > 1) yield { seed, messages, faults: [], isCalm }
  for (const kept of without(faults)) yield { seed, messages, faults: kept, isCalm }
  if (!isCalm) yield { seed, messages, faults, isCalm: true }
  // In the plain order, each fault is tried at each step: there are few.
  const last = Math.max(20, ...faults.map(({ step }) => step))
  for (const [index, fault] of faults.entries()) {
    const others = faults.filter((_, place) => place !== index)
    const latest = isCalm ? fault.step - 1 : last
    for (let step = 0; step <= latest; step += 1) {
      if (others.length > 0) yield { seed, messages, faults: [{ ...fault, step }], isCalm: true }
      yield { seed, messages, faults: [...others, { ...fault, step }], isCalm: true }
    }
  }
  // With fewer messages, the same comes about sooner.
  const [fault, ...others] = faults
  if (fault === undefined || others.length > 0 || messages.length === 1) return
  for (const message of messages) {
    for (let step = 0; step <= last; step += 1) {
      yield { seed, messages: [message], faults: [{ ...fault, step }], isCalm: true }
    }
  }
}

/** All but one of them. */
function without<T>(all: readonly T[]): T[][] {
  return all.map((_, index) => all.filter((__, place) => place !== index)).filter((kept) => kept.length < all.length)
}

function failingOf(plan: Plan, { error, timeline, faults, messages }: Ran): Failing {
  const all = Array.from({ length: messages }, (_, index) => index)
  const whole = { seed: plan.seed, messages: plan.messages ?? all, faults, isCalm: plan.isCalm ?? false }
  return { plan: whole, error: error as Error, timeline }
}

/** Less is better: of messages and faults first, then of what happens. */
function weightOf({ plan: { messages, faults, isCalm }, timeline }: Failing): number {
  return messages.length * 1_000 + faults.length * 1_000 + (isCalm ? 0 : 500) + timeline.length
}

/** Numbers and names may differ: it is the same fault all the same. */
function signatureOf({ name, message }: Error): string {
  return `${name}: ${message.replaceAll(/\d+/g, '0').slice(0, 60)}`
}
