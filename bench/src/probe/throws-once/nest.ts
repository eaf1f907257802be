import { setImmediate as turn } from 'node:timers/promises'
import { EventBus, EventsHandler, type IEventHandler } from '@nestjs/cqrs'
import { application } from '../nest.ts'
import { seen } from '../seen.ts'
import { handle } from './handle.ts'

class Paid {
  readonly n: number
  constructor(n: number) {
    this.n = n
  }
}

class PaidHandler implements IEventHandler<Paid> {
  handle({ n }: Paid): Promise<void> {
    return handle(n)
  }
}
EventsHandler(Paid)(PaidHandler)

const app = await application([PaidHandler])
for (const n of [1, 2, 3]) {
  app.get(EventBus).publish(new Paid(n))
  seen('the publisher', `${n} returns`)
  await turn()
}
await app.close()
