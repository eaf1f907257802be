/** Counts the deliveries of an engine, and tells whoever waits for there to be fewer, or none. */
export class Census {
  /** How many wait or run. */
  inFlight = 0
  /** How many of those wait. */
  waiting = 0
  /** Called when fewer wait than before, as long as somebody wants to know. */
  whenFewer: (() => void) | undefined = undefined
  readonly #whenIdle: (() => void)[] = []

  /** Resolves when none waits or runs. */
  idle(): Promise<void> {
    if (this.inFlight === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  fewerWait(): void {
    this.waiting -= 1
    this.whenFewer?.()
  }

  /** One has ended. Tells whether it was the last. */
  ended(): boolean {
    this.inFlight -= 1
    if (this.inFlight > 0) return false
    if (this.#whenIdle.length > 0) for (const resolve of this.#whenIdle.splice(0)) resolve()
    return true
  }
}
