import { expect, test } from 'vitest'
import { fixed, retry } from '../../src/index.ts'
import { ManualClock } from '../manual-clock.ts'
import { busOn, noticed, Placed, placed, tempFile } from './bus-file.ts'

const HOUR_MS = 3_600_000

test('after the clock was set back, all goes on; what is delayed comes later, never too early, and does not wait for the clock', async () => {
  const path = tempFile()
  const recover = retry({ attempts: 2, backoff: fixed(1_000) })
  const late = new ManualClock()
  late.advance(1_000 * HOUR_MS)
  const first = busOn(path, { clock: late, recover })
  first.events.bind(
    Placed,
    () => {
      throw new Error('not yet')
    },
    { name: 'a' },
  )
  const retried = noticed(first, 'retried')
  await first.start()
  await first.publish(placed(1), { key: 'k' })
  await first.publish(placed(2), { key: 'k' })
  await retried
  await first.stop()

  const early = new ManualClock()
  early.advance(999 * HOUR_MS)
  const second = busOn(path, { clock: early, recover })
  const seen: number[] = []
  const whenSeen = new Map([1, 2, 3, 4].map((order) => [order, Promise.withResolvers<void>()]))
  second.events.bind(
    Placed,
    ({ order }) => {
      seen.push(order)
      whenSeen.get(order)?.resolve()
    },
    { name: 'a' },
  )
  await second.start()
  await second.publish(placed(3), { waitForResponse: true })
  await second.publish(placed(4), { delayMs: 1_000 })
  expect(seen).toEqual([3])
  early.advance(1_000)
  await whenSeen.get(2)?.promise
  expect(seen).toEqual([3, 1, 2])
  // Its time goes on at half the speed, until the clock has caught up.
  early.advance(1_000)
  await whenSeen.get(4)?.promise
  expect(seen).toEqual([3, 1, 2, 4])
  await second.stop()
})
