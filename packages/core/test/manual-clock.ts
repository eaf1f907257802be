import type { Clock, Timer } from '../src/ports/clock.ts'

/** A clock that stands still until it is told how much time passes. */
export class ManualClock implements Clock {
  readonly #timers = new Map<object, { readonly atMs: number; readonly run: () => void; isRef: boolean }>()
  readonly #earlyMs: number
  #now = 0

  /** @param earlyMs by how much its timers fire too early, as those of a machine may. */
  constructor(earlyMs = 0) {
    this.#earlyMs = earlyMs
  }

  now(): number {
    return this.#now
  }

  after(delayMs: number, run: () => void): Timer {
    const id = {}
    const timer = { atMs: this.#now + Math.max(Math.min(delayMs, 1), delayMs - this.#earlyMs), run, isRef: true }
    this.#timers.set(id, timer)
    return {
      cancel: () => void this.#timers.delete(id),
      ref: () => void (timer.isRef = true),
      unref: () => void (timer.isRef = false),
    }
  }

  /** Lets the timers fire that fall due, the earliest first, each at its time. */
  advance(byMs: number): void {
    const until = this.#now + byMs
    for (;;) {
      const due = [...this.#timers].filter(([, { atMs }]) => atMs <= until).sort(([, a], [, b]) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      const [id, { atMs, run }] = due
      this.#timers.delete(id)
      this.#now = atMs
      run()
    }
    this.#now = until
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size
  }

  /** How many of them keep the process alive. */
  get refTimers(): number {
    return [...this.#timers.values()].filter(({ isRef }) => isRef).length
  }
}
