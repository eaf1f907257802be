/** A run of positions, both ends included. */
export type Span = readonly [from: number, to: number]

/** How far beyond the cursor a subscription may have read: positions. What is unfinished for longer becomes an exception. */
export const AHEAD = 1_024

/**
 * How far a subscription has come in one partition of the log. Whatever is at `cursor` or before it is finished, or is an
 * exception; behind `reach`, nothing has been started; of what is between them, a bit each tells which is finished.
 *
 * The bits are a ring: that of a position is at `position % AHEAD`. So nothing moves when the cursor does.
 */
export class Progress {
  #cursor: number
  #reach: number
  readonly #finished: Uint8Array

  /** @param finished the bits as they were stored, `AHEAD / 8` bytes; copied. */
  constructor(cursor: number, reach: number = cursor, finished?: Uint8Array) {
    this.#cursor = cursor
    this.#reach = reach
    this.#finished = new Uint8Array(AHEAD / 8)
    if (finished !== undefined) this.#finished.set(finished.subarray(0, AHEAD / 8))
  }

  get cursor(): number {
    return this.#cursor
  }

  get reach(): number {
    return this.#reach
  }

  /** To be stored; not to be changed. */
  get finished(): Uint8Array {
    return this.#finished
  }

  copy(): Progress {
    return new Progress(this.#cursor, this.#reach, this.#finished)
  }

  /** What is up to there may have been started from now on. @throws {RangeError} beyond `AHEAD` positions from the cursor. */
  reached(position: number): void {
    if (position - this.#cursor > AHEAD) {
      throw new RangeError(`Position ${position} is more than ${AHEAD} beyond the cursor, ${this.#cursor}.`)
    }
    if (position > this.#reach) this.#reach = position
  }

  /** These are finished, or are exceptions from now on. They have been reached. */
  finish([from, to]: Span): void {
    const last = Math.min(to, this.#reach)
    for (let position = Math.max(from, this.#cursor + 1); position <= last; position += 1) {
      const bit = position % AHEAD
      this.#finished[bit >> 3] = (this.#finished[bit >> 3] as number) | (1 << (bit & 7))
    }
    while (this.#cursor < this.#reach && this.isFinished(this.#cursor + 1)) {
      this.#cursor += 1
      const bit = this.#cursor % AHEAD
      this.#finished[bit >> 3] = (this.#finished[bit >> 3] as number) & ~(1 << (bit & 7))
    }
  }

  /**
   * What a settlement says as a whole, in whatever order it happened: what it finishes lets it reach further.
   *
   * @param spans what is finished, or is an exception from now on.
   * @throws {RangeError} where it would have reached more than `AHEAD` beyond the cursor even so. Then use it no more.
   */
  settle(reached: number | undefined, spans: readonly Span[]): void {
    for (;;) {
      const before = this.#cursor
      if (reached !== undefined) this.reached(Math.min(reached, before + AHEAD))
      for (const span of spans) this.finish(span)
      if (reached === undefined || reached <= this.#reach) return
      if (this.#cursor === before) this.reached(reached)
    }
  }

  isFinished(position: number): boolean {
    if (position <= this.#cursor) return true
    if (position > this.#reach) return false
    const bit = position % AHEAD
    return ((this.#finished[bit >> 3] as number) & (1 << (bit & 7))) !== 0
  }

  /** What has been reached, and is neither finished nor an exception. */
  unfinished(): number[] {
    const positions: number[] = []
    for (let position = this.#cursor + 1; position <= this.#reach; position += 1) {
      if (!this.isFinished(position)) positions.push(position)
    }
    return positions
  }
}
