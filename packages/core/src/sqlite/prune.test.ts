import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../test/manual-clock.ts'
import { claimOne, idsOf, message, messages, openStore, subscription, tempFile } from '../../test/sqlite/trial.ts'
import type { Span } from '../ports/progress.ts'
import type { Exception, OpenStore } from '../ports/store.ts'
import { sqlite } from './sqlite.ts'

const exception = (position: number): Exception => {
  return { position, key: 'k', state: 'retrying', dueAt: undefined, note: undefined }
}

async function finish(open: OpenStore, ...done: Span[]): Promise<void> {
  const claim = await claimOne(open)
  await open.settle(claim, { reached: Math.max(...done.map(([, to]) => to)), done })
  await open.release([claim])
}

test('what is kept for a time leaves the log with the first write after it', async () => {
  const clock = new ManualClock()
  const open = await openStore(sqlite(tempFile(), { completion: { keepMs: 1_000 } }), { clock })
  for (const time of [0, 500, 900]) await open.append([message(`at ${time}`, { time })])
  await finish(open, [1, 3])
  clock.advance(999)
  await open.append([message('a')])
  expect(await idsOf(open)).toEqual(['at 0', 'at 500', 'at 900', 'a'])
  clock.advance(501)
  await open.append([message('b')])
  expect(await idsOf(open)).toEqual(['at 900', 'a', 'b'])
  clock.advance(10_000)
  await open.append([message('c')])
  expect(await idsOf(open)).toEqual(['a', 'b', 'c'])
})

test('what is archived has left the log, and a new subscription may read it from there', async () => {
  const path = tempFile()
  const first = await openStore(sqlite(path, { completion: 'archive' }))
  await first.append(messages(4))
  const claim = await claimOne(first)
  await first.settle(claim, { reached: 4, done: [[1, 4]], exceptions: [exception(2)] })
  await first.release([claim])
  expect((await first.stats()).messages).toBe(1)
  await first.close()
  const subscriptions = [subscription(), subscription('events/late', { from: 'beginning' })]
  const open = await openStore(sqlite(path, { completion: 'archive' }), { subscriptions })
  const [again, late] = await open.claim()
  expect([again?.progress.cursor, late?.progress.cursor, late?.takes]).toEqual([
    4,
    0,
    [{ type: 't', after: 0, upTo: undefined }],
  ])
  expect(await idsOf(open)).toEqual(['m1', 'm2', 'm3', 'm4'])
  expect((await open.readAt(0, [3, 2])).map(({ id }) => id)).toEqual(['m3', 'm2'])
  if (again !== undefined) await open.settle(again, { cleared: [2] })
  expect((await open.stats()).messages).toBe(0)
  expect(await idsOf(open)).toEqual(['m1', 'm2', 'm3', 'm4'])
})

test('much that is finished at a time is removed in steps, also when nothing else is written', async () => {
  const path = tempFile()
  const [a, b] = [subscription('events/a'), subscription('events/b')]
  const first = await openStore(sqlite(path), { subscriptions: [a, b] })
  await first.append(messages(3_000))
  const claims = await first.claim()
  const [claim] = claims
  for (let at = 0; at < 3_000; at += 1_000) {
    if (claim !== undefined) await first.settle(claim, { reached: at + 1_000, done: [[at + 1, at + 1_000]] })
  }
  await first.release(claims)
  await first.close()
  // The orphan held all of it back.
  const open = await openStore(sqlite(path, { forget: ['events/b'] }), { subscriptions: [a] })
  expect((await open.stats()).messages).toBe(3_000)
  await open.append([message('last')])
  const kept = (): Promise<number> => open.stats().then(({ messages: count }) => count)
  expect(await kept()).toBeGreaterThan(2_000)
  while ((await kept()) > 1) await new Promise((resolve) => setImmediate(resolve))
  expect(await idsOf(open)).toEqual(['last'])
})

test('a message with exceptions of two subscriptions leaves with the last of them', async () => {
  const subscriptions = [subscription('events/a'), subscription('events/b')]
  const open = await openStore(sqlite(tempFile()), { subscriptions })
  await open.append(messages(3))
  const claims = await open.claim()
  for (const claim of claims) await open.settle(claim, { reached: 3, exceptions: [exception(2)], done: [[1, 3]] })
  expect(await idsOf(open)).toEqual(['m2'])
  if (claims[0] !== undefined) await open.settle(claims[0], { cleared: [2] })
  expect(await idsOf(open)).toEqual(['m2'])
  if (claims[1] !== undefined) await open.settle(claims[1], { cleared: [2] })
  expect(await idsOf(open)).toEqual([])
  expect((await open.stats()).messages).toBe(0)
})

test('positions go on after all was removed, and the file was opened again', async () => {
  const path = tempFile()
  const first = await openStore(sqlite(path))
  await first.append(messages(5))
  await finish(first, [1, 5])
  await first.close()
  const open = await openStore(sqlite(path))
  await open.append([message('next')])
  expect((await open.read(0, 0, 10)).map(({ position }) => position)).toEqual([6])
})

test('ids that have expired are forgotten by and by, a few for each that is new', async () => {
  const clock = new ManualClock()
  const path = tempFile()
  const open = await openStore(sqlite(path, { dedupeMs: 1_000 }), { clock })
  const reader = new DatabaseSync(path, { readOnly: true })
  onTestFinished(() => reader.close())
  const count = (): unknown => reader.prepare('SELECT count(*) AS n FROM iambus_seen').get()?.['n']
  const append = async (prefix: string): Promise<void> => {
    for (const one of messages(100, prefix)) await open.append([{ ...one, mayRepeat: true }])
  }
  await append('old')
  expect(count()).toBe(100)
  clock.advance(2_000)
  await append('new')
  expect(count()).toBe(100)
  expect(await open.append([message('new1', { mayRepeat: true })])).toEqual([false])
  expect(await open.append([message('old1', { mayRepeat: true })])).toEqual([true])
})

test('a message whose exception is cleared stays for those that have not come so far', async () => {
  const subscriptions = [subscription('events/a'), subscription('events/b')]
  const open = await openStore(sqlite(tempFile()), { subscriptions })
  await open.append(messages(2))
  const [claim] = await open.claim()
  if (claim === undefined) throw new Error('There is nothing to claim.')
  await open.settle(claim, { reached: 2, exceptions: [exception(1)], done: [[2, 2]] })
  await open.settle(claim, { cleared: [1] })
  expect(await idsOf(open)).toEqual(['m1', 'm2'])
})
