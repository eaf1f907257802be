import { memory, type MemoryStore, type MemoryTransaction } from '../../src/memory/index.ts'
import type { Store } from '../../src/ports/store.ts'
import type { StoreHarness } from '../../src/testing/conformance/index.ts'

/**
 * The memory store, for the suite of stores.
 *
 * @param options.sabotage what is opened in its stead.
 */
export function memoryHarness(options: {
  readonly shared: boolean
  readonly sabotage?: (store: MemoryStore) => Store
}): StoreHarness {
  const { shared, sabotage = (store: MemoryStore): Store => store } = options
  return {
    name: shared ? 'memory, shared' : 'memory',
    features: [
      ...(shared ? (['shared'] as const) : []),
      'partitions',
      'keep',
      'tx',
      'manyTx',
      'syncWork',
      'asyncWork',
      'openingClock',
    ],
    create: ({ partitions, completion }) => {
      // As little as the suite asks for.
      const [dedupeMs, leaseMs] = [3_600_000, 15_000]
      const inner = memory({ partitions, completion, shared, dedupeMs, leaseMs })
      return {
        store: sabotage(inner),
        dedupeMs,
        leaseMs,
        crash: () => inner.crash(),
        begin: () => {
          const tx = inner.transaction()
          return { tx, commit: () => tx.commit(), rollback: () => tx.rollback() }
        },
        write: (tx, effect) => (tx as MemoryTransaction).write(effect),
        effects: () => inner.effects,
      }
    },
  }
}
