import type { Clock } from './clock.ts'

/**
 * What time it is for a store: never before anything that it has stored. While the clock is behind that, since it was set back,
 * time goes on at half its speed until the clock has caught up; so what is delayed comes later, and not as much later as the
 * clock was set back. Time servers bring a clock into line in the same way (`adjtime`).
 */
export class StoreTime {
  readonly #clock: Clock
  #latestMs: number
  /** Since when the clock has been behind, for durations. */
  #sinceMs: number | undefined

  /** @param latestMs the latest time that is stored, in milliseconds since 1970. */
  constructor(clock: Clock, latestMs: number) {
    this.#clock = clock
    this.#latestMs = latestMs
  }

  /** @param leastMs what was stored meanwhile, perhaps by others: it is not before that. */
  now(leastMs = 0): number {
    const wallMs = this.#clock.now()
    if (leastMs > this.#latestMs) this.#latestMs = leastMs
    if (wallMs >= this.#latestMs) {
      this.#latestMs = wallMs
      this.#sinceMs = undefined
      return wallMs
    }
    const passedMs = this.#clock.monotonic?.() ?? wallMs
    if (this.#sinceMs === undefined || passedMs < this.#sinceMs) this.#sinceMs = passedMs
    const byMs = Math.floor((passedMs - this.#sinceMs) / 2)
    this.#latestMs += byMs
    this.#sinceMs += 2 * byMs
    return this.#latestMs
  }
}
