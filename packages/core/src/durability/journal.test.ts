import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { altered } from '../../test/altered-store.ts'
import { ManualClock } from '../../test/manual-clock.ts'
import { silent } from '../../test/silent.ts'
import { Deadlines } from '../engine/deadlines.ts'
import { memory } from '../memory/index.ts'
import { Observer } from '../observe.ts'
import { AHEAD } from '../ports/progress.ts'
import type { Claim, OpenStore, Settlement, StoredDeadLetter, StoredMessage } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'
import { faulty, type FaultyStore } from '../testing/faulty.ts'
import { Journal } from './journal.ts'

const subscription = { name: 'events/a', formerly: [], types: ['t'], from: 'now' as const }

let clock: ManualClock
let store: FaultyStore
/** What got to be settled, in this order. */
let settlements: Settlement[]
let open: OpenStore
let claim: Claim
let lost: Error[]

beforeEach(async () => {
  clock = new ManualClock()
  settlements = []
  const recorded = altered(memory(), (one) => ({
    settle: (of, settlement) => {
      settlements.push(settlement)
      return one.settle(of, settlement)
    },
  }))
  store = faulty(recorded)
  lost = []
  await reopen()
})

async function reopen(): Promise<void> {
  await open?.close()
  open = await store.open({ service: undefined, subscriptions: [subscription], clock, wake: () => {} })
  claim = (await open.claim())[0] as Claim
}

function journal(): Journal {
  const observer = new Observer(silent)
  const whenLost = (error: Error): void => void lost.push(error)
  return new Journal({ store: open, claim, observer, deadlines: new Deadlines(clock), whenLost })
}

async function append(count: number): Promise<void> {
  await open.append(Array.from({ length: count }, (_, index) => ({ ...message(`${index}`), mayRepeat: false })))
}

function message(id: string): StoredMessage {
  return { id, type: 't', key: undefined, time: 0, envelope: '', body: '', crc: 0 }
}

function letter(id: string): StoredDeadLetter {
  const { name } = subscription
  const dead = { id, subscription: name, partition: 0, message: message(id), correlationId: id }
  return { ...dead, error: 'boom', attempts: '[]', diedAt: 0, isReplaying: false }
}

const started = (position: number) =>
  ({ position, key: undefined, state: 'started', dueAt: undefined, note: undefined }) as const

