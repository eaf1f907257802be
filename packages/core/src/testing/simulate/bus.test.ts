import { expect, test } from 'vitest'
import { defineCommand, defineEvent, Dispatcher, fixed, retry } from '../../index.ts'
import { simulate, type SimulatedNode, type SimulatedTransaction, type SimulationReport } from '../index.ts'

class Placed extends defineEvent<{ n: number; key: string }>('shop.placed') {}
class Paid extends defineEvent<{ n: number }>('shop.paid') {}
class Reminded extends defineEvent<{ n: number }>('shop.reminded') {}
class Ship extends defineCommand<{ n: number; key: string }, void>('shop.ship') {}

/** How many programs are run, and from which seed on: `SEEDS=10000 npx vitest run --project unit bus.test`. */
const seeds = Number(process.env['SEEDS'] ?? 400)
const firstSeed = Number(process.env['FIRST_SEED'] ?? Date.now() % 1_000_000_000)

class Table {
  readonly rows: number[] = []
}

interface World {
  readonly payments: Table
  readonly shipped: Table
  readonly reminded: Set<number>
}

/** A transaction on a table: what is written with it is there when it is committed. */
function begin(table: Table): SimulatedTransaction {
  const written: number[] = []
  return { tx: written, commit: () => void table.rows.push(...written), rollback: () => {} }
}

/** A bit of everything: retries, what parks its lane, effects in the store's transaction, what causes, delays, and local handlers. */
function shop({ options, world, remote }: SimulatedNode<World>): Dispatcher {
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
        ;(tx as unknown as number[]).push(n) // As `begin` has made it.
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
  dp.commands.bind(Ship, async ({ n }) => void (await mail.send(n)), { name: 'ship', workers: 1 })
  dp.events.bind(Placed, async () => {}, { name: 'local', durable: false })
  return dp
}

const messages = Array.from({ length: 6 }, (_, index) => {
  const key = index % 2 === 0 ? 'a' : 'b'
  return [new Placed({ n: index + 1, key }), { key, id: `placed-${index + 1}` }] as const
})

const simulated = (make = shop): Promise<SimulationReport> =>
  simulate<World>(make, {
    world: () => ({ payments: new Table(), shipped: new Table(), reminded: new Set() }),
    messages,
    transaction: ({ payments }) => begin(payments),
    seeds,
    firstSeed,
    invariant: ({ world, messages: given, isSettled }) => {
      const { rows } = world.payments
      expect(new Set(rows).size, 'each payment is booked once').toBe(rows.length)
      if (!isSettled) return
      expect(rows.length).toBe(given.length)
      expect(world.reminded.size).toBe(given.length)
    },
  })

test(`the bus keeps its promises in ${seeds} runs from the seed ${firstSeed} on`, { timeout: 600_000 }, async () => {
  const { runs, faults } = await simulated()
  expect(runs).toBe(seeds)
  for (const [fault, count] of Object.entries(faults)) expect(count, fault).toBeGreaterThan(0)
})
