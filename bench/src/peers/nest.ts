// Handlers are registered on the buses as CqrsModule does it at the start of an application; there is no application,
// since none of it is in the way of a message.
import type { ModuleRef } from '@nestjs/core'
import { InstanceWrapper } from '@nestjs/core/injector/instance-wrapper.js'
import {
  CommandBus,
  CommandHandler,
  EventBus,
  EventsHandler,
  QueryBus,
  QueryHandler,
  UnhandledExceptionBus,
} from '@nestjs/cqrs'
import type { Listener } from '../handlers.ts'
import { Ask, Told } from '../messages.ts'

type Answer = (message: Ask) => Promise<number>
type Call = (message: Ask) => Promise<number>

// Only handlers that are made per request are looked up in it.
const noModule = undefined as unknown as ModuleRef

export const commandBus = (answer: Answer): Call => commandBusOf(new Map([[Ask, answer]]))
export const queryBus = (answer: Answer): Call => queryBusOf(new Map([[Ask, answer]]))

export function commandBusOf(answers: ReadonlyMap<typeof Ask, Answer>): Call {
  const bus = new CommandBus(noModule)
  for (const [type, answer] of answers) {
    class AskHandler {
      execute(message: Ask): Promise<number> {
        return answer(message)
      }
    }
    CommandHandler(type)(AskHandler)
    bus.register([wrapped(new AskHandler())])
  }
  return (message) => bus.execute<Ask, number>(message)
}

export function queryBusOf(answers: ReadonlyMap<typeof Ask, Answer>): Call {
  const bus = new QueryBus(noModule)
  for (const [type, answer] of answers) {
    class AskHandler {
      execute(message: Ask): Promise<number> {
        return answer(message)
      }
    }
    QueryHandler(type)(AskHandler)
    bus.register([wrapped(new AskHandler())])
  }
  return (message) => bus.execute<Ask, number>(message)
}

export function eventBus(handlers: readonly Listener[]): (message: Told) => void {
  const bus = new EventBus(new CommandBus(noModule), noModule, new UnhandledExceptionBus())
  for (const handle of handlers) {
    class ToldHandler {
      handle(message: Told): unknown {
        return handle(message)
      }
    }
    EventsHandler(Told)(ToldHandler)
    bus.register([wrapped(new ToldHandler())])
  }
  return (message) => bus.publish(message)
}

function wrapped<T extends object>(instance: T): InstanceWrapper<T> {
  const metatype = instance.constructor as new () => T
  return new InstanceWrapper<T>({ name: metatype.name, token: metatype, metatype, instance, isResolved: true })
}
