import { deepEqual, equal, ok } from 'node:assert/strict'
import type { CaseDefinition } from './case-definition.ts'
import { contentOf, message } from './samples.ts'
import { claimOne, idsOf, logOf, until } from './trial.ts'

const minute = 60_000

export const delaying: readonly CaseDefinition[] = [
  {
    name: 'delayed-never-early',
    title: 'a delayed message is in the log when it is due, and not before; it comes after what is there by then',
    run: async (trial) => {
      const open = await trial.open()
      const dueAt = open.now() + minute
      const delayed = message('delayed', { dueAt, key: 'k', body: 'ü' })
      deepEqual(await open.append([message('first'), delayed]), [true, true])
      equal(await open.appendDue(100), dueAt)
      await trial.advance(minute - 1_000)
      equal(await open.appendDue(100), dueAt)
      deepEqual(await idsOf(open), ['first'])
      await open.append([message('second')])
      await trial.advance(1_000)
      equal(await open.appendDue(100), undefined)
      deepEqual(await idsOf(open), ['first', 'second', 'delayed'])
      deepEqual(contentOf((await logOf(open))[2] ?? message('none')), contentOf(delayed))
      equal(await open.appendDue(100), undefined)
      equal((await idsOf(open)).length, 3)
    },
  },
  {
    name: 'delayed-order',
    title: 'what is due is appended in the order in which it is due, the rest of it when asked again',
    run: async (trial) => {
      const open = await trial.open()
      const due = open.now() + minute
      const order = [3, 1, 4, 0, 5, 2]
      await open.append(order.map((n) => message(`${n}`, { dueAt: due + n })))
      await trial.advance(2 * minute)
      equal(await open.appendDue(4), due + 4)
      deepEqual(await idsOf(open), ['0', '1', '2', '3'])
      equal(await open.appendDue(4), undefined)
      deepEqual(await idsOf(open), ['0', '1', '2', '3', '4', '5'])
    },
  },
  {
    name: 'delayed-survive',
    title: 'a delayed message survives a crash, also when it falls due meanwhile',
    run: async (trial) => {
      const open = await trial.open()
      const dueAt = open.now() + minute
      await open.append([message('a', { dueAt }), message('b', { dueAt: dueAt + 60 * minute })])
      await trial.advance(2 * minute)
      const again = await trial.restart()
      equal((await again.stats()).delayed, 2)
      equal(await again.appendDue(100), dueAt + 60 * minute)
      deepEqual(await idsOf(again), ['a'])
    },
  },
  {
    name: 'delayed-cancel',
    title: 'a delayed message that was cancelled never comes; one that has come, or is none, cannot be cancelled',
    run: async (trial) => {
      const open = await trial.open()
      const dueAt = open.now() + minute
      await open.append([message('a', { dueAt }), message('b', { dueAt }), message('c')])
      equal(await open.cancel('a'), true)
      equal(await open.cancel('a'), false)
      const again = await trial.restart()
      await trial.advance(2 * minute)
      equal(await again.appendDue(100), undefined)
      deepEqual((await idsOf(again)).sort(), ['b', 'c'])
      deepEqual([await again.cancel('b'), await again.cancel('c'), await again.cancel('none')], [false, false, false])
    },
  },
  {
    name: 'delayed-reschedule',
    title: 'one that was cancelled may be appended anew under its id, with another time',
    run: async (trial) => {
      const open = await trial.open()
      const dueAt = open.now() + minute
      deepEqual(await open.append([message('a', { dueAt, mayRepeat: true })]), [true])
      equal(await open.cancel('a'), true)
      deepEqual(await open.append([message('a', { dueAt: dueAt + 5 * minute, mayRepeat: true })]), [true])
      await trial.advance(2 * minute)
      equal(await open.appendDue(100), dueAt + 5 * minute)
      await trial.advance(5 * minute)
      await open.appendDue(100)
      deepEqual(await idsOf(open), ['a'])
    },
  },
  {
    name: 'delayed-duplicates',
    title: 'an id is refused while its message is delayed, and after it has come',
    run: async (trial) => {
      const open = await trial.open()
      const dueAt = open.now() + minute
      deepEqual(await open.append([message('a', { dueAt, mayRepeat: true })]), [true])
      deepEqual(await open.append([message('a', { mayRepeat: true })]), [false])
      deepEqual(await open.append([message('a', { dueAt, mayRepeat: true })]), [false])
      await trial.advance(2 * minute)
      await open.appendDue(100)
      deepEqual(await open.append([message('a', { mayRepeat: true })]), [false])
      deepEqual(await idsOf(open), ['a'])
    },
  },
  {
    name: 'delayed-once',
    title: 'what is due is appended once, however many ask at a time',
    run: async (trial) => {
      const open = await trial.open()
      const dueAt = open.now() + minute
      const ids = Array.from({ length: 20 }, (_, n) => `${n}`)
      await open.append(ids.map((id) => message(id, { dueAt })))
      await trial.advance(2 * minute)
      await Promise.all([open.appendDue(100), open.appendDue(100), open.appendDue(7), open.appendDue(100)])
      deepEqual((await idsOf(open)).sort(), [...ids].sort())
    },
  },
  {
    name: 'delayed-that-is-caused',
    title: 'what a handler causes may be delayed',
    run: async (trial) => {
      const open = await trial.open()
      const dueAt = open.now() + minute
      await open.settle(await claimOne(open), { caused: [message('later', { dueAt }), message('now')] })
      deepEqual(await idsOf(open), ['now'])
      equal(await open.appendDue(100), dueAt)
      await trial.advance(2 * minute)
      await open.appendDue(100)
      deepEqual(await idsOf(open), ['now', 'later'])
    },
  },
  {
    name: 'delayed-wakes',
    title:
      'a message that is due sooner than all others wakes the bus; and what has fallen due does when it is appended',
    run: async (trial) => {
      const open = await trial.open()
      const dueAt = open.now() + minute
      await open.append([message('a', { dueAt })])
      await until(() => trial.wakes > 0, 'wake() is called for a delayed message')
      await trial.advance(2 * minute)
      const before = trial.wakes
      await open.appendDue(100)
      await until(() => trial.wakes > before, 'wake() is called for what has fallen due')
      ok((await idsOf(open)).includes('a'))
    },
  },
]
