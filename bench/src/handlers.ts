import type { Tally } from './case.ts'
import type { Told } from './messages.ts'

export type Listener = (message: Told) => void | Promise<void>

/** That many distinct functions that add to the tally: at once, or after an `await`. */
export function listeners(tally: Tally, count: number, kind: 'sync' | 'async' = 'sync'): Listener[] {
  return Array.from({ length: count }, () => {
    if (kind === 'sync') return (message: Told): void => tally.add(message.n)
    return async (message: Told): Promise<void> => {
      await undefined
      tally.add(message.n)
    }
  })
}
