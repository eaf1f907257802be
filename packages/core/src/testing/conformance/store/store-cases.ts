import { appending } from './appending.ts'
import { balancing } from './balancing.ts'
import type { CaseDefinition } from './case-definition.ts'
import { claiming } from './claiming.ts'
import { deadLetterCases } from './dead-letters.ts'
import { delaying } from './delaying.ts'
import { duplicates } from './duplicates.ts'
import type { StoreFeature, StoreHarness } from './harness.ts'
import { knowingCases } from './knowing.ts'
import { leasing } from './leasing.ts'
import { opening } from './opening.ts'
import { pruning } from './pruning.ts'
import { randomPrograms } from './random-programs.ts'
import { registering } from './registering.ts'
import { scheduling } from './scheduling.ts'
import { settling } from './settling.ts'
import { sharing } from './sharing.ts'
import { transactions } from './transactions.ts'
import { Trial } from './trial.ts'
import { working } from './working.ts'

/** One behaviour of a store, to be handed to any test runner. */
export interface StoreCase {
  /** Never changes: `append-order`. */
  readonly name: string
  /** The behaviour, as a sentence. */
  readonly title: string
  /** Why it cannot be shown on this adapter; `undefined` where it can. */
  readonly skip: string | undefined
  /** Makes a store, and removes it. Rejects with what was wrong. */
  readonly run: () => Promise<void>
}

export interface StoreCaseOptions {
  /** Where the random programs begin: the failure of one says it. Default: another one each time. */
  readonly seed?: number
  /** How many random programs there are. Default 20. */
  readonly programs?: number
}

const missing: Readonly<Record<StoreFeature, string>> = {
  shared: 'is one node at a time',
  partitions: 'has one partition',
  keep: 'deletes what is finished',
  tx: "takes no transaction of the caller's own",
  manyTx: "takes one transaction of the caller's own at a time",
  syncWork: 'takes no synchronous work',
  asyncWork: 'takes no asynchronous work',
  openingClock: 'has a clock of its own',
}

/**
 * What every store has to do, as cases for any test runner:
 * `for (const { title, skip, run } of storeCases(harness)) test(title, { skip }, run)`.
 */
export function storeCases(harness: StoreHarness, options: StoreCaseOptions = {}): readonly StoreCase[] {
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31)
  const definitions = [
    ...appending,
    ...duplicates,
    ...claiming,
    ...settling,
    ...working,
    ...pruning,
    ...deadLetterCases,
    ...delaying,
    ...scheduling,
    ...registering,
    ...opening,
    ...transactions,
    ...sharing,
    ...leasing,
    ...balancing,
    ...knowingCases,
    ...randomPrograms(seed, options.programs ?? 20),
  ]
  return definitions.map((definition) => {
    const { name, title } = definition
    return {
      name,
      title: `${name}: ${title}`,
      skip: skipOf(harness, definition),
      run: () => runOn(harness, definition),
    }
  })
}

function skipOf({ name, features }: StoreHarness, { needs = [], unless }: CaseDefinition): string | undefined {
  if (unless !== undefined && features.includes(unless)) return `${name} has '${unless}'`
  const lacking = needs.find((feature) => !features.includes(feature))
  return lacking && `${name} ${missing[lacking]}`
}

async function runOn(harness: StoreHarness, { setup, run }: CaseDefinition): Promise<void> {
  const trial = new Trial(await harness.create({ partitions: 1, completion: 'delete', ...setup }), harness.features)
  try {
    await run(trial)
  } finally {
    await trial.end()
  }
}
