import type { StoreFeature, StoreSetup } from './harness.ts'
import type { Trial } from './trial.ts'

/** A case, before it is known what it runs on. */
export interface CaseDefinition {
  /** Never changes: reports and issues refer to it. */
  readonly name: string
  /** The behaviour that it shows. */
  readonly title: string
  /** What the adapter must have for it. */
  readonly needs?: readonly StoreFeature[]
  /** What makes it pointless. */
  readonly unless?: StoreFeature
  readonly setup?: Partial<StoreSetup>
  readonly run: (trial: Trial) => Promise<void>
}
