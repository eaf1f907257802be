import type { Clock, Timer } from '../../../ports/clock.ts'

/** A clock that a case moves, also backwards. */
export class ManualClock implements Clock {
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>()
  #now = Date.UTC(2030, 0, 1)
  #elapsed = 0

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#elapsed
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = { at: this.#elapsed + delayMs, run }
    this.#timers.add(timer)
    return { cancel: () => void this.#timers.delete(timer) }
  }

  advance(ms: number): void {
    this.#now += ms
    this.#elapsed += ms
    const due = [...this.#timers].filter(({ at }) => at <= this.#elapsed).sort((a, b) => a.at - b.at)
    for (const timer of due) if (this.#timers.delete(timer)) timer.run()
  }

  /** Has the time of day go back; what has elapsed does not. */
  setBack(ms: number): void {
    this.#now -= ms
  }
}
