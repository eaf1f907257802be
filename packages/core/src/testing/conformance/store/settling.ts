import { deepEqual, doesNotReject, equal, rejects } from 'node:assert/strict'
import { AHEAD } from '../../../ports/progress.ts'
import type { Claim, Exception, OpenStore } from '../../../ports/store.ts'
import type { CaseDefinition } from './case-definition.ts'
import { exception, exceptionContentOf, letter, message, messages } from './samples.ts'
import { appended, claimOne, idsOf, moment, MOMENTS, type Trial, unawaited } from './trial.ts'

async function exceptionsOf(open: OpenStore, claim: Claim): Promise<Exception[]> {
  return (await open.exceptions(claim)).map(exceptionContentOf)
}

/** A store with ten messages, of which all have been reached. */
async function tenReached(trial: Trial): Promise<{ readonly open: OpenStore; readonly claim: Claim }> {
  const open = await trial.open()
  const claim = await claimOne(open)
  await appended(open, messages('m', 10))
  await open.settle(claim, { reached: 10 })
  return { open, claim }
}

/** How much a settlement causes that is bigger than what a store writes at a time. */
const many = 400

const everyKind: readonly Exception[] = [
  exception(2, { state: 'aside', note: 'ünïcode \u{1F680}' }),
  exception(3, { state: 'started', key: undefined }),
  exception(5, { state: 'alone', key: '' }),
  exception(7, { state: 'retrying', dueAt: Date.UTC(2031, 0, 1), note: '' }),
  exception(9, { state: 'dead', note: '{"letter":"x"}' }),
]

