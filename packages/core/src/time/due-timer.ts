import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock, Timer } from '../ports/clock.ts'

/**
 * For how long a timer waits at most before it looks what time it is, in milliseconds: one minute. The timers of a machine
 * stand still while it sleeps, and know nothing of a clock that is set; due times are times of day.
 */
export const LOOK_AGAIN_MS = 60_000

/** Calls a function at a time of day: one timer, for the earliest time that anybody waits for. */
export class DueTimer {
  readonly #clock: Clock
  readonly #now: () => number
  readonly #run: () => void
  #timer: Timer | undefined
  #dueAt: number | undefined

  /**
   * @param clock where the timer is from.
   * @param of `now`: what time it is for those who wait, in milliseconds since 1970. `run` is called when it is late enough,
   *   outside of the asynchronous context of whoever set the timer.
   */
  constructor(clock: Clock, of: { readonly now: () => number; readonly run: () => void }) {
    this.#clock = clock
    this.#now = of.now
    const outside = AsyncLocalStorage.snapshot()
    this.#run = () => outside(of.run)
  }

  /** When it will call; `undefined` where it will not. */
  get dueAt(): number | undefined {
    return this.#dueAt
  }

  /** Has it call at this time, and not at another; or not at all. */
  set(dueAt: number | undefined): void {
    if (dueAt === this.#dueAt) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#dueAt = dueAt
    if (dueAt !== undefined) this.#wait(dueAt)
  }

  /** Has it call at this time, if that is sooner. */
  setBy(dueAt: number): void {
    if (this.#dueAt === undefined || dueAt < this.#dueAt) this.set(dueAt)
  }

  #wait(dueAt: number): void {
    const waitMs = Math.max(0, Math.min(dueAt - this.#now(), LOOK_AGAIN_MS))
    this.#timer = this.#clock.after(waitMs, () => {
      this.#timer = undefined
      if (this.#now() < dueAt) return this.#wait(dueAt)
      this.#dueAt = undefined
      this.#run()
    })
  }
}
