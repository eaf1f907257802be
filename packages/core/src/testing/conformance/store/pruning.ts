import { deepEqual, equal } from 'node:assert/strict'
import type { Claim, OpenStore } from '../../../ports/store.ts'
import type { CaseDefinition } from './case-definition.ts'
import { exception, letter, messages, subscription } from './samples.ts'
import { appended, claimOne, claimsByName, idsOf } from './trial.ts'

const two = [subscription('events/a'), subscription('events/b')]
const count = 60

/** Gives the store every occasion to remove what it may. */
async function encourage(open: OpenStore, claims: Iterable<Claim>): Promise<void> {
  for (const claim of claims) for (let n = 0; n < 20; n += 1) await open.settle(claim, { done: [[1, 1]] })
}

const positionsOf = async (open: OpenStore, positions: readonly number[]): Promise<number[]> =>
  (await open.readAt(0, positions)).map(({ position }) => position)

export const pruning: readonly CaseDefinition[] = [
  {
    name: 'prune-what-is-finished',
    title: 'what every subscription has finished leaves the log by and by',
    run: async (trial) => {
      const open = await trial.open(two)
      const claims = [...(await claimsByName(open)).values()]
      await appended(open, messages('m', count))
      for (const claim of claims) await open.settle(claim, { reached: count, done: [[1, count]] })
      await encourage(open, claims)
      equal((await open.stats()).messages, 0)
    },
  },
  {
    name: 'prune-nothing-unfinished',
    title: 'what a subscription has not finished stays, though all others have (S6)',
    run: async (trial) => {
      const open = await trial.open(two)
      const claims = await claimsByName(open)
      await appended(open, messages('m', count))
      await open.settle(claims.get('events/a'), { reached: count, done: [[1, count]] })
      const unfinished = [11, 20, 21, count]
      const done = [
        [1, 10],
        [12, 19],
        [22, count - 1],
      ] as const
      await open.settle(claims.get('events/b'), { reached: count, done })
      await encourage(open, claims.values())
      deepEqual(await positionsOf(open, unfinished), unfinished)
      const again = await trial.restart(two)
      deepEqual(await positionsOf(again, unfinished), unfinished)
      deepEqual((await claimsByName(again)).get('events/b')?.progress.unfinished(), unfinished)
    },
  },
  {
    name: 'prune-no-exceptions',
    title: 'what has an exception stays, of whatever state, until it is cleared (S6)',
    run: async (trial) => {
      const open = await trial.open(two)
      const claims = await claimsByName(open)
      await appended(open, messages('m', count))
      const states = ['aside', 'started', 'alone', 'retrying', 'dead'] as const
      const exceptions = states.map((state, n) => exception(n * 10 + 3, { state, dueAt: 5 }))
      const positions = exceptions.map(({ position }) => position)
      await open.settle(claims.get('events/a'), { reached: count, exceptions, done: [[1, count]] })
      await open.settle(claims.get('events/b'), { reached: count, done: [[1, count]] })
      await encourage(open, claims.values())
      deepEqual(await positionsOf(open, positions), positions)
      const again = await trial.restart(two)
      const second = await claimsByName(again)
      await encourage(again, second.values())
      deepEqual(await positionsOf(again, positions), positions)
      const [first = 0, ...others] = positions
      await again.settle(second.get('events/a'), { cleared: [first] })
      await encourage(again, second.values())
      deepEqual(await positionsOf(again, others), others)
    },
  },
  {
    name: 'prune-nothing-of-orphans',
    title: 'what a subscription that nobody opens any more has not finished stays',
    run: async (trial) => {
      const open = await trial.open(two)
      await appended(open, messages('m', count))
      await open.close()
      const again = await trial.open([subscription('events/a')])
      const claim = await claimOne(again)
      await again.settle(claim, { reached: count, done: [[1, count]] })
      await encourage(again, [claim])
      equal((await idsOf(again)).length, count)
    },
  },
  {
    name: 'prune-no-dead-letters',
    title: 'a dead letter has its message also when the log has it no more',
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      await appended(open, messages('m', count))
      await open.settle(claim, { reached: count, done: [[1, count]], dead: [letter('a')] })
      await encourage(open, [claim])
      deepEqual((await (await trial.restart()).deadLetters.get('a'))?.message.id, letter('a').message.id)
    },
  },
  {
    name: 'prune-nothing-that-is-kept',
    title: 'where what is finished is kept, it stays in the log',
    needs: ['keep'],
    setup: { completion: 'keep' },
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      await appended(open, messages('m', count))
      await open.settle(claim, { reached: count, done: [[1, count]] })
      await encourage(open, [claim])
      equal((await idsOf(await trial.restart())).length, count)
    },
  },
]
