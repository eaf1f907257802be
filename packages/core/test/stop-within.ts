import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Dispatcher } from '../src/index.ts'
import type { ManualClock } from './manual-clock.ts'

/** Stops a dispatcher whose deadline is measured by a clock that stands still: it is moved on until the stop has ended. */
export async function stopWithin(clock: ManualClock, dp: Dispatcher): Promise<void> {
  const stopped = dp.stop({ deadlineMs: 1 }).then(() => 'stopped')
  while ((await Promise.race([stopped, nextTurn('turn')])) === 'turn') clock.advance(1_000)
}