describe('a journal', () => {
  test('has finished what became an exception and was cleared before either was written', async () => {
    await append(2)
    const it = journal()
    it.reach(2)
    await it.idle()
    it.except(started(1))
    it.clear(1)
    await it.idle()
    await reopen()
    expect(claim.progress.cursor).toBe(1)
    expect(await open.exceptions(claim)).toEqual([])
  })

  test('never asks for more than may be ahead of the cursor, however busy the store is', async () => {
    const count = 4 * AHEAD
    await append(count)
    const it = journal()
    const release = store.hold('settle')
    for (let position = 1; position <= 8; position += 1) {
      it.reach(position)
      it.done([position, position])
      await nextTurn()
    }
    for (let from = 9; from <= count; from += 100) {
      it.pass([from, Math.min(count, from + 99)])
      await nextTurn()
    }
    release()
    await it.idle()
    await reopen()
    expect(claim.progress.cursor).toBe(count)
  })

  test('never asks for too much after a failure of the store either', async () => {
    const count = 4 * AHEAD
    await append(count)
    const it = journal()
    store.fail('STORE_FULL', 'settle')
    it.reach(1)
    await nextTurn()
    for (let from = 1; from <= count; from += 100) {
      it.pass([from, Math.min(count, from + 99)])
      await nextTurn()
    }
    store.heal()
    clock.advance(10_000)
    await it.idle()
    await reopen()
    expect(claim.progress.cursor).toBe(count)
  })

  test('writes a death and the end of its delivery as one, however much there is to write', async () => {
    const count = 250
    await append(count)
    const it = journal()
    it.reach(count)
    for (let position = 1; position <= count; position += 1) {
      it.bury(letter(`${position}`))
      it.done([position, position])
      it.whenWritten(() => {})
    }
    await it.idle()
    for (const { dead = [], done = [] } of settlements) {
      const finished = done.reduce((sum, [from, to]) => sum + to - from + 1, 0)
      expect(finished).toBe(dead.length)
    }
    expect(settlements.length).toBeGreaterThan(1)
  })

  test('tells each cause what the store says of its own messages, where one of them is not new', async () => {
    const it = journal()
    const told: unknown[] = []
    const cause = (...ids: string[]): void => {
      const messages = ids.map((id) => ({ ...message(id), mayRepeat: true }))
      it.cause(messages, (isNew) => told.push(isNew))
    }
    cause('a')
    cause()
    await it.idle()
    expect(told.splice(0)).toEqual([undefined, undefined])
    cause('b', 'c')
    cause('a', 'd')
    cause()
    cause('c')
    await it.idle()
    expect(told).toEqual([[true, true], [false, true], [], [false]])
  })

  test('writes what is caused and the end of its delivery as one, however much there is to write', async () => {
    const count = 250
    await append(count)
    const it = journal()
    it.reach(count)
    for (let position = 1; position <= count; position += 1) {
      it.done([position, position])
      it.cause([{ ...message(`caused ${position}`), mayRepeat: true }], () => {})
    }
    await it.idle()
    for (const { caused = [], done = [] } of settlements) {
      const finished = done.reduce((sum, [from, to]) => sum + to - from + 1, 0)
      expect(finished).toBe(caused.length)
    }
    expect(settlements.length).toBeGreaterThan(1)
  })

  test('loses nothing while the store fails, and keeps the order', async () => {
    await append(100)
    const it = journal()
    const told: number[] = []
    for (let position = 1; position <= 100; position += 1) {
      if (position % 30 > 10) store.fail('STORE_FULL', 'settle')
      else store.heal()
      it.reach(position)
      it.done([position, position])
      it.whenWritten(() => told.push(position))
      if (position % 3 === 0) await nextTurn()
      if (position % 20 === 0) clock.advance(100)
    }
    store.heal()
    const idle = it.idle()
    for (let turn = 0; turn < 5; turn += 1) {
      clock.advance(10_000)
      await nextTurn()
    }
    await idle
    expect(told).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
    const written = settlements.flatMap(({ done = [] }) => done.flat())
    expect(store.hits.settle).toBeGreaterThan(1)
    expect(written).toEqual(written.toSorted((a, b) => a - b))
    await reopen()
    expect(claim.progress.cursor).toBe(100)
  })

  test('can commit nothing while the store fails', async () => {
    await append(1)
    const it = journal()
    store.fail('STORE_FULL', 'settle')
    it.reach(1)
    await nextTurn()
    await expect(it.commit({ done: [[1, 1]] })).rejects.toThrow(StoreFailed)
    expect(it.progress.cursor).toBe(0)
  })

  test('ends when the claim is lost: it says so once, and is idle', async () => {
    await append(3)
    const it = journal()
    await open.release([claim])
    it.reach(1)
    await nextTurn()
    it.reach(2)
    await it.idle()
    expect(lost).toMatchObject([{ code: 'CLAIM_LOST' }])
    expect(clock.timers).toBe(0)
  })

  test('that is given up writes no more, and keeps no timer', async () => {
    await append(3)
    const it = journal()
    store.fail('STORE_FULL', 'settle')
    it.reach(1)
    await nextTurn()
    it.giveUp()
    await it.idle()
    const { hits } = store
    clock.advance(60_000)
    await nextTurn()
    expect(hits).toEqual({ settle: 1 })
    expect(store.hits).toEqual(hits)
    expect(clock.refTimers).toBe(0)
  })
})
