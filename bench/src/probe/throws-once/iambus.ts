import { setImmediate as turn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Dispatcher, immediate, retry } from '@iambus/core'
import { listenToDeaths } from '../iambus.ts'
import { seen, seenOf } from '../seen.ts'
import { handle } from './handle.ts'

class Paid {
  readonly n: number
  constructor(n: number) {
    this.n = n
  }
}

listenToDeaths()
const { waitForResponse, retries } = parseArgs({
  options: { waitForResponse: { type: 'boolean' }, retries: { type: 'boolean' } },
}).values
const dp = new Dispatcher(retries ? { recover: retry({ attempts: 3, backoff: immediate() }) } : {})
dp.events.bind(Paid, ({ n }) => handle(n), { name: 'handler' })
await dp.start()
for (const n of [1, 2, 3]) {
  await seenOf('the publisher', String(n), waitForResponse ? outcomesOf(n) : dp.publish(new Paid(n)))
  await turn()
}
const { letters } = await dp.deadLetters.list()
for (const { envelope } of letters) seen('kept, to be replayed', String((envelope.message as Paid).n))
await dp.stop()

/** The outcome at each handler, in words. */
async function outcomesOf(n: number): Promise<string> {
  const outcomes = await dp.publish(new Paid(n), { waitForResponse: true })
  return outcomes.map(({ status, error }) => (error ? `${status}, ${error.message}` : status)).join('; ')
}
