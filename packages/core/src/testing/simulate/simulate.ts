import type { Dispatcher } from '../../dispatcher.ts'
import { InvalidOption, shown } from '../../errors.ts'
import { checkCount, checkNames } from '../../options.ts'
import type { Awaitable } from '../../routing/providers.ts'
import type { Chance } from './chance.ts'
import { GlobalsWatch } from './determinism.ts'
import { NonDeterministic, SimulationFailed } from './failures.ts'
import { type Fault, FAULTS } from './faults.ts'
import type { SimulatedNode } from './life.ts'
import { type Plan, planOf } from './plan.ts'
import type { Message } from './publisher.ts'
import { type Ran, Run, type SimulatedState, type Subject } from './run.ts'
import { shrink } from './shrink.ts'
import type { SimulatedTransaction } from './simulated-store.ts'

/** What `simulate()` takes. */
export interface SimulateOptions<W> {
  /** What is published, sent and requested, in this order: messages, or messages with their options; or what makes them. */
  readonly messages: readonly Message[] | ((chance: Chance) => readonly Message[])
  /** Makes what survives a crash: the databases and services of the program. Called once for each run. Default: nothing. */
  readonly world?: (() => W) | undefined
  /** Throws where something does not hold. Asked after each step, and when everything has come to rest. */
  readonly invariant?: ((state: SimulatedState<W>) => void) | undefined
  /** How many runs are made, each with a seed of its own. Default 1 000. */
  readonly seeds?: number | undefined
  /** The seed of the first run. Default 1; take another one each time, and print it, to see other runs each time. */
  readonly firstSeed?: number | undefined
  /** How many nodes share the store. Default 1. */
  readonly nodes?: number | undefined
  /** What may go wrong. Default: everything. */
  readonly faults?: readonly Fault[] | undefined
  /** Begins a transaction on the world, for `context.commit`. Default: there is no database, and `tx` is the store's own. */
  readonly transaction?: ((world: W) => SimulatedTransaction) | undefined
  /** For how much virtual time a run goes on at least, in milliseconds: so that schedules come due. Default 0. */
  readonly forMs?: number | undefined
  /** After how many steps a run that has not come to rest is given up. Default 100 000. */
  readonly maxSteps?: number | undefined
  /** Repeats the one run that a failed simulation has printed. Default: all seeds are run. */
  readonly replay?: string | undefined
}

/** What a simulation that found nothing has done. */
export interface SimulationReport {
  readonly runs: number
  readonly firstSeed: number
  readonly steps: number
  /** How many deliveries have failed for good, in all runs. */
  readonly dead: number
  /** How often each fault has struck. */
  readonly faults: Readonly<Record<Fault, number>>
}

const known: readonly (keyof SimulateOptions<unknown>)[] = [
  'messages',
  'world',
  'invariant',
  'seeds',
  'firstSeed',
  'nodes',
  'faults',
  'transaction',
  'forMs',
  'maxSteps',
  'replay',
]

/** One after the other: they watch what is global. */
let last: Promise<unknown> = Promise.resolve()

/**
 * Runs a program many times over a simulated store and clock: its own dispatcher and its own handlers. In each run, a seed
 * decides in which order things happen, and what goes wrong: crashes between any two steps, duplicates, failures of the store
 * and of what is outside, lost answers, jumps of the clock. After each step the invariant is asked, and the bus is held to its
 * own promises. What fails is made smaller, and printed with what happens in it, and how to repeat it.
 *
 * ```ts
 * await simulate(({ options, world, remote }) => transfers({ ...options, bank: remote('bank', world.bank) }), {
 *   world: () => ({ bank: new Bank({ anna: 100, ben: 0 }) }),
 *   messages: [[new Transfer({ from: 'anna', to: 'ben', amount: 30 }), { id: 'transfer-1' }]],
 *   invariant: ({ world, isSettled }) => isSettled && assert.equal(world.bank.total, 100),
 *   seeds: 10_000,
 * })
 * ```
 *
 * @param make makes the dispatcher of a node, with its handlers, and does not start it. Called at each start.
 * @returns how many runs were made, and what went wrong in them.
 * @throws {SimulationFailed} as a rejection, with the smallest run that was found.
 * @throws {InvalidOption} as a rejection.
 */
export function simulate<W = undefined>(
  make: (node: SimulatedNode<W>) => Awaitable<Dispatcher>,
  options: SimulateOptions<W>,
): Promise<SimulationReport> {
  const simulation = last.then(() => simulated(make, options))
  last = simulation.catch(() => {})
  return simulation
}

