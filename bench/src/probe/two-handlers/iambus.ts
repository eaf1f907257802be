import { Dispatcher } from '@iambus/core'
import { seen, seenOf } from '../seen.ts'

class Charge {
  readonly orderId = 7
}

const dp = new Dispatcher()
for (const name of ['first', 'second']) {
  dp.commands.bind(
    Charge,
    async () => {
      seen('runs', name)
      return name
    },
    { name },
  )
  seen('to register', `${name} returns`)
}
await seenOf('to start', 'start()', dp.start())
await seenOf('the caller', 'request()', dp.request(new Charge()))
await dp.stop()
