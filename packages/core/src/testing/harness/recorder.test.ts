import { expect, test } from 'vitest'
import {
  type BindOptions,
  Dispatcher,
  defineCommand,
  defineEvent,
  defineQuery,
  discard,
  fixed,
  retry,
} from '../../index.ts'
import { memory } from '../../memory/index.ts'
import { Recorder, testDispatcher } from '../index.ts'
import type { Harness } from './harness.ts'

class Ordered extends defineEvent<{ n: number }>('shop.ordered') {}
class Shipped extends defineEvent<{ n: number }>('shop.shipped') {}
class Charge extends defineCommand<{ n: number }>('shop.charge') {}
class Price extends defineQuery<{ n: number }, number>('shop.price') {}

/** A shop whose orders cause one of everything. */
async function shop(options: Parameters<typeof testDispatcher>[0] = {}): Promise<Harness> {
  const harness = testDispatcher({ recover: retry({ attempts: 2, backoff: fixed(1_000) }), ...options })
  const { events, commands, queries } = harness.dp
  queries.bind(Price, ({ n }) => n * 10, { name: 'price' })
  commands.bind(Charge, ({ n }, { context }) => context.publish(new Shipped({ n })), { name: 'charge' })
  events.bind(
    Ordered,
    async ({ n }, { context }) => {
      await context.request(new Price({ n }))
      context.send(new Charge({ n }))
    },
    { name: 'sell' },
  )
  events.bind(
    Ordered,
    () => {
      throw new Error('no printer')
    },
    { name: 'print' },
  )
  await harness.start()
  return harness
}

const whole = `
publish shop.ordered { n: 1 } of the key 'a'
  events/sell: done
    request shop.price { n: 1 }
      queries/price: done
    send shop.charge { n: 1 } of the key 'a'
      commands/charge: done
        publish shop.shipped { n: 1 } of the key 'a', which nobody handles
  events/print: dead after 2 attempts (Error: no printer)`.trim()

test('the tree says what was caused by what, and what became of it', async () => {
  await using harness = await shop()
  await harness.dp.publish(new Ordered({ n: 1 }), { key: 'a' })
  await harness.settled()
  expect(harness.tree()).toBe(whole)
})

test('with a store it says the same', async () => {
  await using harness = await shop({ store: memory() })
  await harness.dp.publish(new Ordered({ n: 1 }), { key: 'a' })
  await harness.settled()
  expect(harness.tree()).toBe(whole)
})

test('messages that look alike have numbers, and ids do not show', async () => {
  const run = async (): Promise<string> => {
    await using harness = testDispatcher()
    harness.dp.events.bind(Shipped, () => {}, { name: 'notify' })
    await harness.start()
    for (const n of [1, 1, 2]) await harness.dp.publish(new Shipped({ n }))
    await harness.settled()
    return harness.tree()
  }
  expect(await run()).toBe(
    [
      'publish shop.shipped { n: 1 } #1',
      '  events/notify: done',
      'publish shop.shipped { n: 1 } #2',
      '  events/notify: done',
      'publish shop.shipped { n: 2 }',
      '  events/notify: done',
    ].join('\n'),
  )
  expect(await run()).toBe(await run())
})

test('with a store, a request and a delayed message of one delivery are told apart', async () => {
  await using harness = testDispatcher({ store: memory() })
  harness.stub(Price, ({ n }) => n)
  harness.dp.events.bind(
    Ordered,
    async ({ n }, { context }) => {
      await context.request(new Price({ n }))
      context.publish(new Shipped({ n }), { delayMs: 1_000 })
    },
    { name: 'sell' },
  )
  await harness.start()
  await harness.dp.publish(new Ordered({ n: 1 }))
  await harness.settled()
  expect(harness.published(Shipped)).toEqual([new Shipped({ n: 1 })])
  expect(harness.requested(Price)).toEqual([new Price({ n: 1 })])
})

test('a message with durable handlers, and others, is one', async () => {
  await using harness = testDispatcher({ store: memory() })
  harness.dp.events.bind(Ordered, () => {}, { name: 'kept' })
  harness.dp.events.bind(Ordered, () => {}, { name: 'local', durable: false })
  await harness.start()
  await harness.dp.publish(new Ordered({ n: 1 }))
  await harness.dp.publish(new Ordered({ n: 2 }), { delayMs: 1_000 })
  await harness.settled()
  expect(harness.published(Ordered)).toEqual([new Ordered({ n: 1 }), new Ordered({ n: 2 })])
  expect(harness.deliveries().map(({ outcome }) => outcome)).toEqual(['done', 'done', 'done', 'done'])
})

