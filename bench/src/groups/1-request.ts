import { defineQuery } from '@iambus/core'
import { answering, asking } from '../asking.ts'
import type { Case, Group } from '../case.ts'
import { Ask } from '../messages.ts'
import { started } from '../peers/iambus.ts'

class DefinedAsk extends defineQuery<{ n: number }, number>('bench.ask') {}

/** Also the base of the tables of requests that do more. */
export const direct: Case = {
  name: 'direct: `await fn(message)`',
  setup: (tally) => {
    const fn = answering(tally)
    return asking((n) => fn(new Ask(n)))
  },
}

export default {
  title: 'A request, awaited',
  text: `One handler, an \`async\` function that adds up; one request after the other, each awaited. The message is a new
instance of a plain class. The compiler merges the one function of "direct" with the loop around it: a limit rather than a peer.`,
  base: direct.name,
  unit: 'call',
  cases: [
    direct,
    {
      name: 'iambus `request`',
      setup: async (tally) => {
        const dp = await started((one) => one.queries.bind(Ask, answering(tally)))
        return asking((n) => dp.request(new Ask(n)))
      },
    },
    {
      name: 'iambus `request`, class made by `defineQuery`',
      setup: async (tally) => {
        const dp = await started((one) => one.queries.bind(DefinedAsk, answering(tally)))
        return asking((n) => dp.request(new DefinedAsk({ n })))
      },
    },
    {
      name: 'NestJS `CommandBus.execute`',
      setup: async (tally) => {
        const { commandBus } = await import('../peers/nest.ts')
        const execute = commandBus(answering(tally))
        return asking((n) => execute(new Ask(n)))
      },
    },
    {
      name: 'NestJS `QueryBus.execute`',
      setup: async (tally) => {
        const { queryBus } = await import('../peers/nest.ts')
        const execute = queryBus(answering(tally))
        return asking((n) => execute(new Ask(n)))
      },
    },
  ],
  aims: [
    { name: 'iambus `request`', atLeast: [0.5, direct.name] },
    { name: 'iambus `request`', atMost: 500 },
    { name: 'iambus `request`', atLeast: [1.5, 'NestJS `CommandBus.execute`'] },
    { name: 'iambus `request`', atLeast: [2.5, 'NestJS `QueryBus.execute`'] },
  ],
} satisfies Group as Group
