import { AsyncResource } from 'node:async_hooks'
import { StoreFailed } from '../store-errors.ts'
import type { StoreOperation } from './fault-plan.ts'
import type { Faults, Strike } from './faults.ts'

/** A call that waits for its turn, and whoever waits for it. */
interface Waiting {
  readonly operation: StoreOperation
  readonly go: () => Promise<unknown>
  readonly strike: Strike | undefined
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * The writes of one opening, in the order of the calls. One that nothing happens to is passed on as it is called, with its own
 * promise; once one is slow, or held, those that come later wait behind it. One that is to fail does so when all before it have
 * been answered, and with it those that wait, and those that are called before it has been heard of.
 */
export class FaultyWrites {
  readonly #faults: Faults
  readonly #after: (delayMs: number) => Promise<void>
  #waiting: Waiting[] = []
  #inFlight = 0
  #whenAnswered: (() => void)[] = []
  #failing: unknown
  #isUnderWay = false

  /** @param after resolves after so many milliseconds. */
  constructor(faults: Faults, after: (delayMs: number) => Promise<void>) {
    this.#faults = faults
    this.#after = after
  }

  add(operation: StoreOperation, go: () => Promise<unknown>): Promise<unknown> {
    if (this.#failing !== undefined && operation !== 'close') return Promise.reject(this.#failing)
    const isNext = this.#waiting.length === 0 && !this.#faults.isHeld(operation)
    const strike = isNext ? this.#faults.strike(operation) : undefined
    if (isNext && strike === undefined) return this.#start(go)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operation, go: AsyncResource.bind(go), strike, resolve, reject })
      if (!this.#isUnderWay) void this.#goOn()
    })
  }

  async #goOn(): Promise<void> {
    this.#isUnderWay = true
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) await this.#take(next)
    this.#isUnderWay = false
  }

  async #take(next: Waiting): Promise<void> {
    const { operation, go, resolve, reject } = next
    if (this.#faults.isHeld(operation)) await this.#faults.released(operation)
    if (this.#waiting[0] !== next) return // It has failed with one that was before it.
    const strike = next.strike ?? this.#faults.strike(operation)
    if (strike !== undefined) {
      await this.#answered()
      if (strike.delayMs > 0) await this.#after(strike.delayMs)
    }
    if (this.#waiting[0] !== next) return
    const error = strike && (strike.error ?? this.#faults.failure(operation))
    if (error === undefined) {
      this.#waiting.shift()
      this.#start(go).then(resolve, reject)
      return
    }
    const failure: unknown =
      strike?.isDone === true
        ? await go().then(
            () => error,
            (real: unknown) => real,
          )
        : error
    this.#waiting.shift()
    reject(failure)
    this.#fail(failure)
  }

  #start(go: () => Promise<unknown>): Promise<unknown> {
    this.#inFlight += 1
    const answer = go()
    const ended = (): void => {
      this.#inFlight -= 1
      if (this.#inFlight === 0) for (const run of this.#whenAnswered.splice(0)) run()
    }
    answer.then(ended, (error: unknown) => {
      if (isOfTheStore(error)) this.#fail(error)
      ended()
    })
    return answer
  }

  /** Resolves when all that was passed on is answered. */
  async #answered(): Promise<void> {
    while (this.#inFlight > 0) await new Promise<void>((resolve) => this.#whenAnswered.push(resolve))
  }

  #fail(error: unknown): void {
    const waiting = this.#waiting
    this.#waiting = waiting.filter(({ operation }) => operation === 'close')
    for (const { operation, reject } of waiting) if (operation !== 'close') reject(error)
    this.#failing = error
    queueMicrotask(() => {
      if (this.#failing === error) this.#failing = undefined
    })
  }
}

/** Whether it is a failure of the store itself: another one concerns nobody else. */
function isOfTheStore(error: unknown): boolean {
  return error instanceof StoreFailed && error.code !== 'CLAIM_LOST'
}
