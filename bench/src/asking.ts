import { type Numbered, type Run, sumTo, type Tally } from './case.ts'

export type Answer = (message: Numbered) => Promise<number>

/** A handler that adds to the tally, and answers with the number of the message. */
export const answering =
  (tally: Tally): Answer =>
  async (message) => {
    tally.add(message)
    return message.n
  }

/** Asks one after the other, each time awaiting the answer. */
export function asking(ask: (n: number) => Promise<unknown>): Run {
  return async (count) => {
    let answers = 0
    for (let n = 1; n <= count; n += 1) answers += (await ask(n)) as number
    if (answers !== sumTo(count)) throw new Error(`The answers to ${count} requests have a sum of ${answers}.`)
  }
}

/** The number of keys that are used in turn where a table does not say another. */
export const keyCount = 1_000
const keys = keysOf(keyCount)
export const keyOf = (n: number): string => keys[n % keyCount] ?? ''

export function keysOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `key-${index}`)
}
