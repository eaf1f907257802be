import { setImmediate } from 'node:timers'
import { InvalidOption, shown } from '../errors.ts'
import type { Clock, Timer } from '../ports/clock.ts'

/** 1 January 2025, 00:00 UTC: a time as good as any, that every run begins with. */
export const EPOCH_MS: number = Date.UTC(2025, 0, 1)

interface SetTimer {
  readonly atMs: number
  /** In which order they were set: those of one time fire in it. */
  readonly order: number
  readonly run: () => void
  isRef: boolean
}

/**
 * A clock that stands still until it is told how much time passes. What would take days takes no time at all.
 *
 * ```ts
 * const clock = new VirtualClock()
 * const dp = new Dispatcher({ clock })
 * await clock.advance(60_000)
 * ```
 */
export class VirtualClock implements Clock {
  readonly #timers = new Set<SetTimer>()
  #wallMs: number
  #passedMs = 0
  #set = 0

  /** @param startMs when it begins, in milliseconds since 1970. Default 1 January 2025, 00:00 UTC. */
  constructor(startMs: number = EPOCH_MS) {
    this.#wallMs = checked(startMs, 'startMs', Number.MIN_SAFE_INTEGER)
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#wallMs + this.#passedMs
  }

  /** Milliseconds since it was made: never set back. */
  monotonic(): number {
    return this.#passedMs
  }

  after(delayMs: number, run: () => void): Timer {
    const timer: SetTimer = { atMs: this.#passedMs + Math.max(0, delayMs), order: this.#set, run, isRef: true }
    this.#set += 1
    this.#timers.add(timer)
    return {
      cancel: () => void this.#timers.delete(timer),
      ref: () => void (timer.isRef = true),
      unref: () => void (timer.isRef = false),
    }
  }

  /** How many timers are set that somebody waits for. */
  get timers(): number {
    let count = 0
    for (const { isRef } of this.#timers) if (isRef) count += 1
    return count
  }

  /** In how many milliseconds the next timer fires that somebody waits for; `undefined` where there is none. */
  get nextInMs(): number | undefined {
    const next = this.#next((timer) => timer.isRef)
    return next && Math.max(0, next.atMs - this.#passedMs)
  }

  /**
   * Lets time pass: timers fire that fall due, the earliest first, each at its time; and whatever each of them begins has
   * its turn before the next one fires.
   *
   * @param ms in milliseconds.
   * @throws {InvalidOption} for what is no number of milliseconds, 0 or more.
   */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#passedMs + checked(ms, 'advance()', 0)
    await turn()
    for (let next = this.#next(); next !== undefined && next.atMs <= untilMs; next = this.#next()) {
      this.#fire(next)
      await turn()
    }
    this.#passedMs = Math.max(this.#passedMs, untilMs)
  }

  /** Goes on to the next timer that somebody waits for, and fires it, and those before it. Tells whether there was one. */
  fireNext(): boolean {
    const awaited = this.#next((timer) => timer.isRef)
    if (awaited === undefined) return false
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#fire(next)
      if (next === awaited) break
    }
    return true
  }

  /**
   * Sets the time of day, as an administrator does, or a time server: no timer fires earlier or later for it.
   *
   * @param ms by how much, in milliseconds; less than 0 to set it back.
   * @throws {InvalidOption} for what is no number.
   */
  jump(ms: number): void {
    this.#wallMs += checked(ms, 'jump()', Number.MIN_SAFE_INTEGER)
  }

  #fire(timer: SetTimer): void {
    this.#timers.delete(timer)
    this.#passedMs = Math.max(this.#passedMs, timer.atMs)
    timer.run()
  }

  #next(isMeant: (timer: SetTimer) => boolean = () => true): SetTimer | undefined {
    let next: SetTimer | undefined
    for (const timer of this.#timers) {
      if (!isMeant(timer)) continue
      if (next === undefined || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order))
        next = timer
    }
    return next
  }
}

/** Resolves when all that can go on without a timer, and without the world outside, has done so. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function checked(ms: number, what: string, least: number): number {
  if (typeof ms === 'number' && Number.isFinite(ms) && ms >= least) return ms
  const expected = least === 0 ? 'a number of milliseconds, 0 or more' : 'a number of milliseconds'
  throw new InvalidOption(`${what} was given ${shown(ms)}. Pass ${expected}.`)
}
