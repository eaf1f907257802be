import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import { claimOne, idsOf, message, openStore, tempFile } from '../../test/sqlite/trial.ts'
import type { NewMessage, OpenStore, Page } from '../ports/store.ts'
import { sqlite } from './sqlite.ts'

interface Told {
  readonly open: OpenStore
  /** What was handed over, as the positions and ids of each page, with what is before it. */
  readonly pages: (readonly [after: number, ...messages: string[]])[]
  readonly wake: ReturnType<typeof vi.fn>
}

async function opened(store = sqlite(tempFile())): Promise<Told> {
  const pages: Told['pages'] = []
  const appended = ({ after, messages }: Page): void => {
    pages.push([after, ...messages.map(({ position, id }) => `${position} ${id}`)])
  }
  const wake = vi.fn<() => void>()
  return { open: await openStore(store, { appended, wake }), pages, wake }
}

test('what was appended is handed over, and nobody is woken to read it', async () => {
  const { open, pages, wake } = await opened()
  await open.append([message('a'), message('b')])
  await Promise.all([open.append([message('c')]), open.append([message('d')])])
  expect(pages).toEqual([
    [0, '1 a', '2 b'],
    [2, '3 c', '4 d'],
  ])
  expect(wake).not.toHaveBeenCalled()
})

test('it is as it was when it was appended, and whole', async () => {
  const pages: Page[] = []
  const open = await openStore(sqlite(tempFile()), { appended: (page) => pages.push(page) })
  const one: { body: string } & ReturnType<typeof message> = {
    ...message('a', { key: 'k', time: 7, envelope: '{"h":{}}' }),
  }
  const appending = open.append([one])
  await appending
  one.body = 'changed since'
  expect(pages[0]?.messages).toEqual(await open.read(0, 0, 10))
})

test('its copy is handed over beside it, and not stored', async () => {
  const pages: Page[] = []
  const open = await openStore(sqlite(tempFile()), { appended: (page) => pages.push(page) })
  const copy = { n: 1 }
  await open.append([{ ...message('a'), copy }, message('b')])
  expect(pages[0]?.copies).toEqual([copy, undefined])
  expect(pages[0]?.messages).toStrictEqual(await open.read(0, 0, 10))
})

test('what repeats an id, what is not due, and what was undone, is not handed over', async () => {
  const { open, pages, wake } = await opened()
  const claim = await claimOne(open)
  await Promise.allSettled([
    open.append([message('a', { mayRepeat: true })]),
    open.append([message('a', { mayRepeat: true }), message('b')]),
    open.append([message('later', { dueAt: open.now() + 1_000 })]),
    open.settle(claim, { caused: [message('c'), message('d')] }),
    open.settle({ ...claim, epoch: 99 }, { caused: [message('lost')] }),
    // What the types refuse, the table refuses too.
    open.append([message('wrong'), { ...message('worse'), body: null as unknown as string }]),
    open.append([message('e')]),
  ])
  expect(pages).toEqual([[0, '1 a', '2 b', '3 c', '4 d', '5 e']])
  expect(await idsOf(open)).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(wake).toHaveBeenCalledTimes(1)
})

test.each<[string, (tx: DatabaseSync, append: () => unknown) => NewMessage[] | Promise<NewMessage[]>, string[]]>([
  ['does nothing of the kind', () => [message('caused')], ['before', 'caused', 'after']],
  ['throws', () => Promise.reject(new Error('undone')), ['before', 'after']],
  [
    'takes back, by a savepoint of its own, what it has published',
    (tx, append) => {
      tx.exec('SAVEPOINT own')
      append()
      tx.exec('ROLLBACK TO own; RELEASE own')
      return [message('caused')]
    },
    ['before', 'caused', 'after'],
  ],
  [
    'ends the transaction, and begins another one',
    (tx, append) => {
      tx.exec('COMMIT; BEGIN')
      append()
      return [message('caused')]
    },
    ['before', 'after'],
  ],
  [
    'commits, and that is all',
    (tx) => {
      tx.exec('COMMIT')
      return [message('caused')]
    },
    ['before', 'after'],
  ],
])('where a work %s, only what is in the file is handed over', async (_, run, left) => {
  const { open, pages, wake } = await opened()
  const appending: Promise<unknown>[] = [open.append([message('before')])]
  const append = (tx: unknown): void => void appending.push(open.append([message('by tx')], tx))
  const work = (tx: unknown): NewMessage[] | Promise<NewMessage[]> => run(tx as DatabaseSync, () => append(tx))
  appending.push(open.settle(undefined, { work }))
  await Promise.allSettled(appending)
  await open.append([message('after')])
  await Promise.allSettled(appending)
  expect(await idsOf(open)).toEqual(left)
  expect(pages).toEqual([[left.length - 1, `${left.length} after`]])
  expect(wake).toHaveBeenCalled()
})

test('a work that appends nothing wakes nobody', async () => {
  const { open, pages, wake } = await opened()
  await open.settle(undefined, { work: () => [] })
  expect([pages, wake.mock.calls]).toEqual([[], []])
})

test("what was appended in the caller's transaction is read when that has ended", async () => {
  const database = new DatabaseSync(tempFile())
  onTestFinished(() => database.close())
  const { open, pages, wake } = await opened(sqlite({ database }))
  database.exec('BEGIN')
  await open.append([message('a')], database)
  database.exec('COMMIT')
  await vi.waitUntil(() => wake.mock.calls.length > 0)
  expect([pages, await idsOf(open)]).toEqual([[], ['a']])
  await open.append([message('b')])
  expect(pages).toEqual([[1, '2 b']])
})
