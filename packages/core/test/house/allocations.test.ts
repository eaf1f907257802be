import { join } from 'node:path'
import { type Clock, Dispatcher } from '@iambus/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { root, run } from './run.ts'

// What a call costs that does not depend on the machine: bytes, and how often it asks for what is dear.

const node = join(root, 'node_modules/node/bin/node')
const hugeYoungGeneration = ['--min-semi-space-size=1024', '--max-semi-space-size=1024']

function bytesPerCall(name: string): number {
  return Number(run(root, node, ...hugeYoungGeneration, join(import.meta.dirname, 'allocations.ts'), name))
}

describe('at most so many bytes are allocated, as measured with Node 24.21 and 10 % more, by a', () => {
  test.each([
    // 496: 280 of `await fn(message)` alone, with the message (32); a delivery (112); the promise of the answer, and the
    // reactions that settle it.
    ['request', 546],
    // 728: that, the options (32), a lane (48) and its place in the map of lanes, which is written anew now and then.
    ['request with key', 801],
    // 152: the message (32), a delivery (112).
    ['publish told to 1 sync handler', 168],
    // 496: the message, three deliveries, and the one envelope that they share (104, and what it is made of).
    ['publish told to 3 sync handlers', 546],
    // 2881: the same; the promises of three async handlers with an `await` inside, the options, three outcomes in an
    // array, and the promise of it with its functions.
    ['publish awaited by 3 async handlers', 3169],
    // 206: the message, the options, a delivery, the time of its acceptance (16); one in a hundred starts: a lane.
    ['waiting keyed message that nobody awaits', 227],
  ])('%s: %i', (name, most) => {
    expect(bytesPerCall(name)).toBeLessThanOrEqual(most)
  })
})

describe('the clock, its timers and abort controllers', () => {
  class Message {
    readonly n = 0
  }
  const count = 100
  let [controllers, nows, timers] = [0, 0, 0]
  const clock: Clock = {
    now: () => (nows += 1),
    after: () => {
      timers += 1
      return { cancel: () => {} }
    },
  }

  beforeEach(() => {
    controllers = 0
    const Original = globalThis.AbortController
    class Counted extends Original {
      constructor() {
        super()
        controllers += 1
      }
    }
    vi.stubGlobal('AbortController', Counted)
  })
  afterEach(() => vi.unstubAllGlobals())

  async function started(bind: (dp: Dispatcher) => void): Promise<Dispatcher> {
    const dp = new Dispatcher({ clock })
    bind(dp)
    await dp.start()
    ;[nows, timers] = [0, 0]
    return dp
  }

  test('are not used by requests that start at once, with and without a key', async () => {
    const dp = await started((one) => one.queries.bind(Message, async () => 1))
    for (let n = 0; n < count; n += 1) {
      await dp.request(new Message())
      await dp.request(new Message(), { key: 'a' })
    }
    expect({ nows, timers, controllers }).toEqual({ nows: 0, timers: 0, controllers: 0 })
  })

  test('are not used by events whose handlers start at once, told and awaited', async () => {
    const dp = await started((one) => {
      for (const name of ['a', 'b', 'c']) one.events.bind(Message, async () => {}, { name })
    })
    for (let n = 0; n < count; n += 1) {
      await dp.publish(new Message())
      await dp.publish(new Message(), { waitForResponse: true })
    }
    expect({ nows, timers, controllers }).toEqual({ nows: 0, timers: 0, controllers: 0 })
  })

  test('are used by a message that waits, once, for when it was accepted', async () => {
    const gate = Promise.withResolvers<void>()
    const dp = await started((one) => one.events.bind(Message, () => gate.promise))
    await dp.publish(new Message(), { key: 'a' }) // It runs: the others are behind it.
    for (let n = 0; n < count; n += 1) await dp.publish(new Message(), { key: 'a' })
    expect({ nows, timers, controllers }).toEqual({ nows: count, timers: 0, controllers: 0 })
    gate.resolve()
    await dp.publish(new Message(), { key: 'a', waitForResponse: true })
  })

  test('are used by a request with a time limit: one reading of the clock at most, and one timer for all', async () => {
    const dp = await started((one) => one.queries.bind(Message, async () => 1))
    for (let n = 0; n < count; n += 1) await dp.request(new Message(), { timeoutMs: 1_000 })
    expect({ nows, timers, controllers }).toEqual({ nows: count, timers: 1, controllers: 0 })
  })
})
