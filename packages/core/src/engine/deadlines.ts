import { MAX_TIMER_MS } from '../options.ts'
import type { Clock, Timer } from '../ports/clock.ts'

/** Something that is to happen after a time, unless it is cancelled. */
export interface Deadline {
  cancel(): void
}

/**
 * Deadlines by the thousand for the price of a few timers: those of one duration fall due in the order in which they were
 * set, so they stand in one line, and only the first needs a timer. (A timer each costs 1 us; see docs/benchmarks.md.)
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #lines = new Map<number, Line>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What durations are measured by, in milliseconds. */
  now(): number {
    return this.#clock.monotonic?.() ?? this.#clock.now()
  }

  /** @param durationMs in milliseconds, however many: a timer that cannot wait for so long is set again. */
  after(durationMs: number, run: () => void): Deadline {
    let line = this.#lines.get(durationMs)
    if (line === undefined) {
      line = new Line(this.#clock, {
        now: () => this.now(),
        durationMs,
        whenOver: () => this.#lines.delete(durationMs),
      })
      this.#lines.set(durationMs, line)
    }
    return line.add(run)
  }
}

class Line {
  readonly #clock: Clock
  readonly #now: () => number
  readonly #durationMs: number
  readonly #whenOver: () => void
  #first: Entry | undefined
  #last: Entry | undefined
  #timer: Timer

  constructor(clock: Clock, of: { now: () => number; durationMs: number; whenOver: () => void }) {
    this.#clock = clock
    this.#now = of.now
    this.#durationMs = of.durationMs
    this.#whenOver = of.whenOver
    this.#timer = this.#set(of.durationMs)
  }

  add(run: () => void): Deadline {
    const entry = new Entry(this.#now() + this.#durationMs, run, this)
    entry.previous = this.#last
    if (this.#last === undefined) {
      this.#first = entry
      this.#timer.ref?.()
    } else this.#last.next = entry
    this.#last = entry
    return entry
  }

  remove(entry: Entry): void {
    const { previous, next } = entry
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    // It may have become old, and would keep all that come after it from the garbage collector.
    entry.next = entry.previous = undefined
    // The timer stays, for the next one to come; but it keeps no process alive.
    if (this.#first === undefined) this.#timer.unref?.()
  }

  #set(delayMs: number): Timer {
    return this.#clock.after(Math.min(delayMs, MAX_TIMER_MS), this.#fire)
  }

  readonly #fire = (): void => {
    const now = this.#now()
    try {
      for (let due = this.#first; due !== undefined && due.atMs <= now; due = this.#first) {
        due.cancel()
        due.run()
      }
    } finally {
      if (this.#first === undefined) this.#whenOver()
      else this.#timer = this.#set(Math.max(1, this.#first.atMs - now))
    }
  }
}

class Entry implements Deadline {
  readonly atMs: number
  readonly run: () => void
  next: Entry | undefined
  previous: Entry | undefined
  #line: Line | undefined

  constructor(atMs: number, run: () => void, line: Line) {
    this.atMs = atMs
    this.run = run
    this.#line = line
  }

  cancel(): void {
    this.#line?.remove(this)
    this.#line = undefined
  }
}
