import { deepEqual, equal, ok } from 'node:assert/strict'
import type { CaseDefinition } from './case-definition.ts'
import { letter, message, messages } from './samples.ts'
import { appended, claimOne, idsOf, logOf, rejectsWith } from './trial.ts'

const minute = 60_000

export const opening: readonly CaseDefinition[] = [
  {
    name: 'close-stores-what-was-given',
    title: 'close stores what it was given before, and all of it resolves',
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      const given = [
        ...messages('m', 300).map((one) => open.append([one])),
        open.settle(claim, { caused: [message('caused')], dead: [letter('dead')] }),
        open.append([message('later', { dueAt: open.now() + minute })]),
        open.schedules.put('daily', 1_000),
      ]
      const closing = open.close()
      const results = await Promise.allSettled(given)
      await closing
      equal(results.filter(({ status }) => status === 'rejected').length, 0)
      const again = await trial.open()
      deepEqual(await idsOf(again), [...messages('m', 300).map(({ id }) => id), 'caused'])
      ok(await again.deadLetters.get('dead'))
      equal((await again.stats()).delayed, 1)
      equal(await again.schedules.dueAt('daily'), 1_000)
    },
  },
  {
    name: 'close-is-the-end',
    title: 'after it was closed, it stores nothing more and says so; closing it again is nothing',
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      await open.close()
      await rejectsWith('STORE_CLOSED', open.append([message('a')]), 'An append after close')
      await rejectsWith('STORE_CLOSED', open.settle(claim, { caused: [message('b')] }), 'A settlement after close')
      await open.close()
      deepEqual(await idsOf(await trial.open()), [])
    },
  },
  {
    name: 'reopening-loses-nothing',
    title: 'a store that is opened and closed again and again has all that was stored, in order',
    run: async (trial) => {
      for (let n = 0; n < 10; n += 1) {
        const open = await trial.open()
        await open.append([message(`${n}`)])
        await open.close()
      }
      const log = await logOf(await trial.open())
      deepEqual(
        log.map(({ id, position }) => [id, position]),
        Array.from({ length: 10 }, (_, n) => [`${n}`, n + 1]),
      )
    },
  },
  {
    name: 'positions-go-on',
    title: 'positions go on over a restart also when the log is empty',
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      await appended(open, messages('m', 3))
      for (let n = 0; n < 10; n += 1) await open.settle(claim, { reached: 3, done: [[1, 3]] })
      const again = await trial.restart()
      await again.append([message('a')])
      deepEqual(
        (await again.read(0, 3, 10)).map(({ id, position }) => [id, position]),
        [['a', 4]],
      )
      await again.close()
      const third = await trial.open()
      equal((await third.stats()).appended, 4)
    },
  },
  {
    name: 'one-owner',
    title: 'while it is open, it cannot be opened again; afterwards it can',
    unless: 'shared',
    run: async (trial) => {
      const open = await trial.open()
      await rejectsWith('STORE_OWNED', trial.open(), 'A second owner')
      await open.append([message('a')])
      await open.close()
      deepEqual(await idsOf(await trial.open()), ['a'])
    },
  },
  {
    name: 'one-service',
    title: 'what was made for one service is refused to another, and stays for the first',
    run: async (trial) => {
      const open = await trial.open(undefined, 'orders')
      await open.append([message('a')])
      await open.close()
      await rejectsWith('STORE_OF_ANOTHER_SERVICE', trial.open(undefined, 'billing'), 'Another service')
      deepEqual(await idsOf(await trial.open(undefined, 'orders')), ['a'])
    },
  },
  {
    name: 'time-goes-on',
    title: 'its time goes on as the clock does',
    run: async (trial) => {
      const open = await trial.open()
      const before = open.now()
      await trial.advance(minute)
      ok(open.now() >= before + minute, `A minute later, it is ${open.now() - before} ms later.`)
    },
  },
  {
    name: 'time-never-goes-back',
    title: 'when the clock is set back, its time is never before anything that it has stored, also after a restart',
    needs: ['openingClock'],
    run: async (trial) => {
      const open = await trial.open()
      await trial.advance(10 * minute)
      await open.append([message('a', { time: open.now() })])
      const stored = trial.clock.now()
      trial.clock.setBack(60 * minute)
      ok(open.now() >= stored, `It went back by ${stored - open.now()} ms.`)
      await open.append([message('b')])
      ok(open.now() >= stored, `It went back by ${stored - open.now()} ms after the next message.`)
      const again = await trial.restart()
      ok(again.now() >= stored, `It went back by ${stored - again.now()} ms after a crash.`)
      await again.close()
      const third = await trial.open()
      ok(third.now() >= stored, `It went back by ${stored - third.now()} ms after it was closed.`)
    },
  },
]
