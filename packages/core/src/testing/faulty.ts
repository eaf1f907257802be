import { InvalidOption, shown } from '../errors.ts'
import type { Store } from '../ports/store.ts'
import type { FaultCode, FaultRule, FaultTarget, StoreOperation } from './fault-plan.ts'
import { Faults } from './faults.ts'
import { openFaulty } from './faulty-opening.ts'

/** A store that fails, is slow, or loses answers, as it was planned, and as it is told. */
export interface FaultyStore extends Store {
  /** How often something has gone wrong, by operation: what has failed only since one before it did is not counted. */
  readonly hits: Readonly<Partial<Record<StoreOperation, number>>>
  /** The rules of the plan that have not struck so far: where a test ends with some, it did not show what it was to show. */
  readonly unused: readonly FaultRule[]
  /**
   * Has operations fail from now on, and those that wait for their turn, whatever the plan says; until `heal`, or until it is
   * told otherwise.
   *
   * @param fail as which failure. Default `'STORE_FAILED'`.
   * @param on which ones. Default: all but `close`.
   * @throws {InvalidOption}
   */
  fail(fail?: FaultCode | Error, on?: FaultTarget | readonly FaultTarget[]): void
  /** Has nothing go wrong any more: it ends `fail`, `hold`, and the plan. */
  heal(): void
  /**
   * Has operations wait until the function is called that it returns, and what comes behind them with them. Stop a dispatcher
   * when they go on again: its store is closed after them.
   *
   * @param on which ones. Default: all but `close`.
   * @throws {InvalidOption}
   */
  hold(on?: FaultTarget | readonly FaultTarget[]): () => void
}

/**
 * Has a store go wrong, to test how a program fares with a bad database. It does what a store may do, and nothing else: writes
 * stay in their order, those that wait behind one that fails fail too, and what rejects was not stored, unless its answer was
 * to get lost.
 *
 * ```ts
 * const store = faulty(memory(), [
 *   { on: 'append', nth: 3, fail: 'STORE_FULL' },
 *   { on: 'settle', chance: 0.1, seed: 7, delayMs: 200 },
 *   { on: 'append', nth: 5, loseAnswer: true },
 * ])
 * const dp = new Dispatcher({ store })
 * ```
 *
 * @param store any: it is opened, asked and closed through this one only.
 * @param plan the first of its rules that is meant is the one that strikes. Default: nothing, until it is told to.
 * @throws {InvalidOption} for a plan that cannot be.
 */
export function faulty(store: Store, plan: FaultRule | readonly FaultRule[] = []): FaultyStore {
  if (typeof store?.open !== 'function') {
    throw new InvalidOption(`faulty() was given ${shown(store)}. Pass a store, such as memory().`)
  }
  const faults = new Faults(store.name, plan)
  return {
    name: store.name,
    isShared: store.isShared,
    get hits() {
      return faults.hits
    },
    get unused() {
      return faults.unused
    },
    fail: (fail = 'STORE_FAILED', on) => faults.fail(fail, on),
    heal: () => faults.heal(),
    hold: (on) => faults.hold(on),
    open: (opening) => openFaulty(store, { opening, faults }),
  }
}
