import type { Group } from '../case.ts'
import { Told } from '../messages.ts'
import { PromiseChains } from '../peers/by-hand.ts'
import { iambus, started } from '../peers/iambus.ts'
import { perKey } from '../peers/queues.ts'
import { columns, type Open, weightsOf } from '../weigh.ts'

const withIambus: Open = async (handler, awaited) => {
  if (!awaited) {
    const dp = await iambus([handler])
    return (key, message) => dp.publish(message, { key })
  }
  const dp = await started((one) => one.commands.bind(Told, handler))
  return (key, message) => dp.request(message, { key })
}

const withWorkers: Open = async (handler) => {
  const dp = await iambus([handler], { workers: 64 })
  return (key, message) => dp.publish(message, { key })
}

const withChains: Open = (handler) => {
  const chains = new PromiseChains()
  return (key, message) => chains.push(key, () => handler(message))
}

const withPQueue: Open = async (handler) => {
  const { default: PQueue } = await import('p-queue')
  const queueOf = perKey(() => new PQueue({ concurrency: 1 }))
  return (key, message) => queueOf(key).add(() => handler(message))
}

const ours = 'iambus'

export default {
  title: 'Bytes in use',
  text: `The heap after a collection, less what it was before, with the messages themselves made before. *Waiting*: 1,000,000 messages of 1,000
keys, behind a handler that does not end. *Left of an idle key*: after a message for each of 1,000,000 keys. *At the peak*:
the most that was in use while these were pushed in one go, none of them awaited, and drained; with garbage. p-queue gets 100,000.`,
  rounds: 2,
  weights: [
    ...weightsOf('by hand: a promise chain per key', withChains, 1_000_000),
    ...weightsOf(ours, withIambus, 1_000_000),
    ...weightsOf('iambus, `workers: 64`', withWorkers, 1_000_000).filter(({ variant }) => variant !== columns.awaited),
    ...weightsOf('p-queue per key', withPQueue, 100_000),
  ],
  aims: [
    { name: ours, variant: columns.unawaited, atMost: 120 },
    { name: ours, variant: columns.awaited, atMost: 300 },
    { name: ours, variant: columns.idle, atMost: 0 },
  ],
} satisfies Group as Group
