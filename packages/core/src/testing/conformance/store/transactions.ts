import { deepEqual, equal, ok } from 'node:assert/strict'
import type { CaseDefinition } from './case-definition.ts'
import { message, messages } from './samples.ts'
import { idsOf, logOf, rejectsWith, turns, until } from './trial.ts'

export const transactions: readonly CaseDefinition[] = [
  {
    name: 'tx-foreign',
    title: 'what is no transaction of this store is refused, and nothing is stored',
    run: async (trial) => {
      const open = await trial.open()
      await rejectsWith('FOREIGN_TRANSACTION', open.append([message('a')], {}), 'A transaction of somebody else')
      deepEqual(await idsOf(await trial.restart()), [])
    },
  },
  {
    name: 'tx-commit',
    title: 'what is appended in a transaction is stored with it, in the order of the calls',
    needs: ['tx'],
    run: async (trial) => {
      const open = await trial.open()
      await open.append([message('before')])
      const { tx, commit } = await trial.begin()
      deepEqual(await open.append(messages('m', 3), tx), [true, true, true])
      deepEqual(await open.append([message('last')], tx), [true])
      await commit()
      await open.append([message('after')])
      deepEqual(await idsOf(await trial.restart()), ['before', 'm0', 'm1', 'm2', 'last', 'after'])
    },
  },
  {
    name: 'tx-is-not-read-early',
    title:
      'what is appended in a transaction cannot be read before it is committed: it is not there, or the reader waits (S2)',
    needs: ['tx'],
    run: async (trial) => {
      const open = await trial.open()
      for (const ends of ['rollback', 'commit'] as const) {
        const transaction = await trial.begin()
        await open.append([message(ends)], transaction.tx)
        let hasEnded = false
        const read = async (): Promise<void> => {
          const found = [...(await open.read(0, 0, 10)), ...(await open.readAt(0, [1]))]
          if (!hasEnded || ends === 'rollback') deepEqual(found, [])
        }
        const reading = read()
        await Promise.race([reading, turns(20)])
        hasEnded = true
        await transaction[ends]()
        await reading
        deepEqual(await idsOf(open), ends === 'commit' ? ['commit'] : [])
      }
    },
  },
  {
    name: 'tx-rollback',
    title: 'what is rolled back was never there, and leaves no gap (S2)',
    needs: ['tx'],
    run: async (trial) => {
      const open = await trial.open()
      for (let n = 0; n < 6; n += 1) {
        const { tx, commit, rollback } = await trial.begin()
        await open.append(messages(`${n},`, 2), tx)
        await (n % 2 === 0 ? rollback() : commit())
        await open.append([message(`after ${n}`)])
      }
      const log = await logOf(await trial.restart())
      const expected = [0, 1, 2, 3, 4, 5].flatMap((n) => (n % 2 === 0 ? [] : [`${n},0`, `${n},1`]).concat(`after ${n}`))
      deepEqual(
        log.map(({ id, position }) => [id, position]),
        expected.map((id, n) => [id, n + 1]),
      )
    },
  },
  {
    name: 'tx-duplicates-rolled-back',
    title: 'an id that was rolled back is not remembered; within a transaction it is',
    needs: ['tx'],
    run: async (trial) => {
      const open = await trial.open()
      const mayRepeat = message('a', { mayRepeat: true })
      const first = await trial.begin()
      deepEqual(await open.append([mayRepeat, mayRepeat], first.tx), [true, false])
      deepEqual(await open.append([mayRepeat], first.tx), [false])
      await first.rollback()
      const second = await trial.begin()
      deepEqual(await open.append([mayRepeat], second.tx), [true])
      await second.commit()
      deepEqual(await open.append([mayRepeat]), [false])
      deepEqual(await idsOf(open), ['a'])
    },
  },
  {
    name: 'tx-delayed',
    title: 'a delayed message is kept with its transaction',
    needs: ['tx'],
    run: async (trial) => {
      const open = await trial.open()
      const dueAt = open.now() + 60_000
      for (const ends of ['rollback', 'commit'] as const) {
        const transaction = await trial.begin()
        await open.append([message(ends, { dueAt })], transaction.tx)
        await transaction[ends]()
      }
      equal((await open.stats()).delayed, 1)
      await trial.advance(120_000)
      equal(await open.appendDue(10), undefined)
      deepEqual(await idsOf(open), ['commit'])
    },
  },
  {
    name: 'tx-with-effects',
    title: 'effects and messages of a transaction are stored together or not at all (the outbox)',
    needs: ['tx'],
    run: async (trial) => {
      const open = await trial.open()
      for (const ends of ['rollback', 'commit'] as const) {
        const transaction = await trial.begin()
        await trial.write(transaction.tx, ends)
        await open.append([message(ends)], transaction.tx)
        await transaction[ends]()
      }
      deepEqual([await trial.effects(), await idsOf(open)], [['commit'], ['commit']])
    },
  },
  {
    name: 'tx-crash',
    title: 'a crash rolls back what is not committed',
    needs: ['tx'],
    run: async (trial) => {
      const open = await trial.open()
      const { tx } = await trial.begin()
      await trial.write(tx, 'a')
      await open.append([message('a', { mayRepeat: true })], tx)
      const again = await trial.restart()
      deepEqual([await trial.effects(), await idsOf(again)], [[], []])
      deepEqual(await again.append([message('a', { mayRepeat: true })]), [true])
    },
  },
  {
    name: 'tx-wakes',
    title: 'the commit of a transaction wakes the bus',
    needs: ['tx'],
    run: async (trial) => {
      const open = await trial.open()
      const { tx, commit } = await trial.begin()
      await open.append([message('a')], tx)
      const before = trial.wakes
      await commit()
      await until(() => trial.wakes > before, 'wake() is called after the commit')
    },
  },
  {
    name: 'tx-out-of-order',
    title: 'transactions that commit in another order than they began skip nothing and show nothing early (S2)',
    needs: ['manyTx'],
    run: async (trial) => {
      const open = await trial.open()
      const [a, b, c, d] = [await trial.begin(), await trial.begin(), await trial.begin(), await trial.begin()]
      const seen: string[] = []
      let last = 0
      const readOn = async (): Promise<void> => {
        for (const { id, position } of await open.read(0, last, 100)) {
          ok(position === last + 1, `Position ${position} came after ${last}.`)
          last = position
          seen.push(id)
        }
      }
      for (const [name, { tx }] of Object.entries({ a, b, c, d })) await open.append(messages(name, 2), tx)
      await readOn()
      await d.commit()
      await readOn()
      await open.append([message('plain')])
      await b.rollback()
      await readOn()
      await open.append([message('a2')], a.tx)
      await c.commit()
      await readOn()
      await a.commit()
      await readOn()
      deepEqual(seen, ['d0', 'd1', 'plain', 'c0', 'c1', 'a0', 'a1', 'a2'])
    },
  },
]
