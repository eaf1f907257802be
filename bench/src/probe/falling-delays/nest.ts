import { EventBus, EventsHandler, type IEventHandler } from '@nestjs/cqrs'
import { application } from '../nest.ts'
import { delaysMs, handle } from './handle.ts'

class Changed {
  readonly n: number
  constructor(n: number) {
    this.n = n
  }
}

class ChangedHandler implements IEventHandler<Changed> {
  handle({ n }: Changed): Promise<void> {
    return handle(n)
  }
}
EventsHandler(Changed)(ChangedHandler)

const app = await application([ChangedHandler])
for (const index of delaysMs.keys()) app.get(EventBus).publish(new Changed(index + 1))
