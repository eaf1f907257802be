/** A timer that has been set. */
export interface Timer {
  cancel(): void
  /** Lets the process end before it fires, or no longer. A clock that keeps no process alive needs neither. */
  unref?(): void
  ref?(): void
}

/** Where the bus gets its time and its timers from. Replace it in tests. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Milliseconds since whenever, for durations: never set back, as `now` can be. Default: `now`. */
  monotonic?(): number
  /** Calls `run` once after `delayMs` milliseconds, unless the timer is cancelled before. */
  after(delayMs: number, run: () => void): Timer
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, run) => {
    const timeout = setTimeout(run, delayMs)
    return { cancel: () => clearTimeout(timeout), unref: () => timeout.unref(), ref: () => timeout.ref() }
  },
}
