/** Makes calls with the numbers from 1 to `count`, so many of them under way at a time; resolves when all have ended. */
export async function inFlight(width: number, count: number, call: (n: number) => Promise<unknown>): Promise<void> {
  let next = 1
  const lane = async (): Promise<void> => {
    while (next <= count) {
      const n = next
      next += 1
      await call(n)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane))
}
