import { expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { stopWithin } from '../../test/stop-within.ts'
import { quiet } from '../../test/quiet.ts'
import { silent } from '../../test/silent.ts'
import { Dispatcher } from '../dispatcher.ts'
import { memory } from '../memory/index.ts'
import { defineEvent } from '../message/define.ts'
import { immediate } from '../routing/backoff.ts'
import { retry } from '../routing/recover.ts'

class Placed extends defineEvent<{ order: number }>('shop.placed') {}

test('an attempt that waited for a handler from before a stop is suspect when the process crashes in it', async () => {
  const clock = new ManualClock()
  const store = memory()
  const recover = retry({ attempts: 5, backoff: immediate() })
  const first = new Dispatcher({ store, clock, recover, logger: silent })
  const ends: (() => void)[] = []
  first.events.bind(Placed, () => new Promise<void>((resolve) => ends.push(resolve)), { name: 'a', timeoutMs: 5 })
  await first.start()
  await first.publish(new Placed({ order: 1 }), { key: 'k' })
  await quiet()
  clock.advance(10) // It has failed by its time; its handler goes on, beyond the stop.
  await stopWithin(clock, first)
  await first.start()
  await quiet()
  expect(ends).toHaveLength(1)
  ends[0]?.()
  await quiet()
  expect(ends).toHaveLength(2)
  store.crash()

  const second = new Dispatcher({ store, clock, recover, logger: silent })
  onTestFinished(() => stopWithin(clock, second))
  const counts: number[] = []
  second.observe('suspects', ({ count }) => counts.push(count))
  second.events.bind(Placed, () => {}, { name: 'a' })
  await second.start()
  await quiet()
  expect(counts).toEqual([1])
})
