import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Claim, OpenStore } from '../../../ports/store.ts'
import type { CaseDefinition } from './case-definition.ts'
import { letter, message, messages, subscription } from './samples.ts'
import { appended, claimOne, claimsByName, idsOf, rejectsWith, type Trial } from './trial.ts'

const two = [subscription('events/a'), subscription('events/b')]

/** A claim that is not valid any more can do nothing. */
async function isFenced(open: OpenStore, stale: Claim): Promise<void> {
  const before = await idsOf(open)
  const settlement = {
    reached: stale.progress.reach + 1,
    done: [[1, 1]] as const,
    caused: [message('from a stale claim')],
    dead: [letter('from a stale claim')],
  }
  await rejectsWith('CLAIM_LOST', open.settle(stale, settlement), 'A settlement under an epoch that is over')
  deepEqual(await idsOf(open), before)
  equal(await open.deadLetters.get('from a stale claim'), undefined)
}

const progressOf = ({ progress }: Claim): object => {
  return { cursor: progress.cursor, reach: progress.reach, unfinished: progress.unfinished() }
}

async function workedOn(trial: Trial): Promise<{ readonly open: OpenStore; readonly claim: Claim }> {
  const open = await trial.open()
  const claim = await claimOne(open)
  await appended(open, messages('m', 10))
  await open.settle(claim, { reached: 8, done: [[5, 6]] })
  await open.settle(claim, {
    done: [
      [1, 2],
      [8, 8],
    ],
  })
  return { open, claim }
}

const worked = { cursor: 2, reach: 8, unfinished: [3, 4, 7] }

export const claiming: readonly CaseDefinition[] = [
  {
    name: 'claim-gives-all-once',
    title: 'each subscription of the opening is claimed once: nothing that this node has already is given again (S3)',
    run: async (trial) => {
      const open = await trial.open(two)
      const claims = (await Promise.all([open.claim(), open.claim(), open.claim()])).flat()
      deepEqual(claims.map(({ subscription: name }) => name).sort(), ['events/a', 'events/b'])
      deepEqual(await open.claim(), [])
    },
  },
  {
    name: 'claim-every-partition',
    title: 'a subscription is claimed in every partition',
    needs: ['partitions'],
    setup: { partitions: 4 },
    run: async (trial) => {
      const claims = await (await trial.open()).claim()
      deepEqual(
        claims.map(({ partition }) => partition).sort((a, b) => a - b),
        [0, 1, 2, 3],
      )
    },
  },
  {
    name: 'claim-again-after-release',
    title: 'what was released is claimed with a higher epoch',
    run: async (trial) => {
      const open = await trial.open()
      const first = await claimOne(open)
      await open.release([first])
      const second = await claimOne(open)
      ok(second.epoch > first.epoch, `${second.epoch} came after ${first.epoch}.`)
    },
  },
  {
    name: 'claim-epochs-rise',
    title: 'epochs rise over closing, crashing and releasing',
    run: async (trial) => {
      const epochs: number[] = []
      for (const end of ['close', 'crash', 'release', 'crash', 'close'] as const) {
        const open = await trial.open()
        const claim = await claimOne(open)
        epochs.push(claim.epoch)
        if (end === 'crash') await trial.crash()
        else {
          await open.release([claim])
          await open.close()
        }
      }
      deepEqual(
        epochs,
        [...new Set(epochs)].sort((a, b) => a - b),
      )
    },
  },
  {
    name: 'claim-stale-epoch',
    title: 'a claim that was released, or given anew, can settle nothing any more (S4)',
    run: async (trial) => {
      const open = await trial.open()
      const first = await claimOne(open)
      await appended(open, messages('m', 3))
      await open.release([first])
      await isFenced(open, first)
      const second = await claimOne(open)
      await isFenced(open, first)
      const third = await trial.restart()
      await claimOne(third)
      await isFenced(third, second)
      deepEqual(await third.claim(), [])
    },
  },
  {
    name: 'claim-release-of-a-stale-one',
    title: 'giving back a claim that is over takes nothing from whoever has it now',
    run: async (trial) => {
      const open = await trial.open()
      const first = await claimOne(open)
      await open.release([first])
      const second = await claimOne(open)
      await open.release([first]).catch(() => {}) // Whether it is told is the adapter's affair.
      await open.settle(second, { caused: [message('a')] })
      deepEqual(await idsOf(open), ['a'])
      deepEqual(await open.claim(), [])
    },
  },
  {
    name: 'claim-clean',
    title: 'after a release in order, the progress is there, and the claim says that nothing was left running',
    run: async (trial) => {
      const { open, claim } = await workedOn(trial)
      await open.release([claim])
      await open.close()
      const again = await claimOne(await trial.open())
      deepEqual(progressOf(again), worked)
      equal(again.isClean, true)
    },
  },
  {
    name: 'claim-unclean',
    title: 'after a crash, the progress is there, and the claim says that something may have been running',
    run: async (trial) => {
      await workedOn(trial)
      const again = await claimOne(await trial.restart())
      deepEqual(progressOf(again), worked)
      equal(again.isClean, false)
    },
  },
  {
    name: 'claim-unclean-after-clean',
    title: 'that it was released in order once says nothing about later crashes',
    run: async (trial) => {
      const { open, claim } = await workedOn(trial)
      await open.release([claim])
      await open.close()
      await claimOne(await trial.open())
      equal((await claimOne(await trial.restart())).isClean, false)
    },
  },
  {
    name: 'claim-progress-is-a-copy',
    title: 'what a node does to the progress of its claim is not stored before it is settled',
    run: async (trial) => {
      const { open, claim } = await workedOn(trial)
      claim.progress.finish([3, 8])
      await open.settle(claim, { done: [[3, 3]] })
      const again = await claimOne(await trial.restart())
      deepEqual(progressOf(again), { cursor: 3, reach: 8, unfinished: [4, 7] })
    },
  },
  {
    name: 'claim-each-its-own',
    title: 'subscriptions have come as far as each of them has, not as another one',
    run: async (trial) => {
      const open = await trial.open(two)
      const claims = await claimsByName(open)
      await appended(open, messages('m', 4))
      await open.settle(claims.get('events/a'), { reached: 4, done: [[1, 3]] })
      await open.settle(claims.get('events/b'), { reached: 2, done: [[2, 2]] })
      const again = await claimsByName(await trial.restart(two))
      deepEqual(progressOf(again.get('events/a') as Claim), { cursor: 3, reach: 4, unfinished: [4] })
      deepEqual(progressOf(again.get('events/b') as Claim), { cursor: 0, reach: 2, unfinished: [1] })
    },
  },
]
