import { expect, test } from 'vitest'
import { claimOne, message, messages, openStore, subscription, tempFile } from '../../test/sqlite/trial.ts'
import { sqlite } from './sqlite.ts'

test('a subscription that was renamed keeps its progress, its exceptions and its dead letters', async () => {
  const path = tempFile()
  const first = await openStore(sqlite(path))
  expect(first.findings).toEqual([{ kind: 'added', subscription: 'events/a' }])
  await first.append(messages(3))
  const claim = await claimOne(first)
  const dead = {
    id: 'letter',
    subscription: 'events/a',
    partition: 0,
    message: message('m3'),
    correlationId: 'c',
    error: 'TypeError',
    attempts: '[]',
    diedAt: 0,
    isReplaying: false,
  }
  const exception = { position: 2, key: 'k', state: 'dead', dueAt: undefined, note: 'letter' } as const
  await first.settle(claim, { reached: 3, done: [[1, 1]], exceptions: [exception], dead: [dead] })
  await first.close()
  const renamed = subscription('events/new', { formerly: ['events/none', 'events/a'] })
  const open = await openStore(sqlite(path), { subscriptions: [renamed] })
  expect(open.findings).toEqual([{ kind: 'renamed', subscription: 'events/new', from: 'events/a' }])
  const again = await claimOne(open)
  expect([again.subscription, again.epoch, again.progress.cursor]).toEqual(['events/new', 2, 2])
  expect(await open.exceptions(again)).toEqual([exception])
  expect(await open.deadLetters.get('letter')).toMatchObject({ subscription: 'events/new' })
})

test('a subscription that is there under its old name is not taken over by another one', async () => {
  const path = tempFile()
  await (await openStore(sqlite(path))).close()
  const subscriptions = [subscription('events/b', { formerly: ['events/a'] }), subscription('events/a')]
  const open = await openStore(sqlite(path), { subscriptions })
  expect(open.findings).toEqual([{ kind: 'added', subscription: 'events/b' }])
})

test('a type begins and ends where the log is, each time', async () => {
  const path = tempFile()
  const takes = async (...types: string[]): Promise<unknown> => {
    const open = await openStore(sqlite(path), { subscriptions: [subscription('events/a', { types })] })
    await open.append([message('m', { type: 't' }), message('n', { type: 'u' })])
    const claim = await claimOne(open)
    await open.close()
    return [open.findings, claim.takes]
  }
  expect(await takes('t')).toEqual([
    [{ kind: 'added', subscription: 'events/a' }],
    [{ type: 't', after: 0, upTo: undefined }],
  ])
  expect(await takes('u')).toEqual([
    [{ kind: 'typeRemoved', subscription: 'events/a', type: 't', pending: 1 }],
    [
      { type: 't', after: 0, upTo: 2 },
      { type: 'u', after: 2, upTo: undefined },
    ],
  ])
  expect(await takes('t', 'u')).toEqual([
    [],
    [
      { type: 't', after: 0, upTo: 2 },
      { type: 't', after: 4, upTo: undefined },
      { type: 'u', after: 2, upTo: undefined },
    ],
  ])
})

test('what a subscription has passed of a type that it takes no more is not named any more', async () => {
  const path = tempFile()
  const first = await openStore(sqlite(path))
  await first.append(messages(2))
  await first.settle(await claimOne(first), { reached: 2, done: [[1, 2]] })
  await first.close()
  const other = { subscriptions: [subscription('events/a', { types: ['u'] })] }
  await (await openStore(sqlite(path), other)).close()
  const open = await openStore(sqlite(path), other)
  expect((await claimOne(open)).takes).toEqual([{ type: 'u', after: 2, upTo: undefined }])
})

test('types of an orphan are taken, and it is reported with what waits for it, until it is forgotten', async () => {
  const path = tempFile()
  const first = await openStore(sqlite(path), { subscriptions: [subscription('events/old', { types: ['u'] })] })
  await first.append([message('m', { type: 'u' })])
  await first.close()
  const open = await openStore(sqlite(path))
  expect(open.findings).toContainEqual({ kind: 'orphan', subscription: 'events/old', pending: 1 })
  expect([open.takes('t'), open.takes('u'), open.takes('v')]).toEqual([true, true, false])
  await open.close()
  const again = await openStore(sqlite(path, { forget: ['events/old', 'events/never'] }))
  expect([again.findings, again.takes('u')]).toEqual([
    [{ kind: 'forgotten', subscription: 'events/old', pending: 1 }],
    false,
  ])
  await again.append([message('n')])
  expect((await again.read(0, 0, 10)).map(({ id }) => id)).toEqual(['n'])
})

test('what is bound cannot be forgotten', async () => {
  const store = sqlite(tempFile(), { forget: ['events/a'] })
  await expect(openStore(store)).rejects.toMatchObject({ code: 'FORGOTTEN' })
})

test("where finished messages are deleted, nobody can begin at the beginning, and nobody's file is made", async () => {
  const path = tempFile()
  const subscriptions = [subscription('events/a', { from: 'beginning' })]
  await expect(openStore(sqlite(path), { subscriptions })).rejects.toMatchObject({ code: 'FROM_BEGINNING' })
  const open = await openStore(sqlite(path, { completion: { keepMs: 1_000 } }), { subscriptions })
  expect(open.findings).toEqual([{ kind: 'added', subscription: 'events/a' }])
})
