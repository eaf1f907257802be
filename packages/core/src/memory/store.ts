import { InvalidOption, shown } from '../errors.ts'
import { checkCount, checkDurationMs, checkNames, UNKNOWN_TYPE_MS } from '../options.ts'
import type { OpenStore, Store, StoreOpening } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'
import { type Contents, emptyContents } from './contents.ts'
import { appendAll } from './log.ts'
import { MemoryOpenStore, type Shared } from './open-store.ts'
import { register } from './registration.ts'
import { type MemoryTransaction, Transaction } from './transaction.ts'

/** The defaults of `memory()`. */
export const MEMORY: Required<MemoryOptions> = {
  partitions: 1,
  leaseMs: 15_000,
  completion: 'delete',
  dedupeMs: 93_600_000,
  shared: false,
  unknownTypeMs: UNKNOWN_TYPE_MS,
}

export interface MemoryOptions {
  /** How many partitions its log has. Default 1. */
  readonly partitions?: number
  /** For how long a claim is given where it is shared, in milliseconds. Default 15 seconds. */
  readonly leaseMs?: number
  /** What becomes of a message that every subscription has finished. Default `'delete'`. */
  readonly completion?: 'delete' | 'keep'
  /** For how long ids are remembered, in milliseconds. Default 26 hours. */
  readonly dedupeMs?: number
  /** Whether several nodes may have it open at a time. Default false. */
  readonly shared?: boolean
  /** For how long a message that no live node can read waits for one where it is shared, in milliseconds. Default 15 minutes. */
  readonly unknownTypeMs?: number
}

/** A store whose data live in this object, however often it is opened: for tests, and to see what a store has to do. */
export interface MemoryStore extends Store {
  /** What transactions have written, in the order of their commits. */
  readonly effects: readonly string[]
  /** Begins a transaction, as a user's own database would, for `append(messages, tx)`. */
  transaction(): MemoryTransaction
  /**
   * Does to whoever has it open what `kill -9` does: nothing that they write from now on is stored (`STORE_CLOSED`). Leases
   * run on until they expire.
   *
   * @param opening whom. Default: all.
   */
  crash(opening?: OpenStore): void
}

/**
 * A store in memory. It is plain rather than fast, and loses everything with the process.
 *
 * @throws {InvalidOption}
 */
export function memory(options: MemoryOptions = {}): MemoryStore {
  checkNames('memory()', options, Object.keys(MEMORY))
  const { partitions, leaseMs, completion, dedupeMs, shared, unknownTypeMs } = { ...MEMORY, ...options }
  checkCount('partitions', partitions)
  checkDurationMs('leaseMs', leaseMs)
  checkDurationMs('dedupeMs', dedupeMs)
  checkDurationMs('unknownTypeMs', unknownTypeMs)
  if (completion !== 'delete' && completion !== 'keep') {
    throw new InvalidOption(`completion is ${shown(completion)}. Pass 'delete' or 'keep'.`)
  }
  if (typeof shared !== 'boolean') throw new InvalidOption(`shared is ${shown(shared)}. Pass true or false.`)
  const settings = { leaseMs, dedupeMs, keeps: completion === 'keep', isShared: shared, unknownTypeMs }
  return storeOf(emptyContents(settings, partitions))
}

function storeOf(contents: Contents): MemoryStore {
  const shared: Shared = { contents, transactions: new Set(), openings: new Set() }
  const { openings, transactions } = shared
  return {
    name: 'memory',
    isShared: contents.settings.isShared,
    open: async (opening) => openOf(shared, opening),
    get effects() {
      return [...contents.effects]
    },
    transaction: () => {
      const tx = new Transaction(({ messages, effects }) => {
        appendAll(contents, messages)
        contents.effects.push(...effects)
        for (const { opening } of openings) queueMicrotask(opening.wake)
      })
      transactions.add(tx)
      void tx.ended.then(() => transactions.delete(tx))
      return tx
    },
    crash: (opening) => {
      for (const one of openings) if (opening === undefined || one === opening) one.fence()
      if (opening === undefined) for (const tx of transactions) tx.end()
    },
  }
}

function openOf(shared: Shared, opening: StoreOpening): OpenStore {
  const { contents, openings } = shared
  const { service } = opening
  if (!contents.settings.isShared && openings.size > 0) {
    throw new StoreFailed(
      'STORE_OWNED',
      'The memory store is open already. Close it first, or make it with shared: true.',
    )
  }
  if (contents.service !== undefined && service !== undefined && contents.service !== service) {
    const what = `The memory store is of the service ${shown(contents.service)}, and ${shown(service)} opens it.`
    throw new StoreFailed('STORE_OF_ANOTHER_SERVICE', `${what} Give each service a store of its own.`)
  }
  contents.time = Math.max(contents.time, opening.clock.now())
  const elsewhere = [...openings].flatMap((one) => one.opening.subscriptions)
  const opened = new MemoryOpenStore(shared, opening, register(contents, opening.subscriptions, elsewhere))
  contents.service ??= service
  openings.add(opened)
  opened.tellOthers()
  return opened
}
