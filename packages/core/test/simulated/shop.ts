import { defineCommand, defineEvent, Dispatcher, fixed, retry } from '../../src/index.ts'
import type { SimulatedNode, SimulatedState, SimulatedTransaction, SimulateOptions } from '../../src/testing/index.ts'

export class Placed extends defineEvent<{ n: number; key: string }>('shop.placed') {}
class Paid extends defineEvent<{ n: number }>('shop.paid') {}
class Reminded extends defineEvent<{ n: number }>('shop.reminded') {}
class Ship extends defineCommand<{ n: number; key: string }>('shop.ship') {}

/** What survives the crashes of a shop. */
export interface World {
  readonly booked: number[]
  readonly reminded: Set<number>
}

/** A bit of everything: retries, what parks its lane, effects in the store's transaction, what causes, delays, local handlers. */
export function shop({ options, world, remote }: SimulatedNode<World>): Dispatcher {
  const mail = remote('mail', { send: (_n: number) => {} })
  const recover = retry({ attempts: 50, backoff: fixed(10) })
  const dp = new Dispatcher({ ...options, messages: [Reminded], recover })
  dp.events.bind(
    Placed,
    async ({ n, key }, { context }) => {
      await mail.send(n)
      context.publish(new Paid({ n }), { key })
      context.send(new Ship({ n, key }), { key })
    },
    { name: 'pay' },
  )
  dp.events.bind(
    Paid,
    async ({ n }, { context }) => {
      await context.commit((tx) => {
        ;(tx as unknown as number[]).push(n) // As `transaction` has made it.
        context.publish(new Reminded({ n }), { delayMs: 1_000 })
      })
    },
    { name: 'book' },
  )
  dp.events.bind(Reminded, ({ n }) => void world.reminded.add(n), { name: 'remind' })
  dp.events.bind(
    Placed,
    async ({ n }) => {
      await mail.send(n)
      if (n % 3 === 0) throw new Error('refused for good')
    },
    { name: 'check', onDead: 'park', recover: retry({ attempts: 2, backoff: fixed(5) }) },
  )
  dp.commands.bind(Ship, ({ n }) => mail.send(n), { name: 'ship', workers: 1 })
  dp.events.bind(Placed, async () => {}, { name: 'local', durable: false })
  return dp
}

/** So many orders, of so many keys in turn. */
function orders(count: number, keys: number): NonNullable<SimulateOptions<World>['messages']> {
  return Array.from({ length: count }, (_, index) => {
    const key = String.fromCharCode(97 + (index % keys))
    return [new Placed({ n: index + 1, key }), { key, id: `placed-${index + 1}` }] as const
  })
}

/** What is simulated with it: six orders of two keys. */
export const shopping: SimulateOptions<World> = {
  world: () => ({ booked: [], reminded: new Set() }),
  messages: orders(6, 2),
  transaction: ({ booked }): SimulatedTransaction => {
    const written: number[] = []
    return { tx: written, commit: () => void booked.push(...written), rollback: () => {} }
  },
  invariant: ({ world: { booked, reminded }, messages, isSettled }: SimulatedState<World>) => {
    if (new Set(booked).size < booked.length) throw new Error(`booked twice: ${booked.join(', ')}`)
    if (isSettled && booked.length < messages.length) throw new Error(`only ${booked.length} were booked`)
    if (isSettled && reminded.size < messages.length) throw new Error(`only ${reminded.size} were reminded`)
  },
}

/** The same on several nodes: with keys of many partitions, so that what runs has to be handed over. */
export const sharedShopping: SimulateOptions<World> = { ...shopping, messages: orders(15, 5), nodes: 3 }