async function simulated<W>(
  make: (node: SimulatedNode<W>) => Awaitable<Dispatcher>,
  options: SimulateOptions<W>,
): Promise<SimulationReport> {
  const subject = subjectOf(make, options)
  const { seeds = 1_000, firstSeed = 1, replay } = options
  const plans = replay === undefined ? plansOf(checkCount('seeds', seeds), checkSeed(firstSeed)) : [planOf(replay)]
  const faults = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number> // The keys are those.
  let runs = 0
  let steps = 0
  let dead = 0
  const watch = new GlobalsWatch()
  try {
    for (const plan of plans) {
      runs += 1
      const ran = await new Run(subject, plan, watch).go()
      if (ran.error !== undefined)
        throw await failed(plan, ran, { runs, subject, watch, isReplay: replay !== undefined })
      steps += ran.steps
      dead += ran.dead
      for (const { fault } of ran.faults) faults[fault] += 1
    }
  } finally {
    watch.end()
  }
  return { runs, firstSeed, steps, dead, faults }
}

/** What fails is run once more: where it is another run then, something but the seed decides. */
async function failed<W>(
  plan: Plan,
  ran: Ran,
  of: { readonly runs: number; readonly subject: Subject<W>; readonly watch: GlobalsWatch; readonly isReplay: boolean },
): Promise<SimulationFailed> {
  const { runs, subject, watch, isReplay } = of
  const run = (one: Plan): Promise<Ran> => new Run(subject, one, watch).go()
  const found = { plan, error: ran.error as Error, timeline: ran.timeline }
  if (ran.error instanceof NonDeterministic) return new SimulationFailed(found, runs)
  const again = await run(plan)
  if (again.timeline.join('\n') !== ran.timeline.join('\n') || again.error?.message !== ran.error?.message) {
    const error = new NonDeterministic(
      `The seed ${plan.seed} gave two different runs: something but the seed decides what happens, in your handlers, in what make() makes, or in the world. ${difference(ran, again)}`,
    )
    return new SimulationFailed({ ...found, error }, runs)
  }
  return new SimulationFailed(isReplay ? found : await shrink(run, plan, ran), runs)
}

function difference(first: Ran, second: Ran): string {
  const index = first.timeline.findIndex((line, place) => line !== second.timeline[place])
  if (index === -1) return `The first one: ${first.error?.message}; the second one: ${second.error?.message}.`
  return `The first difference: '${first.timeline[index]}' and '${second.timeline[index]}'.`
}

function* plansOf(seeds: number, firstSeed: number): Generator<Plan> {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) yield { seed }
}

function subjectOf<W>(
  make: (node: SimulatedNode<W>) => Awaitable<Dispatcher>,
  options: SimulateOptions<W>,
): Subject<W> {
  if (typeof make !== 'function')
    throw new InvalidOption(`make is ${shown(make)}. Pass a function that makes a dispatcher.`)
  checkNames('simulate()', options, known)
  const { messages, world, invariant = () => {}, transaction, faults = FAULTS } = options
  const { nodes = 1, forMs = 0, maxSteps = 100_000 } = options
  if (typeof messages !== 'function' && !Array.isArray(messages)) {
    throw new InvalidOption(`messages is ${shown(messages)}. Pass an array of messages, or a function that makes one.`)
  }
  for (const fault of faults) {
    if (FAULTS.includes(fault)) continue
    throw new InvalidOption(`There is no fault ${shown(fault)}. There are: ${FAULTS.join(', ')}.`)
  }
  if (typeof forMs !== 'number' || !(forMs >= 0 && forMs < Number.POSITIVE_INFINITY)) {
    throw new InvalidOption(`forMs is ${shown(forMs)}. Pass a number of milliseconds, 0 or more.`)
  }
  checkCount('maxSteps', maxSteps)
  checkCount('nodes', nodes)
  return {
    make,
    // Where it is left out, W is undefined.
    world: world ?? (() => undefined as W),
    messages: typeof messages === 'function' ? messages : () => messages,
    invariant,
    transaction,
    faults,
    nodes,
    forMs,
    maxSteps,
  }
}

function checkSeed(seed: number): number {
  if (Number.isSafeInteger(seed) && seed >= 0) return seed
  throw new InvalidOption(`firstSeed is ${shown(seed)}. Pass a whole number, 0 or more.`)
}
