import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import type { Claim, Finding, OpenStore } from '../../../ports/store.ts'
import type { CaseDefinition } from './case-definition.ts'
import { exception, letter, message, messages, subscription } from './samples.ts'
import { appended, claimOne, claimsByName, idsOf, isTaken, type Trial } from './trial.ts'

const kindsOf = (open: OpenStore): string[] => open.findings.map(({ kind }) => kind).sort()

function found<Kind extends Finding['kind']>({ findings }: OpenStore, kind: Kind): Extract<Finding, { kind: Kind }>[] {
  return findings.filter((one): one is Extract<Finding, { kind: Kind }> => one.kind === kind)
}

/** Closes in order what has been claimed. */
async function closeInOrder(open: OpenStore, claims: Iterable<Claim>): Promise<void> {
  await open.release([...claims])
  await open.close()
}

/** A store with three messages for `events/a`: the first is done, the second is an exception and dead, the third unread. */
async function underWay(trial: Trial): Promise<void> {
  const open = await trial.open()
  const claim = await claimOne(open)
  await appended(open, messages('m', 3))
  await open.settle(claim, { reached: 2, done: [[1, 1]], exceptions: [exception(2)], dead: [letter('dead')] })
  await closeInOrder(open, [claim])
}

/** How far it has come is as `underWay` left it. */
async function isAsLeft(open: OpenStore, name: string): Promise<void> {
  const claim = (await claimsByName(open)).get(name)
  ok(claim !== undefined, `${name} cannot be claimed.`)
  deepEqual([claim.progress.cursor, claim.progress.reach, claim.isClean], [2, 2, true])
  deepEqual(
    (await open.exceptions(claim)).map(({ position }) => position),
    [2],
  )
  const { letters } = await open.deadLetters.list({ handler: name }, { after: undefined, limit: 10 })
  deepEqual(
    letters.map(({ id }) => id),
    ['dead'],
  )
  ok(isTaken(claim, 't', 3), 'It takes what it has not read.')
}

