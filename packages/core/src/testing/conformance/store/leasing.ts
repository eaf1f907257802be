import { deepEqual, equal } from 'node:assert/strict'
import type { OpenStore } from '../../../ports/store.ts'
import type { CaseDefinition } from './case-definition.ts'
import { message, subscription } from './samples.ts'
import { claimsByName, claimOne, idsOf, nameOf, rejectsWith, renewal, workOf } from './trial.ts'

export const leasing: readonly CaseDefinition[] = [
  {
    name: 'lease-of-what-is-not-renewed-ends',
    title:
      'of the claims of a node that lives, those end that it does not renew: it may not know that it has them (S4)',
    needs: ['shared'],
    run: async (trial) => {
      const open = await trial.open([subscription('events/a'), subscription('events/b')])
      const a = (await claimsByName(open)).get('events/a')
      for (let n = 0; n < 4; n += 1) {
        await trial.advance(trial.leaseMs / 3)
        await renewal(open, a === undefined ? [] : [a])
      }
      deepEqual((await open.claim()).map(nameOf), ['events/b 0'])
    },
  },
  {
    name: 'lease-is-lost-alone',
    title: 'work for a claim that was lost fails alone: what is stored for others meanwhile is stored (S4)',
    needs: ['shared', 'asyncWork'],
    run: async (trial) => {
      const a = await trial.open([subscription('events/a'), subscription('events/b')])
      const claims = await claimsByName(a)
      const [stale, kept] = [claims.get('events/a'), claims.get('events/b')]
      const b: OpenStore = await trial.open([subscription('events/a')])
      await trial.advance(trial.leaseMs + 1)
      await claimOne(b)
      const settling = a.settle(stale, { work: workOf(trial, { isAsync: true, effect: 'stale' }) })
      const settled = { isOver: false }
      const end = (): void => void (settled.isOver = true)
      settling.then(end, end)
      let stored = 0
      // One at a time: so there is always one behind whatever else is stored.
      for (; !settled.isOver; stored += 1) await a.settle(kept, { caused: [message(`m${stored}`)] })
      await rejectsWith('CLAIM_LOST', settling, 'A settlement for a claim that was lost')
      equal((await idsOf(b)).length, stored)
      deepEqual(await trial.effects(), [])
    },
  },
]
