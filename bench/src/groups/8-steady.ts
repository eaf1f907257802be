import { answering, keysOf } from '../asking.ts'
import { type Aim, type Case, type Group, type Run, sumTo } from '../case.ts'
import { columnOf } from '../keyed.ts'
import { Ask } from '../messages.ts'
import { PromiseChains } from '../peers/by-hand.ts'
import { started } from '../peers/iambus.ts'
import { perKey } from '../peers/queues.ts'

type Handler = (message: Ask) => Promise<number>
type Request = (key: string, message: Ask) => Promise<number>

const producers = 64
const keyCounts = [1_000, 100_000]
const base = 'by hand: a promise chain per key'
const ours = 'iambus `request` with `key`'

const peers: Readonly<Record<string, (handler: Handler) => Request | Promise<Request>>> = {
  [base]: (handler) => {
    const chains = new PromiseChains()
    return (key, message) => chains.push(key, () => handler(message))
  },
  [ours]: async (handler) => {
    const dp = await started((one) => one.commands.bind(Ask, handler))
    return (key, message) => dp.request(message, { key }) as Promise<number>
  },
  'iambus, `workers: 64`': async (handler) => {
    const dp = await started((one) => one.commands.bind(Ask, handler), { workers: 64 })
    return (key, message) => dp.request(message, { key }) as Promise<number>
  },
  'p-queue per key': async (handler) => {
    const { default: PQueue } = await import('p-queue')
    const queueOf = perKey(() => new PQueue({ concurrency: 1 }))
    return (key, message) => queueOf(key).add(() => handler(message))
  },
}

/** So many ask side by side, each awaiting the answer before it asks again. */
function producing(request: Request, keys: readonly string[]): Run {
  return async (count) => {
    let asked = 0
    let answers = 0
    const produce = async (): Promise<void> => {
      while (asked < count) {
        asked += 1
        const n = asked
        const answer = await request(keys[n % keys.length] ?? '', new Ask(n))
        answers += answer // Not `answers += await`: that reads the sum before it waits.
      }
    }
    await Promise.all(Array.from({ length: producers }, produce))
    if (answers !== sumTo(count)) throw new Error(`The answers to ${count} requests have a sum of ${answers}.`)
  }
}

export default {
  title: 'In the order of the key, a steady stream',
  text: `${producers} producers side by side; each awaits the answer of an async handler before it asks again, with the next of the keys.`,
  base,
  unit: 'call',
  pace: { warmUpMs: 500 },
  cases: keyCounts.flatMap((keyCount) =>
    Object.entries(peers).map(([name, peer]): Case => ({
      name,
      variant: columnOf(keyCount),
      setup: async (tally) => producing(await peer(answering(tally)), keysOf(keyCount)),
    })),
  ),
  aims: keyCounts.flatMap((keyCount): Aim[] => [
    { name: ours, variant: columnOf(keyCount), atLeast: [0.9, base] },
    { name: ours, variant: columnOf(keyCount), atLeast: [4, 'p-queue per key'] },
  ]),
} satisfies Group as Group
