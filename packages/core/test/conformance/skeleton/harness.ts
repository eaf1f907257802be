import type { StoreHarness } from '../../../src/testing/conformance/index.ts'
import { Database, type Rows } from './database.ts'
import { DEDUPE_MS } from './log.ts'
import { skeletonStore } from './store.ts'

/** The skeleton, for the suite of stores. */
export const harness: StoreHarness = {
  name: 'skeleton',
  features: ['syncWork', 'openingClock'],
  create: () => {
    const database = new Database()
    return {
      store: skeletonStore(database),
      dedupeMs: DEDUPE_MS,
      crash: () => database.disconnect(),
      write: (tx, effect) => {
        const { effects } = tx as Rows
        effects.set(effects.size, effect)
      },
      effects: () => [...database.rows.effects.values()],
    }
  },
}
