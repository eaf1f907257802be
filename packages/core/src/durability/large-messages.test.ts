import { expect, test, vi } from 'vitest'
import { quiet } from '../../test/quiet.ts'
import { silent } from '../../test/silent.ts'
import { Dispatcher } from '../dispatcher.ts'
import { memory } from '../memory/index.ts'
import { defineEvent } from '../message/define.ts'
import type { Store } from '../ports/store.ts'
import { fixed } from '../routing/backoff.ts'
import { retry } from '../routing/recover.ts'
import { sqlite } from '../sqlite/index.ts'

class Scanned extends defineEvent<{ page: number; image: string }>('shop.scanned') {}

const image = 'x'.repeat(500_000)

test.each<[string, () => Store, number]>([
  ['memory', () => memory(), 10],
  ['sqlite', () => sqlite(':memory:'), 20],
])('of large messages few are in memory at a time, and all are handled, on %s', async (_, open, most) => {
  const dp = new Dispatcher({ store: open(), logger: silent, workers: Infinity })
  const go = Promise.withResolvers<void>()
  const [small, large]: [number[], number[]] = [[], []]
  const handle = async (scanned: Scanned): Promise<void> => {
    const handled = scanned.image === '' ? small : large
    handled.push(scanned.page)
    await go.promise
  }
  dp.events.bind(Scanned, handle, { name: 'index' })
  await dp.start()
  const pages = Array.from({ length: 60 }, (__, page) => page)
  for (const page of pages) await dp.publish(new Scanned({ page, image: '' }))
  for (const page of pages) await dp.publish(new Scanned({ page, image }))
  await quiet(50)
  expect(small).toEqual(pages)
  expect(large.length).toBeGreaterThan(0)
  expect(large.length).toBeLessThan(most)
  go.resolve()
  await vi.waitUntil(() => large.length === pages.length, { timeout: 10_000 })
  expect(large).toEqual(pages)
  await dp.stop()
})

test('of large messages that fail, few wait in memory for their next attempt', async () => {
  const dp = new Dispatcher({
    store: sqlite(':memory:', { scanAhead: 100 }),
    logger: silent,
    workers: Infinity,
    recover: retry({ attempts: 2, backoff: fixed(60_000) }),
  })
  let failed = 0
  const handle = (): never => {
    failed += 1
    throw new Error('The index is down.')
  }
  dp.events.bind(Scanned, handle, { name: 'index' })
  await dp.start()
  for (let page = 0; page < 60; page += 1) await dp.publish(new Scanned({ page, image }))
  await quiet(50)
  expect(failed).toBeGreaterThan(0)
  expect(failed).toBeLessThan(25)
  await dp.stop()
})
