/** How long to wait after so many failures of a store in a row, in milliseconds: a second, doubled up to a minute. */
export function patienceMs(failures: number): number {
  return Math.min(60_000, 1_000 * 2 ** (failures - 1))
}
