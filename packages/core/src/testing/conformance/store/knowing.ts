import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Lack } from '../../../ports/share.ts'
import type { Claim, OpenStore, Subscription } from '../../../ports/store.ts'
import type { CaseDefinition } from './case-definition.ts'
import { message, subscription } from './samples.ts'
import { claimOne, idsOf, isTaken, renewal, type Trial } from './trial.ts'

/** What a node has of `events/a`, and what it knows of the type `t`. */
const knowing = (version: number): Subscription => subscription('events/a', { versions: new Map([['t', version]]) })
const lack = (version: number, type = 't'): Lack => ({ subscription: 'events/a', type, version })

/** Whether a node is to hand over the one claim that there is; if so, it does. */
async function handsOver(open: OpenStore, claim: Claim, lacks: readonly Lack[]): Promise<boolean> {
  const { held, handOver } = await renewal(open, [claim], lacks)
  equal(held.length, 1)
  await open.release(handOver)
  return handOver.length > 0
}

/** Has nodes with these versions: the first of them has the claim. */
async function nodes(trial: Trial, ...versions: readonly number[]): Promise<readonly [Claim, ...OpenStore[]]> {
  const opened: OpenStore[] = []
  let claim: Claim | undefined
  for (const version of versions) {
    opened.push(await trial.open([knowing(version)]))
    claim ??= await claimOne(opened[0] as OpenStore)
  }
  return [claim as Claim, ...opened]
}

/** Which of these nodes takes the one claim, where all of them try. */
async function takerOf(all: readonly OpenStore[]): Promise<number> {
  const taken = await Promise.all(all.map((open) => open.claim()))
  return taken.findIndex((claims) => claims.length > 0)
}

export const knowingCases: readonly CaseDefinition[] = [
  {
    name: 'types-grow-while-claimed',
    title: 'a claim takes what another node has registered for it since, from the read on that gives the first of that',
    needs: ['shared'],
    run: async (trial) => {
      const a = await trial.open()
      const claim = await claimOne(a)
      await a.append([message('early', { type: 'u' })])
      deepEqual(await idsOf(a), ['early'])
      const before = claim.takes
      const wide = await trial.open([subscription('events/a', { types: ['t', 'u'] })])
      await wide.append([message('late', { type: 'u' })])
      const [late] = await a.read(0, 1, 10)
      equal(late?.id, 'late')
      ok(isTaken(claim, 'u', 2), 'It takes what was appended since.')
      ok(!isTaken(claim, 'u', 1), 'It does not take what was appended before.')
      ok(isTaken(claim, 't', 3))
      ok(claim.takes !== before, 'What it takes is another array then.')
      await a.settle(claim, { reached: 2, done: [[1, 1]] })
      await a.release([claim])
      await wide.close()
      deepEqual((await claimOne(a)).progress.unfinished(), [2])
    },
  },
  {
    name: 'types-shrink-while-claimed',
    title: 'a claim takes no more what no node registers any more, from the read on that gives the first of that',
    needs: ['shared'],
    run: async (trial) => {
      const a = await trial.open()
      const claim = await claimOne(a)
      const wide = await trial.open([subscription('events/a', { types: ['t', 'u'] })])
      await wide.append([message('early', { type: 'u' })])
      deepEqual(await idsOf(a), ['early'])
      ok(isTaken(claim, 'u', 1))
      await wide.close()
      const narrow = await trial.open()
      await narrow.append([message('late', { type: 'u' })])
      const [late] = await a.read(0, 1, 10)
      equal(late?.id, 'late')
      ok(!isTaken(claim, 'u', 2), 'It does not take what was appended since.')
      ok(isTaken(claim, 'u', 1), 'It takes what was appended before.')
      ok(isTaken(claim, 't', 3))
    },
  },
  {
    name: 'lack-hands-over',
    title: 'a node that has met a version that it does not know hands over to those that do, and to no others (T19)',
    needs: ['shared'],
    run: async (trial) => {
      const [claim, first, knower, second] = await nodes(trial, 1, 2, 1)
      ok(await handsOver(first as OpenStore, claim, [lack(2)]))
      equal(await takerOf([first, second, knower] as OpenStore[]), 2)
    },
  },
  {
    name: 'lack-of-nobody',
    title: 'what no live node knows moves nothing: neither a later version, nor a type that none of them takes',
    needs: ['shared'],
    run: async (trial) => {
      const [claim, first] = await nodes(trial, 1)
      equal(await handsOver(first as OpenStore, claim, [lack(2), lack(1, 'u')]), false)
    },
  },
  {
    name: 'lack-ends-with-who-knows',
    title:
      'when the last node has gone that knows it, the others share the subscription as before; and until it is back',
    needs: ['shared'],
    run: async (trial) => {
      const [claim, first, knower] = await nodes(trial, 1, 2)
      ok(await handsOver(first as OpenStore, claim, [lack(2)]))
      const taken = await claimOne(knower as OpenStore)
      await knower?.release([taken])
      await knower?.close()
      const again = await claimOne(first as OpenStore)
      equal(await handsOver(first as OpenStore, again, [lack(2)]), false)
      const back = await trial.open([knowing(3)])
      ok(await handsOver(first as OpenStore, again, [lack(2)]))
      equal((await claimOne(back)).isClean, true)
    },
  },
  {
    name: 'lack-of-each',
    title: 'nodes that each lack what another one knows share the subscription all the same',
    needs: ['shared'],
    run: async (trial) => {
      const a = await trial.open([knowing(2)])
      const claim = await claimOne(a)
      const b = await trial.open([subscription('events/a', { types: ['t', 'u'] })])
      await renewal(b, [], [lack(2)])
      const { handOver } = await renewal(a, [claim], [lack(1, 'u')])
      await a.release(handOver)
      if (handOver.length > 0) await claimOne(b)
    },
  },
]
