/** How long to wait after so many failures of a store in a row, in milliseconds: a tenth of a second, doubled up to five. */
export function storeBackoffMs(failures: number): number {
  return Math.min(5_000, 100 * 2 ** (failures - 1))
}
