import { setImmediate as turn } from 'node:timers/promises'
import { defineEvent, Dispatcher } from '@iambus/core'
import { sqlite, type SqliteOptions } from '@iambus/core/sqlite'
import { inFlight } from '../in-flight.ts'
import { freshFile } from '../fresh-file.ts'

/** What is stored: about 250 bytes of JSON. */
export class Order extends defineEvent<{ n: number; text: string }>('bench.order') {}

const text = 'x'.repeat(200)
/** Nobody publishes it: a dispatcher does not start without a handler. */
class Never extends defineEvent<object>('bench.never') {}

export const orderOf = (n: number): Order => new Order({ n, text })

export type Handle = (order: Order) => unknown

/** How many messages are published at a time where they are not awaited one by one. */
export const WIDTH = 256

interface Opening {
  readonly path?: string
  /** Each has a subscription of its own. */
  readonly handlers: readonly Handle[]
  readonly options?: SqliteOptions
}

/** A dispatcher with a store in a file, and durable handlers. */
export async function durable({ path = freshFile(), handlers, options }: Opening): Promise<Dispatcher> {
  const dp = new Dispatcher({ store: sqlite(path, options), messages: [Order], logger })
  dp.events.bind(Never, () => {}, { durable: false })
  for (const [index, handler] of handlers.entries()) dp.events.bind(Order, handler, { name: `handler-${index}` })
  await dp.start()
  return dp
}

/** One that only stores: whoever handles the messages is not there. */
export async function storing({ path = freshFile(), options }: Omit<Opening, 'handlers'> = {}): Promise<Dispatcher> {
  const more = options && { options }
  const first = await durable({ path, handlers: [() => {}], ...more })
  await first.stop()
  return durable({ path, handlers: [], ...more })
}

/** No id comes twice, also over processes. */
const run = `${Date.now()}-${process.pid}`
let published = 0

/**
 * Publishes so many, 256 at a time, with 64 keys in turn and ids of their own; resolves when all are handled, and that is stored.
 */
export async function toCompletion(
  dp: Dispatcher,
  { count, isHandled }: { readonly count: number; readonly isHandled: () => boolean },
): Promise<void> {
  await inFlight(WIDTH, count, (n) => {
    published += 1
    return dp.publish(orderOf(n), { key: `key-${n % 64}`, id: `order-${run}-${published}` })
  })
  while (!isHandled()) await turn()
  // What has ended is stored in this order: when the end of one message more is, so are all before it.
  await dp.publish(orderOf(0), { waitForResponse: true })
}

/** Says only what should not be. The handlers of `storing` are missing on purpose. */
const logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (...values: unknown[]) => console.error(...values),
}
