import { clearTimeout, setTimeout } from 'node:timers'

/** How long somebody waits, in real time: whatever the test has done to the global timers. */
export class Patience {
  readonly over: Promise<undefined>
  isOver = false
  readonly #ms: number
  readonly #end: () => void
  #timer: NodeJS.Timeout

  /** @param ms in milliseconds of real time. */
  constructor(ms: number) {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    this.over = promise
    this.#ms = ms
    this.#end = () => {
      this.isOver = true
      resolve(undefined)
    }
    this.#timer = setTimeout(this.#end, ms)
  }

  /** It begins anew, unless it is over. */
  restart(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#end, this.#ms)
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}
