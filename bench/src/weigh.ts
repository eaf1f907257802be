import { setImmediate as turn } from 'node:timers/promises'
import { keysOf } from './asking.ts'
import { Tally, type Weight } from './case.ts'
import { drained } from './drained.ts'
import { Told } from './messages.ts'

type Handler = (message: Told) => Promise<void>
export type Push = (key: string, message: Told) => unknown
/** Makes what takes messages for a handler; `awaited` says whether what it gives is the end of the handling. */
export type Open = (handler: Handler, awaited: boolean) => Push | Promise<Push>

/** What is weighed, by the head of its column. */
export const columns = {
  unawaited: 'a waiting message, nobody awaits it',
  awaited: 'a waiting message, awaited',
  idle: 'left of an idle key',
  peak: 'at the peak, a message',
}

/** The four cells of one row. `count`: of how many messages, and keys where each has its own. */
export function weightsOf(name: string, open: Open, count: number): Weight[] {
  return [
    { name, variant: columns.unawaited, weigh: () => waitingBytes(open, count, false) },
    { name, variant: columns.awaited, weigh: () => waitingBytes(open, count, true) },
    { name, variant: columns.idle, weigh: () => idleKeyBytes(open, count) },
    { name, variant: columns.peak, weigh: () => peakBytes(open, count) },
  ]
}

/** Of messages behind a handler that does not end. They were made before, and so was room for what the calls give. */
async function waitingBytes(open: Open, count: number, awaited: boolean): Promise<number> {
  const tally = new Tally()
  const { promise: opened, resolve: openUp } = Promise.withResolvers<void>()
  const push = await open(async (message) => {
    await opened
    tally.add(message)
  }, awaited)
  const keys = keysOf(1_000)
  const messages = Array.from({ length: count }, (_, index) => new Told(index + 1))
  const given = Array.from<unknown>({ length: count }).fill(undefined)
  const before = await settledHeap()
  for (const [index, message] of messages.entries()) {
    const promise = push(keys[index % keys.length] ?? '', message)
    if (awaited) given[index] = promise
  }
  const bytes = (await settledHeap()) - before
  if (tally.count > 0) throw new Error('It was not to be handled yet.')
  openUp()
  await drained(tally, count)
  await Promise.all(given)
  return bytes / count
}

/** One message for each key; all have been handled. */
async function idleKeyBytes(open: Open, count: number): Promise<number> {
  const tally = new Tally()
  const push = await open(async (message) => tally.add(message), false)
  const keys = keysOf(count)
  const before = await settledHeap()
  for (const [index, key] of keys.entries()) push(key, new Told(index))
  await drained(tally, count)
  tally.reset()
  const left = (await settledHeap()) - before
  push('', new Told(0)) // It is still there.
  return Math.max(0, left) / keys.length
}

/** One message for each key, pushed in one go and drained: the heap in use, with what is not collected yet. */
async function peakBytes(open: Open, count: number): Promise<number> {
  const tally = new Tally()
  let peak = 0
  const sample = (n: number): void => {
    if (n % 10_000 === 0) peak = Math.max(peak, process.memoryUsage().heapUsed)
  }
  const push = await open(async (message) => {
    tally.add(message)
    sample(tally.count)
  }, false)
  const keys = keysOf(count)
  const before = await settledHeap()
  for (const [index, key] of keys.entries()) {
    push(key, new Told(index))
    sample(index)
  }
  await drained(tally, count)
  return (peak - before) / count
}

async function settledHeap(): Promise<number> {
  for (let i = 0; i < 2; i += 1) {
    await turn()
    globalThis.gc?.()
  }
  return process.memoryUsage().heapUsed
}
