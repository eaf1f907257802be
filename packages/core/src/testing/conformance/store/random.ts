/** Chance that can be repeated: the same seed gives the same choices. A linear congruence, of which the high bits are used. */
export class Random {
  #state: bigint

  constructor(seed: number) {
    this.#state = BigInt.asUintN(64, BigInt(seed) * 0x9e3779b97f4a7c15n + 1n)
  }

  /** A whole number from 0 to below `bound`. */
  below(bound: number): number {
    this.#state = BigInt.asUintN(64, this.#state * 6364136223846793005n + 1442695040888963407n)
    return Number((this.#state >> 33n) % BigInt(bound))
  }

  /** True in one of so many cases. */
  oneIn(count: number): boolean {
    return this.below(count) === 0
  }

  /** @throws {RangeError} where there is nothing to choose from. */
  of<T>(choices: readonly T[]): T {
    if (choices.length === 0) throw new RangeError('There is nothing to choose from.')
    return choices[this.below(choices.length)] as T
  }

  /** Some of them, in their order; perhaps none. */
  some<T>(choices: readonly T[], most: number): T[] {
    const chosen = new Set<T>()
    const count = choices.length === 0 ? 0 : this.below(most + 1)
    for (let n = 0; n < count; n += 1) chosen.add(this.of(choices))
    return choices.filter((one) => chosen.has(one))
  }
}
