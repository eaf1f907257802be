import type { Tally } from './case.ts'
import type { Told } from './messages.ts'

/** A function that is told; it may return a promise. */
export type Listener = (message: Told) => unknown

/** That many distinct functions that add to the tally: at once, or after an `await`. */
export function listeners(tally: Tally, count: number, kind: 'sync' | 'async' = 'sync'): Listener[] {
  return Array.from({ length: count }, (): Listener => {
    if (kind === 'sync') return (message) => tally.add(message)
    return async (message) => {
      await Promise.resolve()
      tally.add(message)
    }
  })
}
