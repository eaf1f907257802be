import { setImmediate as turn } from 'node:timers/promises'
import { Dispatcher } from '@iambus/core'
import { listenToDeaths } from '../iambus.ts'
import { seenOf } from '../seen.ts'
import { handle } from './handle.ts'

class Paid {
  readonly n: number
  constructor(n: number) {
    this.n = n
  }
}

// To be enabled once there are retries: a row `iambus, retry` in scenarios.ts with the argument 'retry', and here
// `import { Dispatcher, immediate, retry } from '@iambus/core'`, and in the options of bind
// `...(process.argv[2] === 'retry' ? { recover: retry({ attempts: 3, backoff: immediate() }) } : {})`.
listenToDeaths()
const waitForResponse = process.argv[2] === 'waitForResponse'
const dp = new Dispatcher()
dp.events.bind(Paid, ({ n }) => handle(n), { name: 'handler' })
await dp.start()
for (const n of [1, 2, 3]) {
  await seenOf('the publisher', String(n), waitForResponse ? outcomesOf(n) : dp.publish(new Paid(n)))
  await turn()
}
await dp.stop()

/** The outcome at each handler, in words. */
async function outcomesOf(n: number): Promise<string> {
  const outcomes = await dp.publish(new Paid(n), { waitForResponse: true })
  return outcomes.map(({ status, error }) => (error ? `${status}, ${error.message}` : status)).join('; ')
}
