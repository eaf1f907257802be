import { StoreFailed } from '../store-errors.ts'
import { checkFailure, checkRule, checkTargets } from './fault-plan.ts'
import type { FaultCode, FaultRule, FaultTarget, StoreOperation } from './fault-plan.ts'
import { Chance } from './simulate/chance.ts'

/** What happens to one call. */
export interface Strike {
  readonly delayMs: number
  /** With what it rejects, where it does. */
  readonly error: Error | undefined
  /** Whether it is done even so. */
  readonly isDone: boolean
}

/** What goes wrong with a store: by a plan, and as it is told while it runs. Calls of all its openings count together. */
export class Faults {
  readonly #name: string
  readonly #rules: readonly PlannedRule[]
  readonly #holds = new Set<Hold>()
  readonly #hits: Partial<Record<StoreOperation, number>> = {}
  #failing: { readonly fail: FaultCode | Error; readonly on: ReadonlySet<StoreOperation> } | undefined
  #isPlanned = true

  /**
   * @param name of the store, for errors.
   * @throws {InvalidOption}
   */
  constructor(name: string, plan: FaultRule | readonly FaultRule[]) {
    this.#name = name
    const rules = Array.isArray(plan) ? (plan as readonly FaultRule[]) : [plan as FaultRule]
    this.#rules = rules.map((rule) => new PlannedRule(checkRule(rule)))
  }

  get hits(): Readonly<Partial<Record<StoreOperation, number>>> {
    return { ...this.#hits }
  }

  get unused(): readonly FaultRule[] {
    return this.#rules.filter(({ hits }) => hits === 0).map(({ rule }) => rule)
  }

  fail(fail: FaultCode | Error, on: FaultTarget | readonly FaultTarget[] | undefined): void {
    this.#failing = { fail: checkFailure(fail), on: checkTargets(on) }
  }

  heal(): void {
    this.#failing = undefined
    this.#isPlanned = false
    for (const hold of this.#holds) this.#release(hold)
  }

  hold(on: FaultTarget | readonly FaultTarget[] | undefined): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    const hold = { on: checkTargets(on), released: promise, release: resolve }
    this.#holds.add(hold)
    return () => this.#release(hold)
  }

  isHeld(operation: StoreOperation): boolean {
    return this.#holdOf(operation) !== undefined
  }

  /** Resolves when nothing holds it any more. */
  async released(operation: StoreOperation): Promise<void> {
    if (this.isHeld(operation)) this.#count(operation)
    for (let hold = this.#holdOf(operation); hold !== undefined; hold = this.#holdOf(operation)) await hold.released
  }

  /** What happens to a call whose turn it is: to be asked once. All rules count it; the first one that is meant strikes. */
  strike(operation: StoreOperation): Strike | undefined {
    const meant = this.#isPlanned ? this.#rules.filter((one) => one.isMeant(operation)) : []
    const error = this.failure(operation)
    const rule = error === undefined ? meant[0] : undefined
    if (error === undefined && rule === undefined) return undefined
    this.#count(operation)
    // What is closed has to be, or nobody could open it again.
    if (rule === undefined) return { delayMs: 0, error, isDone: operation === 'close' }
    rule.hits += 1
    const { delayMs = 0, loseAnswer = false, fail = loseAnswer ? 'STORE_FAILED' : undefined } = rule.rule
    const planned = fail && this.#errorOf(fail, operation)
    return { delayMs, error: planned, isDone: loseAnswer || operation === 'close' }
  }

  /** With what it fails at present, as `fail` has said. */
  failure(operation: StoreOperation): Error | undefined {
    const failing = this.#failing
    return failing?.on.has(operation) === true ? this.#errorOf(failing.fail, operation) : undefined
  }

  #errorOf(fail: FaultCode | Error, operation: StoreOperation): Error {
    if (typeof fail !== 'string') return fail
    return new StoreFailed(
      fail,
      `${this.#name}: '${operation}' failed, since faulty() was told so. Handle it, or heal().`,
    )
  }

  #count(operation: StoreOperation): void {
    this.#hits[operation] = (this.#hits[operation] ?? 0) + 1
  }

  #holdOf(operation: StoreOperation): Hold | undefined {
    return [...this.#holds].find(({ on }) => on.has(operation))
  }

  #release(hold: Hold): void {
    this.#holds.delete(hold)
    hold.release()
  }
}

interface Hold {
  readonly on: ReadonlySet<StoreOperation>
  readonly released: Promise<void>
  readonly release: () => void
}

class PlannedRule {
  readonly rule: FaultRule
  hits = 0
  readonly #on: ReadonlySet<StoreOperation>
  readonly #chance: Chance
  #calls = 0

  constructor(rule: FaultRule) {
    this.rule = rule
    this.#on = checkTargets(rule.on)
    this.#chance = new Chance(rule.seed ?? 1)
  }

  /** Counts the call, if it is one of these. */
  isMeant(operation: StoreOperation): boolean {
    if (!this.#on.has(operation)) return false
    const { nth, every, chance, times } = this.rule
    this.#calls += 1
    const isNow =
      (nth === undefined || this.#calls === nth) &&
      (every === undefined || this.#calls % every === 0) &&
      (chance === undefined || this.#chance.next() < chance)
    return isNow && (times === undefined || this.hits < times)
  }
}
