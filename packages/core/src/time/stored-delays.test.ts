import { setImmediate as nextTurn } from 'node:timers/promises'
import { array, assert, asyncProperty, constant, nat, oneof, record } from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import type { Dispatch } from '../engine/outlet.ts'
import { Envelope } from '../message/envelope.ts'
import { memory } from '../memory/store.ts'
import type { Notices } from '../notices.ts'
import { Observer } from '../observe.ts'
import type { NewMessage, OpenStore } from '../ports/store.ts'
import { LOOK_AGAIN_MS } from './due-timer.ts'
import { StoredDelays } from './stored-delays.ts'

const logger = { debug() {}, info() {}, warn() {}, error() {} }

const encode = ({ id, type, key, time, givenId }: Envelope): NewMessage => {
  return { id, type, key, time, envelope: '{}', body: '{}', crc: 0, mayRepeat: givenId !== undefined }
}

/** A node that has delays in a store. */
class Node {
  readonly store: OpenStore
  readonly delays: StoredDelays
  readonly said: string[] = []
  readonly #clock: ManualClock

  private constructor(store: OpenStore, clock: ManualClock, isShared: boolean) {
    this.store = store
    this.#clock = clock
    const observer = new Observer(logger)
    for (const name of ['duplicate', 'storeFailed', 'delayed'] as const) {
      observer.listen(name, (notice) => void this.said.push(`${name} ${idOf(notice)}`))
    }
    this.delays = new StoredDelays({ store, isShared, clock, observer, encode })
    this.delays.wake()
  }

  static async open(store = memory(), clock = new ManualClock()): Promise<Node> {
    const subscriptions = [{ name: 'events/a', formerly: [], types: ['x'], from: 'now' as const }]
    const open = await store.open({ service: undefined, subscriptions, clock, wake: () => {} })
    return new Node(open, clock, store.isShared)
  }

