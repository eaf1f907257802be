import { setTimeout as delay } from 'node:timers/promises'
import { seen } from '../seen.ts'

export const delaysMs = [300, 200, 100]

let running = 0

/** Waits for the delay that belongs to the event. */
export async function handle(n: number): Promise<void> {
  running += 1
  seen('starts', `${n}${running > 1 ? ` (${running} run)` : ''}`)
  await delay(delaysMs[n - 1])
  seen('ends', String(n))
  running -= 1
}
