import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock, Timer } from '../../ports/clock.ts'
import { VirtualClock } from '../virtual-clock.ts'

/**
 * The clock of a harness. The bus sets its timers on {@link forBus}: so it is known which of them a handler has set itself, and
 * may wait for.
 */
export class HarnessClock extends VirtualClock {
  /** The same time, for the bus. */
  readonly forBus: Clock
  readonly #handling = new AsyncLocalStorage<true>()
  readonly #own = new Set<{ readonly atMs: number }>()
  readonly #settle: () => Promise<void>

  /** @param settle what {@link runUntilSettled} does. */
  constructor(startMs: number | undefined, settle: () => Promise<void>) {
    super(startMs)
    this.#settle = settle
    this.forBus = {
      now: () => this.now(),
      monotonic: () => this.monotonic(),
      after: (delayMs, run) => super.after(delayMs, run),
    }
  }

  /** Runs an attempt of a handler: timers that it sets are known as its own. */
  asHandler<T>(attempt: () => T): T {
    return this.#handling.run(true, attempt)
  }

  override after(delayMs: number, run: () => void): Timer {
    if (this.#handling.getStore() === undefined) return super.after(delayMs, run)
    const own = { atMs: this.monotonic() + Math.max(0, delayMs) }
    this.#own.add(own)
    const timer = super.after(delayMs, () => {
      this.#own.delete(own)
      run()
    })
    const cancel = (): void => {
      this.#own.delete(own)
      timer.cancel()
    }
    return { ...timer, cancel }
  }

  /** In how many milliseconds the next timer fires that a handler has set; `undefined` where none has. */
  get ownInMs(): number | undefined {
    if (this.#own.size === 0) return undefined
    return Math.max(0, Math.min(...[...this.#own].map(({ atMs }) => atMs)) - this.monotonic())
  }

  /**
   * Lets time pass, through retries and delays, until nothing is left to be done: the same as `harness.settled()`.
   *
   * @throws {NotSettled} as a rejection, where that does not come.
   */
  runUntilSettled(): Promise<void> {
    return this.#settle()
  }
}
