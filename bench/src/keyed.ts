import { keysOf } from './asking.ts'
import type { Case, Run, Tally } from './case.ts'
import { drained } from './drained.ts'
import { Told } from './messages.ts'
import { PromiseChains } from './peers/by-hand.ts'
import { iambus } from './peers/iambus.ts'
import { fastqPerKey, pQueuePerKey } from './peers/queues.ts'

type Handler = (message: Told) => Promise<void>
type Push = (key: string, message: Told) => unknown

/** What keeps the order of a key, by name. Each makes what a burst needs. */
export const keyedPeers = {
  'by hand: a promise chain per key': (handler: Handler) => () => {
    const chains = new PromiseChains()
    return (key: string, message: Told) => chains.push(key, () => handler(message))
  },
  'iambus `publish` with `key`': async (handler: Handler) => {
    const dp = await iambus([handler])
    return () => (key: string, message: Told) => dp.publish(message, { key })
  },
  'iambus, `workers: 64`': async (handler: Handler) => {
    const dp = await iambus([handler], { workers: 64 })
    return () => (key: string, message: Told) => dp.publish(message, { key })
  },
  'fastq per key': (handler: Handler) => () => fastqPerKey(handler),
  'p-queue per key': (handler: Handler) => () => pQueuePerKey(handler),
} satisfies Record<string, (handler: Handler) => (() => Push) | Promise<() => Push>>

/** The column of so many keys. */
export const columnOf = (keyCount: number): string =>
  keyCount === 1 ? '1 key' : `${keyCount.toLocaleString('en')} keys`

/** A case for each peer and number of keys. */
export function keyedCases(names: readonly (keyof typeof keyedPeers)[], keyCounts: readonly number[]): Case[] {
  return keyCounts.flatMap((keyCount) =>
    names.map((name) => ({
      name,
      variant: columnOf(keyCount),
      setup: async (tally) =>
        pushing(await keyedPeers[name](async (message) => tally.add(message)), keysOf(keyCount), tally),
    })),
  )
}

/** Pushes everything, then lets it drain. */
function pushing(open: () => Push, keys: readonly string[], tally: Tally): Run {
  return async (count) => {
    const push = open()
    for (let n = 1; n <= count; n += 1) push(keys[n % keys.length] ?? '', new Told(n))
    await drained(tally, count)
  }
}
