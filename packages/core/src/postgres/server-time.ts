import type { Clock } from '../ports/clock.ts'

/** What time it is for the server, as far as this process knows: what it was told last, and what has passed since. */
export class ServerTime {
  readonly #clock: Clock
  #told: number
  #at: number

  /** @param now what time it is, in milliseconds since 1970. */
  constructor(clock: Clock, now: number) {
    this.#clock = clock
    this.#told = now
    this.#at = this.#passed()
  }

  now(): number {
    return this.#told + Math.max(0, Math.floor(this.#passed() - this.#at))
  }

  /** It never goes back: where the server's clock was set back, it stands still until that has caught up. */
  told(now: number): void {
    const known = this.now()
    this.#told = Math.max(now, known)
    this.#at = this.#passed()
  }

  #passed(): number {
    return this.#clock.monotonic?.() ?? this.#clock.now()
  }
}