  async take(id: string, delayMs: number): Promise<void> {
    const of = new Envelope({ message: 'x', type: 'x', clock: this.#clock, id })
    // Of a dispatch, delays look at no more than this.
    await (this.delays.take({ message: 'x', route: {}, of } as unknown as Dispatch, { delayMs }) ??
      this.store.append([encode(of)]))
  }

  async pass(ms: number): Promise<void> {
    this.#clock.advance(ms)
    for (let turn = 0; turn < 3; turn += 1) await nextTurn()
  }

  async log(): Promise<string[]> {
    return (await this.store.read(0, 0, 1_000)).map(({ id }) => id)
  }
}

function idOf(notice: Partial<Notices['delayed'] & Notices['duplicate'] & Notices['storeFailed']>): string | number {
  return notice.id ?? notice.envelope?.id ?? notice.delayMs ?? ''
}

test('a delayed message is in the store at once, and in its log when it is due', async () => {
  const clock = new ManualClock()
  const node = await Node.open(memory(), clock)
  await node.take('late', 100)
  await node.take('soon', 50)
  expect(await node.store.stats()).toMatchObject({ delayed: 2 })
  await node.pass(49)
  expect(await node.log()).toEqual([])
  expect(clock.timers).toBe(1)
  await node.pass(1)
  expect(await node.log()).toEqual(['soon'])
  await node.pass(50)
  expect(await node.log()).toEqual(['soon', 'late'])
  expect(clock.timers).toBe(0)
  expect(node.said).toEqual(['delayed late', 'delayed soon'])
})

test('what came due while no process ran is appended at the start, in order; the rest when it is due', async () => {
  const [store, clock] = [memory(), new ManualClock()]
  const node = await Node.open(store, clock)
  for (const [id, delayMs] of [
    ['3', 300],
    ['2', 200],
    ['1', 100],
  ] as const)
    await node.take(id, delayMs)
  node.delays.close()
  await node.store.close()
  clock.advance(250)
  expect(clock.timers).toBe(0)
  const again = await Node.open(store, clock)
  await again.pass(0)
  expect(await again.log()).toEqual(['1', '2'])
  await again.pass(50)
  expect(await again.log()).toEqual(['1', '2', '3'])
})

test('more than a page that is due is appended at once', async () => {
  const node = await Node.open()
  for (let n = 0; n < 300; n += 1) await node.take(`${n}`, 10)
  await node.pass(10)
  expect(await node.log()).toEqual(Array.from({ length: 300 }, (_, n) => `${n}`))
})

test('one is taken back by its id, which is free then; the same id twice is one', async () => {
  const node = await Node.open()
  await node.take('1', 100)
  await node.take('1', 50)
  expect(await node.delays.cancel('1')).toBe(true)
  expect(await node.delays.cancel('1')).toBe(false)
  await node.take('1', 200)
  await node.pass(199)
  expect(await node.log()).toEqual([])
  await node.pass(1)
  expect(await node.log()).toEqual(['1'])
  expect(node.said).toEqual(['delayed 1', 'duplicate 1', 'delayed 1'])
})

test('what others have stored is appended in time, if they say so', async () => {
  const clock = new ManualClock()
  const node = await Node.open(memory(), clock)
  await node.take('late', 100)
  const of = (id: string) => encode(new Envelope({ message: 'x', type: 'x', clock, id }))
  await node.store.append([{ ...of('caused'), dueAt: 10 }])
  node.delays.expect(10)
  await node.store.append([{ ...of('outbox'), dueAt: 20 }])
  await node.pass(10)
  node.delays.wake()
  await node.pass(10)
  expect(await node.log()).toEqual(['caused', 'outbox'])
})

test('a node that is gone is replaced by another within a minute', async () => {
  const [store, clock] = [memory({ shared: true }), new ManualClock()]
  const [one, other] = [await Node.open(store, clock), await Node.open(store, clock)]
  await one.take('1', 10_000)
  store.crash(one.store)
  await one.pass(LOOK_AGAIN_MS)
  expect(await other.log()).toEqual(['1'])
})

test('a store that fails is asked again, later each time', async () => {
  const clock = new ManualClock()
  const node = await Node.open(memory(), clock)
  await node.take('1', 10)
  const appendDue = node.store.appendDue.bind(node.store)
  let failures = 3
  node.store.appendDue = (limit) => (failures-- > 0 ? Promise.reject(new Error('disk full')) : appendDue(limit))
  for (const ms of [10, 100, 200]) await node.pass(ms)
  expect(await node.log()).toEqual([])
  await node.pass(400)
  expect(await node.log()).toEqual(['1'])
  expect(node.said.slice(1)).toEqual(['storeFailed 100', 'storeFailed 200', 'storeFailed 400'])
})

test('random delays, cancels, restarts and jumps of the clock: each is appended once, never early, in due order', async () => {
  const step = oneof(
    record({ does: constant('take' as const), id: nat(20), delayMs: nat(50) }),
    record({ does: constant('cancel' as const), id: nat(20), delayMs: constant(0) }),
    record({ does: constant('pass' as const), id: constant(0), delayMs: nat(40) }),
    record({ does: constant('restart' as const), id: constant(0), delayMs: nat(40) }),
  )
  await assert(
    asyncProperty(array(step, { maxLength: 40 }), async (steps) => {
      const [store, clock] = [memory(), new ManualClock()]
      let node = await Node.open(store, clock)
      let waiting: { id: string; dueAt: number }[] = []
      const taken = new Set<string>()
      const expected: string[] = []
      const comeDue = (): void => {
        const due = waiting.filter(({ dueAt }) => dueAt <= clock.now()).sort((a, b) => a.dueAt - b.dueAt)
        waiting = waiting.filter(({ dueAt }) => dueAt > clock.now())
        expected.push(...due.map(({ id }) => id))
      }
      for (const { does, id: number, delayMs } of steps) {
        const id = `${number}`
        if (does === 'take') {
          await node.take(id, delayMs)
          if (!taken.has(id)) waiting.push({ id, dueAt: clock.now() + delayMs })
          taken.add(id)
        } else if (does === 'cancel') {
          if (await node.delays.cancel(id)) taken.delete(id)
          waiting = waiting.filter((one) => one.id !== id)
        } else if (does === 'pass') {
          await node.pass(delayMs)
        } else {
          node.delays.close()
          await node.store.close()
          clock.advance(delayMs)
          node = await Node.open(store, clock)
          await node.pass(0)
        }
        comeDue()
        expect(await node.log()).toEqual(expected)
      }
    }),
    { numRuns: 100 },
  )
})
