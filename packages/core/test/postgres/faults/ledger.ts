import { onTestFinished } from 'vitest'
import { defineCommand, defineEvent, Dispatcher, type DispatcherOptions, fixed, retry } from '../../../src/index.ts'
import { postgres, type PostgresOptions } from '../../../src/postgres/index.ts'
import { silent } from '../../silent.ts'
import { until } from './connection-faults.ts'
import type { Fixture } from './open-store.ts'

export class Placed extends defineEvent<{ n: number; key: string }>('shop.placed') {}
class Ship extends defineCommand<{ n: number; key: string }>('shop.ship') {}

const options: PostgresOptions = { partitions: 2, leaseMs: 3_000, pollMs: 100, statementTimeoutMs: 1_000 }

/** What has happened to the messages of a shop: those that were accepted, and those that were handled, in their order. */
export class Ledger {
  readonly accepted: number[] = []
  readonly shipped: string[] = []
  readonly dead: number[] = []
  n = 0
  readonly #on: Fixture

  constructor(on: Fixture) {
    this.#on = on
  }

  /** A node of the shop: it writes an effect for each that is placed, and has it shipped; every seventh dies. */
  async node(more: PostgresOptions = {}, clock?: DispatcherOptions['clock']): Promise<Dispatcher> {
    const { pool, schema } = this.#on
    const dp = new Dispatcher({
      service: 'shop',
      store: postgres({ pool, schema, ...options, ...more }),
      logger: silent,
      ...(clock && { clock }),
      recover: retry({ attempts: 50, backoff: fixed(10) }),
    })
    dp.events.bind(
      Placed,
      async ({ n, key }, { context }) => {
        await context.commit(async (tx) => {
          await tx.query(`INSERT INTO effects_${schema} VALUES ($1)`, [`${key} ${n}`])
          context.send(new Ship({ n, key }), { key })
        })
      },
      { name: 'place' },
    )
    dp.commands.bind(
      Ship,
      ({ n, key }) => {
        if (n % 7 === 0) throw Object.assign(new Error('broken'), { class: 'permanent' })
        this.shipped.push(`${key} ${n}`)
      },
      { name: 'ship', recover: retry({ attempts: 1 }) },
    )
    dp.observe('dead', ({ envelope }) => void this.dead.push((envelope.message as Ship).n))
    onTestFinished(() => dp.stop({ deadlineMs: 1_000 }))
    await dp.start()
    return dp
  }

  /** Publishes until it is accepted, with an id: so that a second time is none. */
  async publish(dp: Dispatcher, count: number): Promise<void> {
    for (let left = count; left > 0; left -= 1) {
      const n = (this.n += 1)
      const key = `k${n % 3}`
      await until(() =>
        dp.publish(new Placed({ n, key }), { key, id: `${n}` }).then(
          () => true,
          () => false,
        ),
      )
      this.accepted.push(n)
    }
  }

  /** Waits until all that was accepted is handled or dead. Gives the effects there are, and the keys whose order was not kept. */
  async settled(): Promise<{ readonly effects: readonly number[]; readonly outOfOrder: readonly string[] }> {
    const { ask, schema } = this.#on
    await until(() => new Set([...this.shipped.map(numberOf), ...this.dead]).size === this.accepted.length)
    const effects = (await ask(`SELECT effect FROM effects_${schema}`)).map(({ effect }) => numberOf(effect as string))
    const outOfOrder = ['k0', 'k1', 'k2'].filter((key) => {
      // What a node had done, and not yet written, it does again.
      const first = [...new Set(this.shipped.filter((one) => one.startsWith(key)).map(numberOf))]
      return first.some((n, at) => n < (first[at - 1] ?? 0))
    })
    return { effects: effects.toSorted((one, other) => one - other), outOfOrder }
  }
}

const numberOf = (text: string): number => Number(text.split(' ').at(-1))
