import type { Context, Dispatcher } from '@iambus/core'
import { answering, asking, keyCount, keyOf } from '../asking.ts'
import type { Group, Numbered, Run, Tally } from '../case.ts'
import { Ask } from '../messages.ts'
import { composed, PromiseChains } from '../peers/by-hand.ts'
import { started } from '../peers/iambus.ts'
import { direct } from './1-request.ts'

async function askingIambus(tally: Tally, configure: (dp: Dispatcher) => void): Promise<Run> {
  const dp = await started((one) => {
    one.queries.bind(Ask, answering(tally))
    configure(one)
  })
  return asking((n) => dp.request(new Ask(n)))
}

/** A handler that also reads something of its context. */
function reading(tally: Tally, read: (context: Context) => string | undefined) {
  return async (message: Numbered, { context }: { readonly context: Context }): Promise<number> => {
    if (read(context) === undefined) throw new Error('It is not there.')
    tally.add(message)
    return message.n
  }
}

const byHandSync = (_: Ask, next: () => Promise<number>): Promise<number> => next()
const byHandAsync = async (_: Ask, next: () => Promise<number>): Promise<number> => {
  const answer = await next()
  return answer
}

export default {
  title: 'A request with more to it, awaited',
  text: `The same with one thing more in each row; keys are ${keyCount} in turn. A middleware does nothing but call the next.`,
  base: direct.name,
  unit: 'call',
  cases: [
    direct,
    {
      name: 'iambus `request`, the handler reads its id',
      setup: async (tally) => {
        const dp = await started((one) =>
          one.queries.bind(
            Ask,
            reading(tally, ({ id }) => id),
          ),
        )
        return asking((n) => dp.request(new Ask(n)))
      },
    },
    {
      name: 'iambus `request` with `headers`, the handler reads them and the correlation id',
      setup: async (tally) => {
        const read = ({ headers, correlationId }: Context): string | undefined => correlationId && headers['tenant']
        const dp = await started((one) => one.queries.bind(Ask, reading(tally, read)))
        return asking((n) => dp.request(new Ask(n), { headers: { tenant: 'acme' } }))
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
  aims: [
    {
      name: 'iambus `request` with `headers`, the handler reads them and the correlation id',
      atLeast: [0.4, direct.name],
    },
    { name: 'iambus `request`, 3 middlewares', atLeast: [0.45, direct.name] },
    { name: 'iambus `request`, 3 async middlewares', atLeast: [0.9, 'by hand, 3 async functions around it'] },
  ],
} satisfies Group as Group
