import { setImmediate as nextTurn } from 'node:timers/promises'

/** Waits until a store in memory has written, and the handlers have done, all that needs no clock: some turns of the event loop. */
export async function quiet(turns = 10): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await nextTurn()
}
