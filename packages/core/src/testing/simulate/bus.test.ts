import { afterEach, describe, expect, test, vi } from 'vitest'
import type * as Feeding from '../../durability/feed.ts'
import type * as HandingOver from '../../durability/hand-over.ts'
import type * as LogReading from '../../durability/log-reader.ts'
import type { Delivery } from '../../engine/delivery.ts'
import type * as Holding from '../../engine/held-lanes.ts'
import type { Observer } from '../../observe.ts'
import { sharedShopping, shop, shopping } from '../../../test/simulated/shop.ts'
import { simulate } from '../index.ts'

// Other programs each time: RUNS=10000 FIRST_SEED=1 npx vitest run --project unit simulate/bus.test
const runs = Number(process.env['RUNS'] ?? 300)
const firstSeed = Number(process.env['FIRST_SEED'] ?? Date.now() % 1_000_000_000)

test(`the bus keeps its promises in ${runs} runs from the seed ${firstSeed} on`, { timeout: 600_000 }, async () => {
  const report = await simulate(shop, { ...shopping, seeds: runs, firstSeed })
  expect(report.runs).toBe(runs)
  for (const [fault, count] of Object.entries(report.faults)) expect(count, fault).toBeGreaterThan(0)
})

test('and on three nodes, of which each may die', { timeout: 600_000 }, async () => {
  const report = await simulate(shop, { ...sharedShopping, seeds: runs, firstSeed })
  expect(report.runs).toBe(runs)
})

// Seeds that have failed once.
test.each([102, 695_053_305, 694_914_094, 694_854_114, 725_101_831])('and in that of the seed %i', async (seed) => {
  expect(await simulate(shop, { ...shopping, seeds: 1, firstSeed: seed })).toMatchObject({ runs: 1 })
})

describe('a fault of our own is found', { timeout: 120_000 }, () => {
  afterEach(() => {
    vi.doUnmock('../../durability/log-reader.ts')
    vi.doUnmock('../../durability/feed.ts')
    vi.doUnmock('../../durability/hand-over.ts')
    vi.doUnmock('../../engine/held-lanes.ts')
    vi.resetModules()
  })

  /** Simulates the shop with a module of the bus replaced. */
  async function broken(isShared = false): Promise<unknown> {
    const [testing, mutant] = await Promise.all([import('../index.ts'), import('../../../test/simulated/shop.ts')])
    return testing
      .simulate(mutant.shop, { ...(isShared ? mutant.sharedShopping : mutant.shopping), seeds: 300 })
      .catch((error: unknown) => error)
  }

  test('nothing, where nothing is replaced', async () => {
    vi.resetModules()
    expect(await broken()).toMatchObject({ runs: 300 })
  })

  test('a lost wake-up: what comes while the log is read is not looked for afterwards', async () => {
    vi.resetModules()
    vi.doMock('../../durability/log-reader.ts', async (original) => {
      const module = await original<typeof LogReading>()
      class LogReader extends module.LogReader {
        constructor(parts: LogReading.LogReaderParts) {
          let reads = 0
          const { store } = parts
          const read: typeof store.read = async (...given) => {
            reads += 1
            return store.read(...given).finally(() => (reads -= 1))
          }
          const counting = new Proxy(store, {
            get: (target, name) => (name === 'read' ? read : Reflect.get(target, name)),
          })
          super({ ...parts, store: counting })
          const { wake } = this
          const forgetful = (): void => {
            if (reads === 0) wake()
          }
          Object.assign(this, { wake: forgetful })
        }
      }
      return { ...module, LogReader }
    })
    expect(await broken()).toMatchObject({ cause: { code: expect.stringMatching(/STUCK|GUARANTEE_BROKEN/) } })
  })

  test('an early completion: it is written as done when it begins', async () => {
    vi.resetModules()
    vi.doMock('../../durability/feed.ts', async (original) => {
      const module = await original<typeof Feeding>()
      class Feed extends module.Feed {
        readonly #journal: Feeding.FeedParts['journal']

        constructor(parts: Feeding.FeedParts) {
          super(parts)
          this.#journal = parts.journal
        }

        override submit(delivery: Delivery): void {
          const { position, isException } = delivery.rest?.kept ?? {}
          if (position !== undefined && !isException) this.#journal.done([position, position])
          super.submit(delivery)
        }
      }
      return { ...module, Feed }
    })
    // It is lost; or the shop notices, that has fewer bookings.
    expect(await broken()).toMatchObject({ cause: { message: expect.stringMatching(/lost|^only/) } })
  })

  test('a lane that is released before its retry', async () => {
    vi.resetModules()
    vi.doMock('../../engine/held-lanes.ts', async (original) => {
      const module = await original<typeof Holding>()
      class Released extends module.HeldLanes {
        readonly #engine: Holding.HoldingEngine

        constructor(engine: Holding.HoldingEngine, observer: Observer) {
          super(engine, observer)
          this.#engine = engine
        }

        override hold(delivery: Delivery, delayMs: number): void {
          super.hold(delivery, delayMs)
          const { key, lane, target } = delivery
          if (key === undefined || lane === undefined) return
          delivery.lane = undefined
          const next = target.lanes.leave(key, lane)
          if (next !== undefined) this.#engine.resume(next)
        }
      }
      return { ...module, HeldLanes: Released }
    })
    const found = await broken()
    expect(found).toMatchObject({ cause: { code: 'GUARANTEE_BROKEN', message: expect.stringContaining('of the key') } })
  })

  test('a claim that is given back before what runs of it has ended', async () => {
    vi.resetModules()
    vi.doMock('../../durability/hand-over.ts', async (original) => {
      const module = await original<typeof HandingOver>()
      const bringToRest: typeof module.bringToRest = async (feed) => {
        const { engine, journal, suspects } = feed.parts
        const leave = (): boolean => engine.leaveUnstarted(feed.keeper, 'Another node goes on with it')
        feed.isOpen = false
        feed.whenOneEnds = () => queueMicrotask(leave)
        leave()
        feed.dead.letGo()
        suspects.leave(feed)
        await journal.idle()
      }
      return { ...module, bringToRest }
    })
    expect(await broken(true)).toMatchObject({
      cause: { code: 'GUARANTEE_BROKEN', message: expect.stringContaining('given back') },
    })
  })
})
