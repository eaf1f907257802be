import { setImmediate as turn } from 'node:timers/promises'
import { CommandHandler, EventBus, type ICommand, type ICommandHandler, type IEvent, ofType, Saga } from '@nestjs/cqrs'
import { map, type Observable } from 'rxjs'
import { application } from '../nest.ts'
import { seen } from '../seen.ts'
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

class ShipHandler implements ICommandHandler<Ship> {
  execute({ n }: Ship): Promise<void> {
    return ship(n)
  }
}
CommandHandler(Ship)(ShipHandler)

class Sagas {
  paid = (events: Observable<IEvent>): Observable<ICommand> =>
    events.pipe(
      ofType(Paid),
      map(({ n }) => {
        react(n)
        return new Ship(n)
      }),
    )
}
Saga()(Sagas.prototype, 'paid')

const app = await application([ShipHandler, Sagas])
for (const n of [1, 2, 3]) {
  app.get(EventBus).publish(new Paid(n))
  seen('the publisher', `${n} returns`)
  await turn()
}
await app.close()
