import { setImmediate as nextTurn } from 'node:timers/promises'
import { array, assert, asyncProperty, constantFrom, nat, oneof, record, constant } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { Envelope } from '../message/envelope.ts'
import { memory, type MemoryStore } from '../memory/store.ts'
import { Observer } from '../observe.ts'
import type { MissedSchedules } from '../options.ts'
import type { NewMessage, OpenStore } from '../ports/store.ts'
import { type Every, type Schedule, scheduleOf } from './schedule.ts'
import type { When } from '../ports/when.ts'
import { StoredSchedules } from './stored-schedules.ts'

const HOUR = 3_600_000
const encode = ({ id, type, key, time }: Envelope): NewMessage => {
  return { id, type, key, time, envelope: '{}', body: '{}', crc: 0, mayRepeat: true }
}

function every(when: Every | When, missed: MissedSchedules = 'fire-once', make: () => unknown = () => 'x'): Schedule {
  return scheduleOf('s', when, { make, options: {}, missed })
}

/** A node that fires schedules of a store. */
class Node {
  readonly store: OpenStore
  readonly schedules: StoredSchedules
  readonly said: string[] = []

  private constructor(store: OpenStore, clock: ManualClock) {
    this.store = store
    const say = (_fields: object, text: string): void => void this.said.push(text)
    const observer = new Observer({ debug: say, info: say, warn: say, error: say })
    const outlet = {
      kindOf: () => 'event' as const,
      record: (_verb: unknown, message: object | string, { id }: { readonly id?: string | undefined }) =>
        ({ message, route: {}, of: new Envelope({ message, type: 'x', clock, id }) }) as never,
    }
    this.schedules = new StoredSchedules({
      store,
      clock,
      observer,
      outlet,
      causing: {
        caused: (recorded) => ({ stored: recorded.map(({ of }) => encode(of as Envelope)), told: [], local: [] }),
        release: () => {},
      },
    })
  }

  static async open(store: MemoryStore, clock: ManualClock, ...schedules: Schedule[]): Promise<Node> {
    const subscriptions = [{ name: 'events/a', formerly: [], types: ['x'], from: 'now' as const }]
    const node = new Node(await store.open({ service: undefined, subscriptions, clock, wake: () => {} }), clock)
    node.schedules.open(schedules)
    await rest()
    return node
  }

  async stop(): Promise<void> {
    await this.schedules.close()
    await this.store.close()
  }

  /** When what has been fired was due, in the order of the log. */
  async fired(): Promise<number[]> {
    const log = await this.store.read(0, 0, 10_000)
    return log.map(({ id }) => Date.parse(id.slice('schedule:s:'.length)))
  }
}

async function rest(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await nextTurn()
}

async function pass(clock: ManualClock, ms: number, stepMs = ms): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(Math.min(stepMs, ms - passed))
    await rest()
  }
}

