import { setImmediate as turn } from 'node:timers/promises'
import type { Tally } from './case.ts'

/** Resolves when handlers have been called that often: at once, if they have been already. */
export async function drained(tally: Tally, count: number): Promise<void> {
  for (let idle = 0; tally.count < count; idle += 1) {
    const before = tally.count
    await turn()
    if (tally.count > before) idle = 0
    if (idle > 1_000) throw new Error(`Handlers were to be called ${count} times, and were ${tally.count} times.`)
  }
}