export const registering: readonly CaseDefinition[] = [
  {
    name: 'subscription-is-added',
    title: 'a new subscription begins at the end of the log, and is found to be new once',
    run: async (trial) => {
      const open = await trial.open()
      deepEqual(found(open, 'added'), [{ kind: 'added', subscription: 'events/a' }])
      await appended(open, messages('m', 3))
      await open.close()
      const both = [subscription('events/a'), subscription('events/b')]
      const again = await trial.open(both)
      deepEqual(found(again, 'added'), [{ kind: 'added', subscription: 'events/b' }])
      const claims = await claimsByName(again)
      equal(claims.get('events/b')?.progress.cursor, 3)
      equal(claims.get('events/a')?.progress.cursor, 0)
      deepEqual(kindsOf(await trial.restart(both)), [])
    },
  },
  {
    name: 'subscription-from-the-beginning',
    title: "a new subscription from the 'beginning' begins before all that was kept",
    needs: ['keep'],
    setup: { completion: 'keep' },
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      await appended(open, messages('m', 3))
      await open.settle(claim, { reached: 3, done: [[1, 3]] })
      await closeInOrder(open, [claim])
      const late = subscription('events/late', { from: 'beginning' })
      const again = await trial.open([subscription('events/a'), late])
      const claims = await claimsByName(again)
      const begun = claims.get('events/late') as Claim
      equal(begun.progress.cursor, 0)
      ok([1, 2, 3].every((position) => isTaken(begun, 't', position)))
      deepEqual(await idsOf(again), ['m0', 'm1', 'm2'])
    },
  },
  {
    name: 'subscription-from-what-is-gone',
    title: "where what is finished is deleted, a subscription from the 'beginning' is refused",
    run: async (trial) => {
      const late = subscription('events/late', { from: 'beginning' })
      await rejects(trial.open([late]), ({ code }: { code?: unknown }) => typeof code === 'string')
      const open = await trial.open()
      deepEqual((await claimsByName(open)).has('events/late'), false)
    },
  },
  {
    name: 'subscription-is-renamed',
    title: 'one that was renamed goes on under its new name, with its exceptions and dead letters',
    run: async (trial) => {
      await underWay(trial)
      const renamed = subscription('events/new', { formerly: ['events/older', 'events/a'] })
      const open = await trial.open([renamed])
      deepEqual(found(open, 'renamed'), [{ kind: 'renamed', subscription: 'events/new', from: 'events/a' }])
      deepEqual(kindsOf(open), ['renamed'])
      await isAsLeft(open, 'events/new')
      deepEqual(kindsOf(await trial.restart([renamed])), [])
    },
  },
  {
    name: 'subscription-is-orphaned',
    title: 'one that nobody opens is found to be an orphan, with how much it has not done, and goes on when it is back',
    run: async (trial) => {
      await underWay(trial)
      const open = await trial.open([subscription('events/b')])
      const [orphan, ...others] = found(open, 'orphan')
      equal(others.length, 0)
      equal(orphan?.subscription, 'events/a')
      ok(orphan.pending >= 2, `It says ${orphan.pending}, and an exception and an unread message are pending.`)
      equal(open.takes('t'), true)
      deepEqual(
        (await open.claim()).map((claim) => claim.subscription),
        ['events/b'],
      )
      await appended(open, [message('meanwhile')])
      await open.close()
      const again = await trial.open([subscription('events/a'), subscription('events/b')])
      deepEqual(kindsOf(again), [])
      await isAsLeft(again, 'events/a')
    },
  },
  {
    name: 'type-is-added',
    title: 'a type that a subscription did not take so far is its from the end of the log on',
    run: async (trial) => {
      await underWay(trial)
      const open = await trial.open([subscription('events/a', { types: ['t', 'u'] })])
      const claim = await claimOne(open)
      equal(isTaken(claim, 'u', 3), false)
      equal(isTaken(claim, 'u', 4), true)
      equal(isTaken(claim, 't', 3), true)
      equal(isTaken(claim, 'none', 4), false)
    },
  },
  {
    name: 'type-is-removed',
    title:
      'a type that a subscription takes no more is its up to the end of the log, and found with what is pending of it',
    run: async (trial) => {
      const open = await trial.open([subscription('events/a', { types: ['t', 'u'] })])
      await appended(open, [message('t1'), message('u2', { type: 'u' }), message('u3', { type: 'u' })])
      await open.close()
      const again = await trial.open([subscription('events/a')])
      const [removed] = found(again, 'typeRemoved')
      deepEqual([removed?.subscription, removed?.type], ['events/a', 'u'])
      ok((removed?.pending ?? 0) >= 2, `It says ${removed?.pending}, and two are pending.`)
      deepEqual([again.takes('t'), again.takes('u')], [true, false])
      const claim = await claimOne(again)
      deepEqual([isTaken(claim, 'u', 3), isTaken(claim, 'u', 4)], [true, false])
      deepEqual([isTaken(claim, 't', 1), isTaken(claim, 't', 4)], [true, true])
    },
  },
  {
    name: 'type-comes-back',
    title: 'a type that was removed and comes back is a new one: what came meanwhile is not taken',
    run: async (trial) => {
      const wide = subscription('events/a', { types: ['t', 'u'] })
      await (await trial.open([wide])).close()
      const narrow = await trial.open([subscription('events/a')])
      await appended(narrow, [message('meanwhile', { type: 'u' })])
      await narrow.close()
      const open = await trial.open([wide])
      const claim = await claimOne(open)
      deepEqual([isTaken(claim, 'u', 1), isTaken(claim, 'u', 2), open.takes('u')], [false, true, true])
    },
  },
  {
    name: 'takes',
    title: 'it tells whether any subscription takes a type',
    run: async (trial) => {
      const open = await trial.open([subscription('events/a'), subscription('events/b', { types: ['u', 'v'] })])
      deepEqual(
        ['t', 'u', 'v', 'w'].map((type) => open.takes(type)),
        [true, true, true, false],
      )
    },
  },
]
