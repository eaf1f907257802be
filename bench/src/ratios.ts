export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2
}

/** What was measured in several rounds. */
export interface Range {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function rangeOf(values: readonly number[]): Range {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/**
 * How fast something is beside its base: 1 is as fast, 0.5 half as fast. Compares two series of nanoseconds round by
 * round: what changes from one round to the next, changes both.
 */
export function ratioOf(base: readonly number[], other: readonly number[]): Range {
  return rangeOf(other.map((ns, round) => (base[round] ?? Number.NaN) / ns))
}

export function shownRange({ median: middle, min, max }: Range): string {
  if (min === max) return min === 1 ? '1' : short(middle)
  return `${short(middle)} (${short(min)}..${short(max)})`
}

/** Two significant digits, without an exponent. */
export function short(value: number): string {
  if (value === 0) return '0'
  if (value >= 100) return String(Math.round(value))
  if (value >= 10) return value.toFixed(0)
  return value >= 0.995 ? value.toFixed(1) : value.toFixed(Math.min(6, 1 - Math.floor(Math.log10(value))))
}
