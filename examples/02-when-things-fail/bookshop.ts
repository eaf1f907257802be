import { Dispatcher, exponential, type Logger, type Redact, retry } from '@iambus/core'
import { ledger } from './ledger.ts'
import { OrderPlaced } from './messages.ts'
import { lastDigits, type Outside } from './outside.ts'
import { shop } from './shop.ts'

/** The timeline tells what happens. Without a logger of your own, warnings and errors go to stderr. */
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** A dead letter may lie about for days: the card number is not in it. Whoever replays it has to give one. */
const hideCard: Redact = (letter) => {
  if (!(letter.message instanceof OrderPlaced)) return
  const { order } = letter.message
  letter.message = new OrderPlaced({ order: { ...order, card: lastDigits(order.card) } })
}

/** The bus of the shop and its ledger, not yet started. */
export function bookshop(outside: Outside): Dispatcher {
  const dp = new Dispatcher({
    // Without jitter, so that each run prints the same; leave it in where many may fail at the same time.
    recover: retry({ attempts: 3, backoff: exponential({ initialMs: 20, jitter: 0 }) }),
    redact: hideCard,
    logger: silent,
  })
  dp.mount(shop(outside))
  dp.mount(ledger(outside))
  return dp
}
