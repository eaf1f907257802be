/**
 * Runs what may have crashed the process, one at a time beside the normal traffic: so that what is to blame takes no others
 * with it, and is known if it does so again.
 */
export class Suspects {
  #waiting: { readonly of: object; readonly run: (ended: () => void) => void }[] = []
  #running: { readonly of: object } | undefined
  #isStopped = false

  /** Whether none waits or runs. */
  get isIdle(): boolean {
    return this.#running === undefined && this.#waiting.length === 0
  }

  /**
   * @param of whose it is: a feed.
   * @param run starts one, and calls `ended` when it has ended.
   */
  add(of: object, run: (ended: () => void) => void): void {
    this.#waiting.push({ of, run })
    this.#next()
  }

  /** Those of this feed that wait run here no more. */
  drop(of: object): void {
    this.#waiting = this.#waiting.filter((one) => one.of !== of)
  }

  /** Those of this feed are another node's from now on. */
  leave(of: object): void {
    this.drop(of)
    if (this.#running?.of === of) this.#ended(this.#running)
  }

  stop(): void {
    this.#isStopped = true
  }

  #next(): void {
    if (this.#running !== undefined || this.#isStopped) return
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#running = next
    next.run(() => this.#ended(next))
  }

  #ended(one: object): void {
    if (this.#running !== one) return
    this.#running = undefined
    queueMicrotask(() => this.#next())
  }
}
