export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2
}

/** How fast something is beside its base: 1 is as fast, 0.5 half as fast. */
export interface Ratio {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Compares two series of nanoseconds round by round: what changes from one round to the next, changes both. */
export function ratioOf(base: readonly number[], other: readonly number[]): Ratio {
  const ratios = other.map((ns, round) => (base[round] ?? Number.NaN) / ns)
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) }
}