test('an id that is used again, when it may be, is another message', async () => {
  await using harness = testDispatcher({ dedupeMs: 1_000 })
  harness.dp.events.bind(Ordered, () => {})
  await harness.start()
  for (const passes of [0, 500, 1_000]) {
    await harness.clock.advance(passes)
    await harness.dp.publish(new Ordered({ n: passes }), { id: 'the same' })
  }
  await harness.settled()
  expect(harness.published(Ordered).map(({ n }) => n)).toEqual([0, 1_000])
})

test('each verb is told from the others, also for one command', async () => {
  await using harness = await shop()
  await harness.dp.send(new Charge({ n: 1 }))
  await harness.dp.request(new Charge({ n: 2 }))
  await harness.dp.publish('on startup')
  await harness.settled()
  expect(harness.sent(Charge)).toEqual([new Charge({ n: 1 })])
  expect(harness.requested(Charge)).toEqual([new Charge({ n: 2 })])
  expect(harness.published('on startup')).toEqual(['on startup'])
  expect(harness.published(Shipped)).toHaveLength(2)
})

test.each<[string, BindOptions<object, never>, object]>([
  ['discarded', { recover: discard() }, { outcome: 'skipped', attempts: 1 }],
  ['dead', {}, { outcome: 'dead', attempts: 1 }],
  ['late', { timeoutMs: 10 }, { outcome: 'dead', attempts: 1, error: { code: 'TIMED_OUT' } }],
])('a delivery that is %s says so', async (_, options, expected) => {
  await using harness = testDispatcher()
  harness.dp.events.bind(
    Ordered,
    async () => {
      if (options.timeoutMs !== undefined) await new Promise<void>((resolve) => void harness.clock.after(50, resolve))
      throw new Error('no')
    },
    options,
  )
  await harness.start()
  await harness.dp.publish(new Ordered({ n: 1 }))
  await harness.settled()
  expect(harness.deliveries()).toMatchObject([expected])
})

test('a rejected request has the error of its handler; one taken back is cancelled; what is stopped says so', async () => {
  const harness = testDispatcher()
  harness.dp.queries.bind(Price, () => Promise.reject(new Error('no price')), { name: 'price' })
  harness.dp.events.bind(Ordered, () => new Promise(() => {}), { name: 'hangs' })
  await harness.start()
  await expect(harness.dp.request(new Price({ n: 1 }))).rejects.toThrow('no price')
  await harness.dp.publish(new Ordered({ n: 1 }), { id: 'later', delayMs: 1_000 })
  await harness.dp.cancel('later')
  await harness.dp.publish(new Ordered({ n: 2 }))
  await harness.stop({ deadlineMs: 0 })
  expect(harness.tree().split('\n')).toEqual([
    'request shop.price { n: 1 }',
    '  queries/price: rejected (Error: no price)',
    'publish shop.ordered { n: 1 }, cancelled',
    'publish shop.ordered { n: 2 }',
    '  events/hangs: stopped',
  ])
})

test('a dead letter that is replayed has all its attempts, and the outcome of the last', async () => {
  let isDown = true
  await using harness = testDispatcher()
  harness.dp.events.bind(Ordered, () => {
    if (isDown) throw new Error('down')
  })
  await harness.start()
  await harness.dp.publish(new Ordered({ n: 1 }))
  await harness.settled()
  isDown = false
  const [letter] = harness.deadLetters(Ordered)
  expect(letter).toMatchObject({ message: { n: 1 }, error: { message: 'down' } })
  await harness.dp.deadLetters.replay(letter?.id ?? '')
  await harness.settled()
  expect(harness.deliveries()).toMatchObject([{ outcome: 'done', attempts: 2, errors: [{ message: 'down' }] }])
})

test('a recorder of its own hears one dispatcher alone, until it is ended', async () => {
  const [dp, other] = [new Dispatcher(), new Dispatcher()]
  const recorder = new Recorder(dp)
  for (const each of [dp, other]) {
    each.events.bind(Ordered, () => {})
    await each.start()
  }
  await dp.publish(new Ordered({ n: 1 }))
  await other.publish(new Ordered({ n: 2 }))
  await Promise.resolve()
  recorder.end()
  await dp.publish(new Ordered({ n: 3 }))
  await dp.stop()
  await other.stop()
  expect(recorder.messages.map(({ message }) => message)).toEqual([new Ordered({ n: 1 })])
  expect(new Recorder(dp).tree()).toBe('Nothing happened.')
})
