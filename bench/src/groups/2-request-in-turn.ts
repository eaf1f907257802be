import { type Answer, asking } from '../asking.ts'
import type { Group, Tally } from '../case.ts'
import { Ask } from '../messages.ts'
import { started } from '../peers/iambus.ts'

class AskA extends Ask {}
class AskB extends Ask {}
class AskC extends Ask {}
class AskD extends Ask {}

/** Written one by one: of functions that a factory makes, the compiler knows the code all the same. */
function fourHandlers(tally: Tally): Map<typeof Ask, Answer> {
  return new Map<typeof Ask, Answer>([
    [
      AskA,
      async (message) => {
        tally.add(message)
        return message.n
      },
    ],
    [
      AskB,
      async (message) => {
        tally.add(message)
        return message.n + 0
      },
    ],
    [
      AskC,
      async (message) => {
        const answer = message.n
        tally.add(message)
        return answer
      },
    ],
    [
      AskD,
      async (message) => {
        tally.add(message)
        const { n } = message
        return n
      },
    ],
  ])
}

function inTurn(n: number): Ask {
  switch (n % 4) {
    case 0:
      return new AskA(n)
    case 1:
      return new AskB(n)
    case 2:
      return new AskC(n)
    default:
      return new AskD(n)
  }
}

const base = 'direct, not inlined: 4 functions in a `Map`'

export default {
  title: 'A request, awaited: four handlers in turn',
  text: `As programs do: several types, each with a handler of its own, so that no compiler merges a handler with its caller.`,
  base,
  unit: 'call',
  cases: [
    {
      name: base,
      setup: (tally) => {
        const handlers = fourHandlers(tally)
        return asking((n) => {
          const message = inTurn(n)
          const handler = handlers.get(message.constructor as typeof Ask)
          if (handler === undefined) throw new Error('There is no handler.')
          return handler(message)
        })
      },
    },
    {
      name: 'iambus `request`',
      setup: async (tally) => {
        const dp = await started((one) => {
          for (const [type, handler] of fourHandlers(tally)) one.queries.bind(type, handler)
        })
        return asking((n) => dp.request(inTurn(n)))
      },
    },
    {
      name: 'NestJS `CommandBus.execute`',
      setup: async (tally) => {
        const { commandBusOf } = await import('../peers/nest.ts')
        const execute = commandBusOf(fourHandlers(tally))
        return asking((n) => execute(inTurn(n)))
      },
    },
    {
      name: 'NestJS `QueryBus.execute`',
      setup: async (tally) => {
        const { queryBusOf } = await import('../peers/nest.ts')
        const execute = queryBusOf(fourHandlers(tally))
        return asking((n) => execute(inTurn(n)))
      },
    },
  ],
  aims: [
    { name: 'iambus `request`', atLeast: [0.5, base] },
    { name: 'iambus `request`', atLeast: [1.5, 'NestJS `CommandBus.execute`'] },
    { name: 'iambus `request`', atLeast: [2.5, 'NestJS `QueryBus.execute`'] },
  ],
} satisfies Group as Group
