import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import type { NewMessage } from '../../../ports/store.ts'
import type { CaseDefinition } from './case-definition.ts'
import { exception, letter, message, messages, subscription } from './samples.ts'
import {
  appended,
  claimOne,
  claimsByName,
  idsOf,
  moment,
  MOMENTS,
  type Trial,
  unawaited,
  until,
  workOf,
} from './trial.ts'

/** The same case for both kinds of work. */
function ofBothKinds(
  name: string,
  title: string,
  run: (trial: Trial, isAsync: boolean) => Promise<void>,
): readonly CaseDefinition[] {
  return [
    { name: `${name}-sync`, title: `${title}: synchronous`, needs: ['syncWork'], run: (trial) => run(trial, false) },
    { name: `${name}-async`, title: `${title}: asynchronous`, needs: ['asyncWork'], run: (trial) => run(trial, true) },
  ]
}

const failure = new Error('as the case says')
const failing = (): never => {
  throw failure
}

export const working: readonly CaseDefinition[] = [
  ...ofBothKinds(
    'work-is-stored',
    'the effects of a handler and what its work causes are stored with its settlement, once',
    async (trial, isAsync) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      const [position] = await appended(open, [message('m')])
      const work = workOf(trial, { isAsync, effect: 'effect', causes: () => messages('returned', 2) })
      await open.settle(claim, { reached: position, done: [[1, 1]], caused: [message('caused')], work })
      deepEqual(await trial.effects(), ['effect'])
      const again = await trial.restart()
      deepEqual((await idsOf(again)).slice(-3).sort(), ['caused', 'returned0', 'returned1'])
      equal((await claimOne(again)).progress.cursor, 1)
      deepEqual(await trial.effects(), ['effect'])
    },
  ),
  ...ofBothKinds(
    'work-tells-what-is-new',
    'settle tells of what is caused, and then of what its work causes, whether it is new (S1)',
    async (trial, isAsync) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      await appended(open, [message('a', { mayRepeat: true })])
      const [a, b, c] = ['a', 'b', 'c'].map((id) => message(id, { mayRepeat: true })) as [
        NewMessage,
        NewMessage,
        NewMessage,
      ]
      const work = workOf(trial, { isAsync, effect: 'effect', causes: () => [c, b] })
      deepEqual(await open.settle(claim, { caused: [a, b], work }), [false, true, true, false])
      const another = workOf(trial, { isAsync, effect: 'another', causes: () => [c, message('d')] })
      deepEqual(await open.settle(undefined, { work: another }), [false, true])
      deepEqual(await open.settle(claim, { work: workOf(trial, { isAsync, effect: 'a third' }) }), [])
    },
  ),
  ...ofBothKinds(
    'work-that-fails',
    'when the work fails, settle rejects with its error and nothing is stored; the next one is',
    async (trial, isAsync) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      await appended(open, messages('m', 3))
      const before = { exceptions: [exception(3)], dead: [letter('revived')] }
      await open.settle(claim, { reached: 3, ...before })
      const settlement = {
        done: [[1, 1]] as const,
        exceptions: [exception(2)],
        cleared: [3],
        dead: [letter('dead')],
        revived: ['revived'],
        caused: [message('caused')],
      }
      const work = workOf(trial, { isAsync, effect: 'undone', causes: failing })
      await rejects(open.settle(claim, { ...settlement, work }), (error) => error === failure)

      const again = await trial.restart()
      const second = await claimOne(again)
      deepEqual(second.progress.unfinished(), [1, 2])
      deepEqual(
        (await again.exceptions(second)).map(({ position }) => position),
        [3],
      )
      deepEqual(
        [await again.deadLetters.get('dead'), (await again.deadLetters.get('revived'))?.id],
        [undefined, 'revived'],
      )
      equal((await idsOf(again)).includes('caused'), false)
      deepEqual(await trial.effects(), [])

      await again.settle(second, { ...settlement, work: workOf(trial, { isAsync, effect: 'done' }) })
      deepEqual(await trial.effects(), ['done'])
      equal((await idsOf(again)).at(-1), 'caused')
    },
  ),
  ...ofBothKinds(
    'work-fails-alone',
    'of settlements that are stored at a time, one whose work fails takes no other with it',
    async (trial, isAsync) => {
      const names = ['events/a', 'events/b', 'events/c']
      const subscriptions = names.map((name) => subscription(name))
      const open = await trial.open(subscriptions)
      const claims = await claimsByName(open)
      await appended(open, messages('m', 2))
      const results = await Promise.allSettled([
        open.append([message('before')]),
        ...names.map((name) => {
          const causes = name === 'events/b' ? failing : () => [message(`of ${name}`)]
          const work = workOf(trial, { isAsync, effect: name, causes })
          return open.settle(claims.get(name), { reached: 2, done: [[1, 1]], work })
        }),
        open.append([message('after')]),
      ])
      deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
      )
      const again = await trial.restart(subscriptions)
      const progress = await claimsByName(again)
      deepEqual(
        names.map((name) => progress.get(name)?.progress.cursor),
        [1, 0, 1],
      )
      const ids = (await idsOf(again)).filter((id) => !id.startsWith('m'))
      // What is asynchronous is stored when it is done: a store may do other things meanwhile.
      const inOrder = isAsync ? [ids[0], ...ids.slice(1).sort()] : ids
      const expected = ['of events/a', 'of events/c']
      deepEqual(inOrder, isAsync ? ['before', 'after', ...expected] : ['before', ...expected, 'after'])
      deepEqual((await trial.effects()).sort(), ['events/a', 'events/c'])
    },
  ),
  ...ofBothKinds(
    'work-under-a-stale-claim',
    'the effects of a handler that has lost its claim are not stored',
    async (trial, isAsync) => {
      const open = await trial.open()
      const stale = await claimOne(open)
      await open.release([stale])
      await claimOne(open)
      const work = workOf(trial, { isAsync, effect: 'stale', causes: () => [message('stale')] })
      await rejects(open.settle(stale, { work }), { code: 'CLAIM_LOST' })
      deepEqual([await trial.effects(), await idsOf(open)], [[], []])
    },
  ),
  ...ofBothKinds(
    'work-is-atomic',
    'a crash leaves the effects with the settlement or neither, whenever it comes (O1)',
    async (trial, isAsync) => {
      for (let round = 0; round < MOMENTS; round += 1) {
        const open = await trial.open()
        const claim = await claimOne(open)
        const positions = await appended(open, [message(`m${round}`)])
        const [position] = positions as [number]
        const effect = `effect ${round}`
        const work = workOf(trial, { isAsync, effect, causes: () => [message(`caused ${round}`)] })
        let hasResolved = false
        const settlement = { reached: position, done: [[position, position]] as const, work }
        unawaited(open.settle(claim, settlement).then(() => (hasResolved = true)))
        await moment(round)
        const isPromised = hasResolved
        await trial.crash()
        const again = await trial.open()
        const left = await claimOne(again)
        const found = {
          done: left.progress.isFinished(position),
          effects: (await trial.effects()).filter((one) => one === effect).length,
          caused: (await idsOf(again)).filter((id) => id === `caused ${round}`).length,
        }
        const isThere = isPromised || found.done
        deepEqual(found, { done: isThere, effects: isThere ? 1 : 0, caused: isThere ? 1 : 0 })
        await again.settle(left, { reached: position + found.caused, done: [[1, position + found.caused]] })
        await again.release([left])
        await again.close()
      }
    },
  ),
  {
    name: 'work-that-writes-to-its-own-store',
    title: 'an append that is awaited within asynchronous work is stored, or refused: it does not wait for ever',
    needs: ['asyncWork'],
    run: async (trial) => {
      const open = await trial.open()
      const claim = await claimOne(open)
      let ended: unknown
      const settled = open.settle(claim, {
        work: async () => {
          await open.append([message('a')])
          return []
        },
      })
      const end = settled.then(
        () => 'stored',
        (error: unknown) => (error as { code?: unknown }).code,
      )
      void end.then((how) => (ended = how))
      await until(() => ended !== undefined, 'It is stored or refused')
      ok(ended === 'stored' || ended === 'COMMIT_DEADLOCK', `It was refused with ${String(ended)}.`)
      equal((await idsOf(open)).includes('a'), ended === 'stored')
      await open.append([message('later')])
    },
  },
]
