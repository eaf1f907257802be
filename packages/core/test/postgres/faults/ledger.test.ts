import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { DispatcherOptions } from '../../../src/index.ts'
import { ownDatabase } from '../../servers/own-database.ts'
import { cutAfter, cutBefore, until } from './connection-faults.ts'
import { Ledger, Placed } from './ledger.ts'
import { fixture } from './open-store.ts'

const url = await ownDatabase()
/** How long the network is bad: half as long as a statement may take before its connection is given up. */
const FAULT_MS = 500

test.each([
  ['before it arrives', cutBefore],
  ['after it was done, before its answer', cutAfter],
] as const)(
  'a bus whose connections are cut at any statement, %s, keeps all that it accepted',
  async (_, cut) => {
    const on = await fixture(url)
    const ledger = new Ledger(on)
    const dp = await ledger.node({ pollMs: 60_000, leaseMs: 60_000 })
    // All of the way of a message: it is published, read, its effects are written and settled, and so is what they caused.
    const way = [
      /INSERT INTO \S*seen/,
      /SELECT r\.n/,
      /^BEGIN/,
      /SET LOCAL \S* = 0/,
      /INSERT INTO effects/,
      /set_config/,
      /SET cursor/,
    ]
    for (const statement of [...way, /\.tail/, /^COMMIT/]) {
      on.pool.arm(1, cut(on.proxy), (text) => statement.test(text))
      await ledger.publish(dp, 2)
      expect(await ledger.settled()).toEqual({ effects: ledger.accepted, outOfOrder: [] })
      expect(on.pool.hit).toMatch(statement)
    }
    await dp.stop()
    await until(() => on.pool.pool.totalCount === on.pool.pool.idleCount)
  },
  40_000,
)

test.each(['cut', 'strand', 'blackhole', 'refuse', 'halve'] as const)(
  'two nodes go on when their connections were %s',
  async (fault) => {
    const on = await fixture(url, { max: 12 })
    const ledger = new Ledger(on)
    const nodes = [await ledger.node(), await ledger.node()] as const
    await ledger.publish(nodes[0], 5)
    if (fault === 'refuse') on.proxy.cut()
    on.proxy[fault]()
    const publishing = ledger.publish(nodes[1], 10)
    await pause(FAULT_MS)
    await on.proxy.heal()
    await publishing
    await ledger.publish(nodes[0], 5)
    expect(await ledger.settled()).toEqual({ effects: ledger.accepted, outOfOrder: [] })
  },
  40_000,
)

test('nodes whose clocks are a day apart take nothing from each other, and are neither early nor late', async () => {
  const on = await fixture(url)
  const ledger = new Ledger(on)
  const nodes = [
    await ledger.node(),
    await ledger.node({}, wrongBy(86_400_000)),
    await ledger.node({}, wrongBy(-86_400_000)),
  ]
  const lost: string[] = []
  for (const node of nodes) node.observe('claimLost', ({ handler }) => void lost.push(handler))
  for (const node of nodes) {
    await ledger.publish(node, 3)
    ledger.accepted.push((ledger.n += 1))
    const before = Date.now()
    await node.publish(new Placed({ n: ledger.n, key: `late ${ledger.n}` }), { delayMs: 300 })
    expect(await ledger.settled()).toEqual({ effects: ledger.accepted, outOfOrder: [] })
    expect(Date.now() - before).toBeGreaterThanOrEqual(290)
  }
  expect(lost).toEqual([])
})

function wrongBy(ms: number): NonNullable<DispatcherOptions['clock']> {
  return {
    now: () => Date.now() + ms,
    after: (delayMs, run) => {
      const timer = setTimeout(run, delayMs)
      return { cancel: () => clearTimeout(timer) }
    },
  }
}
