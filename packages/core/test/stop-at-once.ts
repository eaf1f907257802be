import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Dispatcher } from '../src/dispatcher.ts'
import type { ManualClock } from './manual-clock.ts'

/** Stops dispatchers whose handlers may never end, as fast as the clock can be moved. */
export async function stopAtOnce(dispatchers: readonly Dispatcher[], clock: ManualClock): Promise<void> {
  for (const dp of dispatchers) {
    const stop = { isOver: false }
    const over = (): void => void (stop.isOver = true)
    void dp.stop({ deadlineMs: 1 }).then(over)
    while (!stop.isOver) {
      clock.advance(1_000)
      await nextTurn()
    }
  }
}
