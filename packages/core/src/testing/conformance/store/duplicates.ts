import { deepEqual, equal } from 'node:assert/strict'
import type { NewMessage } from '../../../ports/store.ts'
import type { CaseDefinition } from './case-definition.ts'
import { message, messages } from './samples.ts'
import { appended, claimOne, idsOf, logOf } from './trial.ts'

const mayRepeat = { mayRepeat: true }

export const duplicates: readonly CaseDefinition[] = [
  {
    name: 'duplicates-in-a-batch',
    title: 'of two messages of one id in one call, the first is stored (S1)',
    run: async (trial) => {
      const open = await trial.open()
      const batch = [message('a', mayRepeat), message('b'), message('a', { ...mayRepeat, body: 'the second' })]
      deepEqual(await open.append(batch), [true, true, false])
      deepEqual(
        (await logOf(open)).map(({ id, body }) => [id, body]),
        [
          ['a', message('a').body],
          ['b', message('b').body],
        ],
      )
    },
  },
  {
    name: 'duplicates-across-calls',
    title: 'an id that was stored before is refused, and what comes with it is stored (S1)',
    run: async (trial) => {
      const open = await trial.open()
      deepEqual(await open.append([message('a', mayRepeat)]), [true])
      deepEqual(await open.append([message('b'), message('a', mayRepeat), message('c')]), [true, false, true])
      deepEqual(await idsOf(open), ['a', 'b', 'c'])
      deepEqual(
        (await logOf(open)).map(({ position }) => position),
        [1, 2, 3],
      )
    },
  },
  {
    name: 'duplicates-after-a-restart',
    title: 'an id is remembered by the store, not by the process (S1)',
    run: async (trial) => {
      const open = await trial.open()
      await open.append([message('a', mayRepeat)])
      const again = await trial.restart()
      deepEqual(await again.append([message('a', mayRepeat)]), [false])
      await again.close()
      const third = await trial.open()
      deepEqual(await third.append([message('a', mayRepeat)]), [false])
      deepEqual(await idsOf(third), ['a'])
    },
  },
  {
    name: 'duplicates-of-what-is-finished',
    title: 'an id is remembered also when its message has been finished, and has left the log',
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      const [position] = await appended(open, [message('a', mayRepeat)])
      await open.settle(claim, { reached: position, done: [[1, 1]] })
      deepEqual(await open.append([message('a', mayRepeat)]), [false])
    },
  },
  {
    name: 'duplicates-in-a-race',
    title: 'of many that append one id at a time, one does',
    run: async (trial) => {
      const open = await trial.open()
      const batch = Array.from({ length: 20 }, (_, n) => message('a', { ...mayRepeat, body: `${n}` }))
      const results = await Promise.all(batch.map((one) => open.append([one])))
      equal(results.flat().filter(Boolean).length, 1)
      deepEqual(await idsOf(open), ['a'])
    },
  },
  {
    name: 'duplicates-expire',
    title: 'an id is forgotten when its time is over, and not before',
    run: async (trial) => {
      const open = await trial.open()
      await open.append([message('a', mayRepeat)])
      const almost = Math.floor(trial.subject.dedupeMs * 0.9)
      await trial.advance(almost)
      deepEqual(await open.append([message('a', mayRepeat)]), [false])
      await trial.advance(trial.subject.dedupeMs - almost + 1)
      deepEqual(await open.append([message('a', mayRepeat)]), [true])
      deepEqual(await open.append([message('a', mayRepeat)]), [false])
      deepEqual(await idsOf(open), ['a', 'a'])
    },
  },
  {
    name: 'duplicates-expire-one-by-one',
    title: 'when an id is forgotten, those that came later are not',
    run: async (trial) => {
      const open = await trial.open()
      const halfMs = Math.floor(trial.subject.dedupeMs / 2)
      await open.append(messages('early ', 30, mayRepeat))
      await trial.advance(halfMs + 1)
      await open.append(messages('late ', 30, mayRepeat))
      await trial.advance(halfMs + 1)
      for (let n = 0; n < 30; n += 1) await open.append([message(`other ${n}`, mayRepeat)])
      const again = await trial.restart()
      deepEqual(new Set(await again.append(messages('late ', 30, mayRepeat))), new Set([false]))
      deepEqual(new Set(await again.append(messages('early ', 30, mayRepeat))), new Set([true]))
    },
  },
  {
    name: 'duplicates-that-are-caused',
    title: 'what is caused with an id that was stored before is left out, and the rest of the settlement is stored',
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      const [position] = await appended(open, [message('a', mayRepeat)])
      await open.settle(claim, {
        reached: position,
        done: [[1, 1]],
        caused: [message('a', mayRepeat), message('b', mayRepeat), message('b', mayRepeat)],
      })
      const again = await trial.restart()
      const ids = (await idsOf(again)).filter((id) => id !== 'a') // It is finished, and may have left the log.
      deepEqual(ids, ['b'])
      equal((await claimOne(again)).progress.cursor, 1)
    },
  },
  {
    name: 'duplicates-that-are-caused-are-told',
    title: 'settle tells of each message that is caused whether it is new, whether there is a claim or not (S1)',
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      const [position] = await appended(open, [message('a', mayRepeat)])
      const caused = ['b', 'a', 'c', 'b'].map((id) => message(id, mayRepeat))
      deepEqual(await open.settle(claim, { reached: position, done: [[1, 1]], caused }), [true, false, true, false])
      deepEqual(await open.settle(claim, { caused: [message('c', mayRepeat)] }), [false])
      deepEqual(await open.settle(claim, { caused: [message('d', mayRepeat)] }), [true])
      deepEqual(await open.settle(claim, { caused: messages('a', 2) }), [true, true])
      deepEqual(await open.settle(claim, { exceptions: [] }), [])
      deepEqual(await open.settle(undefined, { caused: [message('e', mayRepeat), caused[0] as NewMessage] }), [
        true,
        false,
      ])
      deepEqual(await open.append([message('e', mayRepeat)]), [false])
    },
  },
  {
    name: 'duplicates-in-flight',
    title:
      'one that comes while the first is in an open transaction is refused if that commits, and stored if not (O2)',
    needs: ['tx'],
    run: async (trial) => {
      const open = await trial.open()
      for (const ends of ['commit', 'rollback'] as const) {
        const first = await trial.begin()
        deepEqual(await open.append([message(ends, mayRepeat)], first.tx), [true])
        const second = open.append([message(ends, mayRepeat)])
        await first[ends]()
        deepEqual(await second, [ends === 'rollback'])
      }
      deepEqual(await idsOf(open), ['commit', 'rollback'])
    },
  },
]
