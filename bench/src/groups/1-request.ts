import { type Dispatcher, defineQuery } from '@iambus/core'
import { type Group, type Numbered, type Run, sumTo, type Tally } from '../case.ts'
import { Ask } from '../messages.ts'
import { composed, PromiseChains } from '../peers/by-hand.ts'
import { started } from '../peers/iambus.ts'

class DefinedAsk extends defineQuery<{ n: number }, number>('bench.ask') {}

type Answer = (message: Numbered) => Promise<number>

const answering =
  (tally: Tally): Answer =>
  async (message) => {
    tally.add(message)
    return message.n
  }

/** Asks one after the other, each time awaiting the answer. */
function asking(ask: (n: number) => Promise<unknown>): Run {
  return async (count) => {
    let answers = 0
    for (let n = 1; n <= count; n += 1) answers += (await ask(n)) as number
    if (answers !== sumTo(count)) throw new Error(`The answers to ${count} requests have a sum of ${answers}.`)
  }
}

async function askingIambus(tally: Tally, configure: (dp: Dispatcher) => void = () => {}): Promise<Run> {
  const dp = await started((one) => {
    one.queries.bind(Ask, answering(tally))
    configure(one)
  })
  return asking((n) => dp.request(new Ask(n)))
}

const keys = Array.from({ length: 1_000 }, (_, index) => `key-${index}`)
const keyOf = (n: number): string => keys[n % keys.length] ?? ''

const byHandSync = (_: Ask, next: () => Promise<number>): Promise<number> => next()
const byHandAsync = async (_: Ask, next: () => Promise<number>): Promise<number> => {
  const answer = await next()
  return answer
}

export default {
  title: 'A request, awaited',
  text: `One handler, an \`async\` function that adds up; one request after the other, each awaited. The message is a new
instance of a plain class; keys are ${keys.length} in turn.`,
  base: 'direct: `await fn(message)`',
  unit: 'call',
  cases: [
    {
      name: 'direct: `await fn(message)`',
      setup: (tally) => {
        const fn = answering(tally)
        return asking((n) => fn(new Ask(n)))
      },
    },
    { name: 'iambus `request`', setup: (tally) => askingIambus(tally) },
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
    {
      name: 'by hand, a promise chain per key',
      setup: (tally) => {
        const fn = answering(tally)
        const chains = new PromiseChains()
        return asking((n) => chains.push(keyOf(n), () => fn(new Ask(n))))
      },
    },
    {
      name: 'iambus `request` with `key`',
      setup: async (tally) => {
        const dp = await started((one) => one.queries.bind(Ask, answering(tally)))
        return asking((n) => dp.request(new Ask(n), { key: keyOf(n) }))
      },
    },
    {
      name: 'by hand, 3 functions around it',
      setup: (tally) => {
        const fn = composed<Ask, Promise<number>>(answering(tally), [byHandSync, byHandSync, byHandSync])
        return asking((n) => fn(new Ask(n)))
      },
    },
    {
      name: 'iambus `request`, 3 middlewares',
      setup: (tally) =>
        askingIambus(tally, (dp) => {
          for (let i = 0; i < 3; i += 1) dp.use((_, { next }) => next())
        }),
    },
    {
      name: 'by hand, 3 async functions around it',
      setup: (tally) => {
        const fn = composed<Ask, Promise<number>>(answering(tally), [byHandAsync, byHandAsync, byHandAsync])
        return asking((n) => fn(new Ask(n)))
      },
    },
    {
      name: 'iambus `request`, 3 async middlewares',
      setup: (tally) =>
        askingIambus(tally, (dp) => {
          for (let i = 0; i < 3; i += 1) {
            dp.use(async (_, { next }) => {
              const answer = await next()
              return answer
            })
          }
        }),
    },
  ],
} satisfies Group as Group
