import { Dispatcher } from '@iambus/core'
import { postgres } from '@iambus/core/postgres'
import { orders } from './orders.ts'
import { stock } from './stock.ts'

/** One of the nodes: each has the same handlers, and does its share. */
export function nodeOf(connectionString: string, before?: () => void): Dispatcher {
  const store = postgres({ connectionString, leaseMs: 2_000 }) // short, so that what a dead node had is taken over soon
  const dp = new Dispatcher({ service: 'shop', store })
  orders(dp)
  stock(dp, before)
  return dp
}

// The second node, as a process of its own: in the middle of its third reservation, it dies.
const [, script, connectionString] = process.argv
if (script === import.meta.filename && connectionString !== undefined) {
  let reservations = 0
  const dp = nodeOf(connectionString, () => {
    reservations += 1
    if (reservations === 3) process.kill(process.pid, 'SIGKILL')
  })
  await dp.start()
  process.send?.('started')
}
