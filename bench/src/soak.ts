// `npm run soak`: sends ten million messages through one dispatcher, and fails unless the memory in use stays flat.
// `-- --messages 1000000`: how many. The heap is sampled ten times, after a collection.
import { setImmediate as turn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Dispatcher } from '@iambus/core'
import { Tally } from './case.ts'
import { drained } from './drained.ts'
import { Told } from './messages.ts'

class Published extends Told {}
class Sent extends Told {}
class Requested extends Told {}

const { values } = parseArgs({ options: { messages: { type: 'string', default: '10000000' } } })
const messages = Number(values.messages)
const samples = 10
/** So many messages are under way at a time. */
const burst = 1_000
if (!Number.isInteger(messages / samples / burst) || messages < 1) {
  throw new Error(`--messages is ${values.messages}. Pass a multiple of ${samples * burst}.`)
}
const allowedGrowthMb = 5

const tally = new Tally()
const handler = async (message: Told): Promise<number> => {
  await Promise.resolve()
  tally.add(message)
  return message.n
}

const dp = new Dispatcher({ workers: 64 })
dp.events.bind(Published, handler)
dp.events.bind(Published, async (message: Published) => void (await handler(message)))
dp.commands.bind(Sent, handler)
dp.queries.bind(Requested, handler)
await dp.start()

const heapMb: number[] = []
const start = performance.now()
for (let sent = 0; sent < messages;) {
  const sampleAt = sent + messages / samples
  while (sent < sampleAt) {
    await sendBurst(sent)
    sent += burst
  }
  heapMb.push(await settledHeapMb())
  const seconds = ((performance.now() - start) / 1_000).toFixed(1)
  console.log(`${sent.toLocaleString('en')} messages, ${seconds} s: ${heapMb.at(-1)?.toFixed(2)} MB in use`)
}
await dp.stop()

// The first sample is left out: what is compiled and filled once has not settled yet.
const growthMb = (heapMb.at(-1) ?? 0) - (heapMb[1] ?? 0)
const isFlat = growthMb <= allowedGrowthMb
console.log(`The last sample is ${growthMb.toFixed(2)} MB above the second; allowed are ${allowedGrowthMb} MB.`)
process.exitCode = isFlat ? 0 : 1

/** Sends a burst, each message with a key that was never used before, and waits until all are handled. */
async function sendBurst(after: number): Promise<void> {
  tally.reset()
  const answers: Promise<unknown>[] = []
  let deliveries = 0
  for (let n = after + 1; n <= after + burst; n += 1) {
    const options = { key: `key-${n}` }
    if (n % 3 === 0) answers.push(dp.request(new Requested(n), options))
    else if (n % 3 === 1) void dp.publish(new Published(n), options)
    else void dp.send(new Sent(n), options)
    deliveries += n % 3 === 1 ? 2 : 1
  }
  await Promise.all(answers)
  await drained(tally, deliveries)
}

async function settledHeapMb(): Promise<number> {
  await turn()
  if (globalThis.gc === undefined) throw new Error('Run it with --expose-gc.')
  globalThis.gc()
  return process.memoryUsage().heapUsed / 2 ** 20
}
