/**
 * Runs what may have crashed the process, one at a time beside the normal traffic: so that what is to blame takes no others
 * with it, and is known if it does so again.
 */
export class Suspects {
  readonly #waiting: ((ended: () => void) => void)[] = []
  #isBusy = false
  #isStopped = false

  /** Whether none waits or runs. */
  get isIdle(): boolean {
    return !this.#isBusy && this.#waiting.length === 0
  }

  /** @param run starts one, and calls `ended` when it has ended. */
  add(run: (ended: () => void) => void): void {
    this.#waiting.push(run)
    this.#next()
  }

  stop(): void {
    this.#isStopped = true
  }

  #next(): void {
    if (this.#isBusy || this.#isStopped) return
    const run = this.#waiting.shift()
    if (run === undefined) return
    this.#isBusy = true
    let hasEnded = false
    run(() => {
      if (hasEnded) return
      hasEnded = true
      this.#isBusy = false
      queueMicrotask(() => this.#next())
    })
  }
}
