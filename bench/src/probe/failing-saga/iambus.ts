import { setImmediate as turn } from 'node:timers/promises'
import { Dispatcher } from '@iambus/core'
import { listenToDeaths } from '../iambus.ts'
import { seenOf } from '../seen.ts'
import { react, ship } from './steps.ts'

class Paid {
  readonly n: number
  constructor(n: number) {
    this.n = n
  }
}
class Ship {
  readonly n: number
  constructor(n: number) {
    this.n = n
  }
}

listenToDeaths()
const dp = new Dispatcher()
dp.events.bind(
  Paid,
  ({ n }, { context }) => {
    react(n)
    context.send(new Ship(n))
  },
  { name: 'saga' },
)
dp.commands.bind(Ship, ({ n }) => ship(n), { name: 'ship' })
await dp.start()
for (const n of [1, 2, 3]) {
  await seenOf('the publisher', String(n), dp.publish(new Paid(n)))
  await turn()
}
await dp.stop()