export const settling: readonly CaseDefinition[] = [
  {
    name: 'settle-out-of-order',
    title: 'what is finished in any order is finished; the cursor follows when the gap before it closes',
    run: async (trial) => {
      const { open, claim } = await tenReached(trial)
      for (const position of [4, 9, 2, 7]) await open.settle(claim, { done: [[position, position]] })
      await open.settle(claim, { done: [[1, 1]] })
      const { progress } = await claimOne(await trial.restart())
      deepEqual([progress.cursor, progress.unfinished()], [2, [3, 5, 6, 8, 10]])
    },
  },
  {
    name: 'settle-reach-first',
    title: 'what a settlement reaches, it can finish',
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      await appended(open, messages('m', 6))
      await open.settle(claim, { reached: 6, done: [[1, 4]], exceptions: [exception(6)] })
      const { progress } = await claimOne(await trial.restart())
      deepEqual([progress.cursor, progress.reach, progress.unfinished()], [4, 6, [5]])
    },
  },
  {
    name: 'settle-a-full-window',
    title: `a subscription may have reached ${AHEAD} positions beyond its cursor, and no more`,
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      await appended(open, messages('m', 2 * AHEAD))
      await open.settle(claim, { reached: AHEAD, done: [[2, AHEAD]] })
      await rejects(open.settle(claim, { reached: AHEAD + 1, caused: [message('too far')] }))
      equal((await idsOf(open)).includes('too far'), false)
      const again = await trial.restart()
      const second = await claimOne(again)
      deepEqual([second.progress.cursor, second.progress.unfinished()], [0, [1]])
      await again.settle(second, { done: [[1, 1]] })
      await again.settle(second, { reached: 2 * AHEAD, done: [[AHEAD + 2, 2 * AHEAD]] })
      const { progress } = await claimOne(await trial.restart())
      deepEqual([progress.cursor, progress.reach, progress.unfinished()], [AHEAD, 2 * AHEAD, [AHEAD + 1]])
    },
  },
  {
    name: 'settle-reaches-past-what-it-finishes',
    title: `what a settlement finishes, and what it makes an exception, lets it reach further`,
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      await appended(open, messages('m', 3 * AHEAD))
      await open.settle(claim, { reached: AHEAD, done: [[2, AHEAD]] })
      await doesNotReject(open.settle(claim, { reached: AHEAD + 1, exceptions: [exception(1)] }))
      await doesNotReject(open.settle(claim, { reached: 3 * AHEAD, done: [[AHEAD + 1, 3 * AHEAD - 1]] }))
      const again = await trial.restart()
      const second = await claimOne(again)
      deepEqual([second.progress.cursor, second.progress.unfinished()], [3 * AHEAD - 1, [3 * AHEAD]])
      deepEqual(await exceptionsOf(again, second), [exception(1)])
    },
  },
  {
    name: 'exceptions-are-kept',
    title: 'exceptions are there by position, each as it was given, also after a crash',
    run: async (trial) => {
      const { open, claim } = await tenReached(trial)
      await open.settle(claim, { exceptions: [...everyKind].reverse() })
      deepEqual(await exceptionsOf(open, claim), everyKind)
      const again = await trial.restart()
      deepEqual(await exceptionsOf(again, await claimOne(again)), everyKind)
    },
  },
  {
    name: 'exceptions-let-the-cursor-pass',
    title: 'the cursor passes what is an exception',
    run: async (trial) => {
      const { open, claim } = await tenReached(trial)
      await open.settle(claim, { exceptions: everyKind, done: [[1, 1]] })
      await open.settle(claim, { done: [[4, 4]] })
      const { progress } = await claimOne(await trial.restart())
      deepEqual([progress.cursor, progress.unfinished()], [5, [6, 8, 10]])
    },
  },
  {
    name: 'exceptions-are-replaced',
    title: 'an exception that changes takes the place of the one before, whole',
    run: async (trial) => {
      const { open, claim } = await tenReached(trial)
      await open.settle(claim, { exceptions: everyKind })
      const changed = exception(7, { state: 'dead', key: 'other', note: 'new' })
      await open.settle(claim, { exceptions: [changed] })
      const expected = everyKind.map((one) => (one.position === 7 ? changed : one))
      const again = await trial.restart()
      deepEqual(await exceptionsOf(again, await claimOne(again)), expected)
    },
  },
  {
    name: 'exceptions-are-cleared',
    title: 'an exception that was cleared is no more, also after a crash, and the others are',
    run: async (trial) => {
      const { open, claim } = await tenReached(trial)
      await open.settle(claim, { exceptions: everyKind })
      await open.settle(claim, { cleared: [3, 9, 4] })
      const expected = everyKind.filter(({ position }) => position !== 3 && position !== 9)
      const again = await trial.restart()
      const second = await claimOne(again)
      deepEqual(await exceptionsOf(again, second), expected)
      equal(second.progress.isFinished(3), true)
    },
  },
  {
    name: 'settle-in-the-order-of-the-calls',
    title: 'settlements that nobody waits for are stored one after the other, and a release comes after them',
    run: async (trial) => {
      const { open, claim } = await tenReached(trial)
      await Promise.all([
        open.settle(claim, { exceptions: [exception(1, { state: 'alone' })] }),
        open.settle(claim, { exceptions: [exception(1, { state: 'retrying', dueAt: 5 }), exception(2)] }),
        open.settle(claim, { exceptions: [exception(1, { state: 'dead' })], cleared: [2] }),
        open.settle(claim, { caused: [message('caused')] }),
        open.release([claim]),
      ])
      const second = await claimOne(open)
      equal(second.isClean, true)
      deepEqual(await exceptionsOf(open, second), [exception(1, { state: 'dead' })])
      equal((await idsOf(open)).at(-1), 'caused')
    },
  },
  {
    name: 'settle-stores-what-is-caused',
    title: 'what is caused is in the log when settle resolves, in order, behind all that was appended before',
    run: async (trial) => {
      const { open, claim } = await tenReached(trial)
      const [, , last] = await Promise.all([
        open.append([message('before')]),
        open.settle(claim, { done: [[1, 1]], caused: messages('c', 40) }),
        open.append([message('after')]),
      ])
      deepEqual(last, [true])
      const expected = ['before', ...messages('c', 40).map(({ id }) => id), 'after']
      deepEqual((await idsOf(await trial.restart())).slice(-expected.length), expected)
    },
  },
  {
    name: 'settle-is-atomic',
    title: 'a crash leaves all of a settlement or nothing of it, whenever it comes',
    run: async (trial) => {
      for (let round = 0; round < MOMENTS; round += 1) {
        const open = await trial.open()
        const claim = await claimOne(open)
        const positions = await appended(open, messages(`round ${round}, `, 2))
        const [first, second] = positions as [number, number]
        const stored = open.settle(claim, {
          reached: second,
          done: [[first, first]],
          exceptions: [exception(second)],
          dead: [letter(`letter ${round}`)],
          caused: messages(`caused ${round}, `, many),
        })
        let hasResolved = false
        unawaited(stored.then(() => (hasResolved = true)))
        await moment(round)
        const isPromised = hasResolved
        await trial.crash()

        const again = await trial.open()
        const left = await claimOne(again)
        const caused = (await idsOf(again)).filter((id) => id.startsWith(`caused ${round}, `))
        const found = {
          reached: left.progress.reach === second,
          done: left.progress.isFinished(first),
          exception: (await again.exceptions(left)).some(({ position }) => position === second),
          dead: (await again.deadLetters.get(`letter ${round}`)) !== undefined,
          caused: caused.length > 0,
        }
        const isThere = isPromised || found.done
        deepEqual(found, { reached: isThere, done: isThere, exception: isThere, dead: isThere, caused: isThere })
        if (isThere) equal(caused.length, many)
        const { appended: tail } = await again.stats()
        await again.settle(left, { reached: tail, done: [[1, tail]] })
        await again.release([left])
        await again.close()
      }
    },
  },
]
