import { CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs'
import { application } from '../nest.ts'
import { seen, seenOf } from '../seen.ts'

class Charge {
  readonly orderId = 7
}

class First implements ICommandHandler<Charge> {
  async execute(): Promise<string> {
    seen('runs', 'first')
    return 'first'
  }
}
class Second implements ICommandHandler<Charge> {
  async execute(): Promise<string> {
    seen('runs', 'second')
    return 'second'
  }
}
for (const handler of [First, Second]) CommandHandler(Charge)(handler)
seen('to register', 'as providers of the module')

const app = await application([First, Second])
seen('to start', 'createApplicationContext() resolves')
await seenOf('the caller', 'execute()', app.get(CommandBus).execute(new Charge()))
await app.close()
