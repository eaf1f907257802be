/** Chance that can be repeated: the same seed gives the same numbers. */
export class Chance {
  #state: number

  /** @param seed a whole number. */
  constructor(seed: number) {
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0
  }

  /** A number from 0 up to 1. By mulberry32, of Tommy Ettinger: 32 bits of state, fast, good enough to choose by. */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0 to below `bound`. */
  below(bound: number): number {
    return Math.floor(this.next() * bound)
  }

  /** True in one of so many cases. */
  oneIn(count: number): boolean {
    return this.below(count) === 0
  }

  /** One of them. There is at least one. */
  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }
}