describe('a schedule in a store', () => {
  test('fires at each due time, with one timer', async () => {
    const clock = new ManualClock()
    const node = await Node.open(memory(), clock, every({ everyMs: 100 }))
    await pass(clock, 99)
    expect(await node.fired()).toEqual([])
    expect(clock.timers).toBe(1)
    await pass(clock, 201, 50)
    expect(await node.fired()).toEqual([100, 200, 300])
    await node.stop()
    expect(clock.timers).toBe(0)
  })

  test('fires each due time once, whatever nodes there are', async () => {
    const [store, clock] = [memory({ shared: true }), new ManualClock()]
    const nodes = [await Node.open(store, clock, every({ everyMs: 100 }))]
    await pass(clock, 150, 50)
    nodes.push(await Node.open(store, clock, every({ everyMs: 100 })))
    nodes.push(await Node.open(store, clock, every({ everyMs: 100 })))
    await pass(clock, 100, 50)
    store.crash(nodes[0]?.store)
    await pass(clock, 100, 50)
    expect(await nodes[1]?.fired()).toEqual([100, 200, 300])
    await nodes[1]?.stop()
    await pass(clock, 100, 50)
    expect(await nodes[2]?.fired()).toEqual([100, 200, 300, 400])
  })

  test.each([
    ['fire-once', [HOUR, 4 * HOUR]],
    ['skip', [HOUR]],
    ['fire-all', [HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR]],
  ] as const)('whose due times passed while no process ran: %s', async (missed, fired) => {
    const [store, clock] = [memory(), new ManualClock()]
    const node = await Node.open(store, clock, every({ everyMs: HOUR }, missed))
    await pass(clock, 1.5 * HOUR, HOUR / 4)
    await node.stop()
    await pass(clock, 3 * HOUR)
    const again = await Node.open(store, clock, every({ everyMs: HOUR }, missed))
    expect(await again.fired()).toEqual(fired)
    expect(again.said).toHaveLength(missed === 'fire-all' ? 0 : 1)
    await pass(clock, HOUR / 2)
    expect(await again.fired()).toEqual([...fired, 5 * HOUR])
  })

  test('that was changed fires what had come due before, and then by what it says now', async () => {
    const [store, clock] = [memory(), new ManualClock()]
    await (await Node.open(store, clock, every({ everyMs: 100 }))).stop()
    await pass(clock, 150)
    const node = await Node.open(store, clock, every({ everyMs: 70 }))
    expect(await node.fired()).toEqual([140])
    await pass(clock, 60)
    expect(await node.fired()).toEqual([140, 210])
    await node.stop()
    // Due at 280, it said; and does not any more.
    const rarer = await Node.open(store, clock, every({ everyMs: 1_000 }))
    await pass(clock, 500)
    expect(await rarer.fired()).toEqual([140, 210])
    await rarer.stop()
    // Due at 1 000, it said; and is sooner.
    const sooner = await Node.open(store, clock, every({ everyMs: 10 }))
    await pass(clock, 10)
    expect(await sooner.fired()).toEqual([140, 210, 720])
  })

  test('goes on where its message cannot be made', async () => {
    const clock = new ManualClock()
    let count = 0
    const make = (): unknown => {
      if (++count === 1) throw new Error('boom')
      return 'x'
    }
    const node = await Node.open(memory(), clock, every({ everyMs: 100 }, 'fire-once', make))
    await pass(clock, 200, 100)
    expect(await node.fired()).toEqual([200])
    expect(node.said).toEqual([expect.stringContaining('it goes on with the next due time: boom')])
  })

  test('that comes no more stays so after a restart', async () => {
    const [store, clock] = [memory(), new ManualClock()]
    const when = { next: (after: number) => [10, 20].find((time) => time > after) }
    const node = await Node.open(store, clock, every(when))
    await pass(clock, 100, 10)
    expect(await node.fired()).toEqual([10, 20])
    expect(clock.timers).toBe(0)
    await node.stop()
    const again = await Node.open(store, clock, every(when))
    await pass(clock, 100, 10)
    expect(await again.fired()).toEqual([10, 20])
    expect(clock.timers).toBe(0)
    await again.stop()
    // It comes again after all, with other times.
    const more = await Node.open(store, clock, every({ everyMs: 1_000 }))
    await pass(clock, 800)
    expect(await more.fired()).toEqual([10, 20, 1_000])
  })

  test('is forgotten when it is ended', async () => {
    const [store, clock] = [memory(), new ManualClock()]
    const schedule = every({ everyMs: 100 })
    const node = await Node.open(store, clock, schedule)
    await node.schedules.remove(schedule)
    expect(clock.timers).toBe(0)
    expect(await node.store.schedules.dueAt('s')).toBeUndefined()
    await pass(clock, 200)
    expect(await node.fired()).toEqual([])
  })

  test('is forgotten when it is ended, also while the store is asked when it is due', async () => {
    const clock = new ManualClock()
    const node = await Node.open(memory(), clock)
    const schedule = every({ everyMs: 100 })
    node.schedules.add(schedule)
    await node.schedules.remove(schedule)
    expect(await node.store.schedules.dueAt('s')).toBeUndefined()
    expect(clock.timers).toBe(0)
  })

  test('whose message cannot be made is left alone where another node has gone on', async () => {
    const clock = new ManualClock()
    const make = (): never => {
      throw new Error('boom')
    }
    const node = await Node.open(memory(), clock, every({ everyMs: 100 }, 'fire-once', make))
    await node.store.schedules.put('s', 500)
    await pass(clock, 100)
    expect(await node.store.schedules.dueAt('s')).toBe(500)
    await pass(clock, 400, 100)
    expect(await node.store.schedules.dueAt('s')).toBe(600)
  })

  test('is tried again where the store fails, at the start and later', async () => {
    const clock = new ManualClock()
    const store = memory()
    const node = await Node.open(store, clock)
    const { schedules } = node.store
    let failures = 1
    const failing = { ...schedules }
    const perhaps = <T>(call: () => Promise<T>) => (failures-- > 0 ? Promise.reject(new Error('disk full')) : call())
    failing.put = (name, dueAt) => perhaps(() => schedules.put(name, dueAt))
    failing.fire = (name, of) => perhaps(() => schedules.fire(name, of))
    Object.assign(node.store, { schedules: failing })
    node.schedules.add(every({ everyMs: 10_000 }))
    await rest()
    expect(await schedules.dueAt('s')).toBeUndefined()
    await pass(clock, 100)
    expect(await schedules.dueAt('s')).toBe(10_000)
    failures = 2
    await pass(clock, 9_900)
    await pass(clock, 100)
    expect(await node.fired()).toEqual([])
    await pass(clock, 200)
    expect(await node.fired()).toEqual([10_000])
    expect(node.said).toHaveLength(3)
    expect(node.said[1]).toBe("Schedule 's' failed for 1970-01-01T00:00:10.000Z; it is tried again: disk full")
  })

  test('whose next() is wrong does not go on', async () => {
    const clock = new ManualClock()
    const node = await Node.open(memory(), clock, every({ next: (after) => (after < 10 ? 10 : after) }))
    await pass(clock, 100, 10)
    expect(node.said).toEqual([expect.stringContaining('it does not go on until it is scheduled anew')])
    expect(clock.timers).toBe(0)
  })
})

test('random nodes, crashes, restarts and jumps of the clock: with fire-all each due time fires once, in order', async () => {
  const step = oneof(
    record({ does: constantFrom('start' as const, 'stop' as const, 'crash' as const), ms: nat(2) }),
    record({ does: constant('pass' as const), ms: nat(250) }),
  )
  await assert(
    asyncProperty(array(step, { maxLength: 30 }), async (steps) => {
      const [store, clock] = [memory({ shared: true }), new ManualClock()]
      const nodes: Node[] = []
      const start = async () => nodes.push(await Node.open(store, clock, every({ everyMs: 100 }, 'fire-all')))
      await start()
      for (const { does, ms } of steps) {
        const [node] = nodes.slice(ms)
        if (does === 'start') await start()
        else if (does === 'pass') await pass(clock, ms)
        else if (node !== undefined) {
          nodes.splice(ms, 1)
          if (does === 'stop') await node.stop()
          else store.crash(node.store)
        }
      }
      await start()
      const due = Array.from({ length: Math.floor(clock.now() / 100) }, (_, n) => (n + 1) * 100)
      expect(await nodes.at(-1)?.fired()).toEqual(due)
    }),
    { numRuns: 100 },
  )
})
