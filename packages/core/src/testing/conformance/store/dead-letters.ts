import { deepEqual, equal } from 'node:assert/strict'
import type { DeadLetterFilter } from '../../../ports/dead-letters.ts'
import type { OpenStore, StoredDeadLetter } from '../../../ports/store.ts'
import type { CaseDefinition } from './case-definition.ts'
import { contentOf, letter, letterContentOf, message, subscription } from './samples.ts'
import { claimOne, type Trial } from './trial.ts'

type Page = { readonly letters: readonly StoredDeadLetter[]; readonly next: string | undefined }

async function list(open: OpenStore, filter: DeadLetterFilter = {}): Promise<string[]> {
  const { letters } = await open.deadLetters.list(filter, { after: undefined, limit: 1_000 })
  return letters.map(({ id }) => id)
}

/** A store in which these have died, one after the other. */
async function withDead(trial: Trial, letters: readonly StoredDeadLetter[]): Promise<OpenStore> {
  const open = await trial.open([subscription('events/a'), subscription('events/b')])
  const claims = await open.claim()
  for (const dead of letters) await open.settle(claims[0], { dead: [dead] })
  await open.release(claims)
  return open
}

const named = (ids: readonly string[]): StoredDeadLetter[] => ids.map((id) => letter(id))
const start = Date.UTC(2030, 0, 1)

const varied: readonly StoredDeadLetter[] = Array.from({ length: 48 }, (_, n) =>
  letter(`letter ${n}`, {
    subscription: n % 2 === 0 ? 'events/a' : 'events/b',
    message: contentOf(message(`message ${n % 12}`, { type: `type ${n % 3}`, key: [undefined, 'k', ''][n % 4] })),
    correlationId: `chain ${n % 5}`,
    error: n % 7 === 0 ? 'E_SEVEN' : 'TypeError',
    diedAt: start + n * 1_000,
  }),
)

const filters: readonly (readonly [DeadLetterFilter, (one: StoredDeadLetter) => boolean])[] = [
  [{}, () => true],
  [{ handler: 'events/b' }, ({ subscription: name }) => name === 'events/b'],
  [{ type: 'type 1' }, (one) => one.message.type === 'type 1'],
  [{ key: 'k' }, (one) => one.message.key === 'k'],
  [{ key: '' }, (one) => one.message.key === ''],
  [{ messageId: 'message 7' }, (one) => one.message.id === 'message 7'],
  [{ correlationId: 'chain 2' }, ({ correlationId }) => correlationId === 'chain 2'],
  [{ error: 'E_SEVEN' }, ({ error }) => error === 'E_SEVEN'],
  [{ since: new Date(start + 20_000) }, ({ diedAt }) => diedAt >= start + 20_000],
  [{ before: new Date(start + 20_000) }, ({ diedAt }) => diedAt < start + 20_000],
  [
    { handler: 'events/a', type: 'type 0', error: 'TypeError', since: new Date(start + 5_000) },
    (one) =>
      one.subscription === 'events/a' &&
      one.message.type === 'type 0' &&
      one.error === 'TypeError' &&
      one.diedAt >= start + 5_000,
  ],
  [{ handler: 'events/none' }, () => false],
]

export const deadLetterCases: readonly CaseDefinition[] = [
  {
    name: 'dead-letters-survive',
    title: 'a dead letter is there as it was given, also after a crash; one that is not is not',
    run: async (trial) => {
      const odd = letter('ünïcode \u{1F680}', { error: '', attempts: '"\n\\', partition: 0 })
      await withDead(trial, [letter('a'), odd])
      const again = await trial.restart()
      for (const expected of [letter('a'), odd]) {
        const found = await again.deadLetters.get(expected.id)
        deepEqual(found && letterContentOf(found), expected)
      }
      equal(await again.deadLetters.get('none'), undefined)
      deepEqual(await list(again), ['a', odd.id])
    },
  },
  {
    name: 'dead-letters-existing',
    title:
      'it is told which of many are there still: those that are being replayed are, those that were removed are not',
    run: async (trial) => {
      const open = await withDead(trial, named(['a', 'b', 'c', 'd']))
      await open.deadLetters.beginReplay('b')
      await open.deadLetters.remove(['c'])
      const again = await trial.restart()
      deepEqual([...(await again.deadLetters.existing(['c', 'b', 'none', 'a']))].sort(), ['a', 'b'])
      deepEqual(await again.deadLetters.existing([]), [])
    },
  },
  {
    name: 'dead-letters-filters',
    title: 'they are found by each field that there is to ask for, and by several (S8)',
    run: async (trial) => {
      const open = await withDead(trial, varied)
      for (const [filter, isMeant] of filters) {
        const expected = varied.filter(isMeant).map(({ id }) => id)
        deepEqual(await list(open, filter), expected, JSON.stringify(filter))
      }
    },
  },
  {
    name: 'dead-letters-pages',
    title: 'they come in pages, the oldest death first, and the last page says that it is the last (S8)',
    run: async (trial) => {
      const open = await withDead(trial, varied)
      const expected = varied.filter(({ subscription: name }) => name === 'events/a').map(({ id }) => id)
      for (const limit of [1, 7, 24, 25]) {
        const found: string[] = []
        let after: string | undefined
        let pages = 0
        do {
          const page: Page = await open.deadLetters.list({ handler: 'events/a' }, { after, limit })
          found.push(...page.letters.map(({ id }) => id))
          after = page.next
          pages += 1
        } while (after !== undefined && pages < 100)
        deepEqual(found, expected)
        equal(pages, Math.ceil(expected.length / limit))
      }
    },
  },
  {
    name: 'dead-letters-die-again',
    title: 'one that has died once more is the newest, as it is now, and a page begun before goes on to it',
    run: async (trial) => {
      const open = await withDead(trial, named(['a', 'b', 'c', 'd']))
      const { next } = await open.deadLetters.list({}, { after: undefined, limit: 2 })
      await open.close()
      const again = await withDead(trial, [letter('b', { error: 'another' })])
      deepEqual(await list(again), ['a', 'c', 'd', 'b'])
      equal((await again.deadLetters.get('b'))?.error, 'another')
      const { letters } = await again.deadLetters.list({}, { after: next, limit: 10 })
      deepEqual(
        letters.map(({ id }) => id),
        ['c', 'd', 'b'],
      )
    },
  },
  {
    name: 'dead-letters-replay-once',
    title: 'of many that begin a replay one does, until it has ended; a crash does not end it (S6)',
    run: async (trial) => {
      const open = await withDead(trial, named(['a', 'b']))
      const begun = await Promise.all(Array.from({ length: 10 }, () => open.deadLetters.beginReplay('a')))
      equal(begun.filter(Boolean).length, 1)
      const again = await trial.restart()
      equal(await again.deadLetters.beginReplay('a'), false)
      equal((await again.deadLetters.get('a'))?.isReplaying, true)
      await again.deadLetters.endReplay('a')
      equal((await again.deadLetters.get('a'))?.isReplaying, false)
      equal(await again.deadLetters.beginReplay('a'), true)
      equal(await again.deadLetters.beginReplay('none'), false)
    },
  },
  {
    name: 'dead-letters-edit',
    title: 'one that is edited for its replay has the new message from then on, in its old place (S8)',
    run: async (trial) => {
      const open = await withDead(trial, named(['a', 'b']))
      const edited = contentOf(message('message of a', { body: 'edited', key: 'k', crc: 7 }))
      equal(await open.deadLetters.beginReplay('a', edited), true)
      equal(await open.deadLetters.beginReplay('a', contentOf(message('too late'))), false)
      const again = await trial.restart()
      const found = await again.deadLetters.get('a')
      deepEqual(found && contentOf(found.message), edited)
      deepEqual(await list(again), ['a', 'b'])
      deepEqual(await list(again, { key: 'k' }), ['a'])
    },
  },
  {
    name: 'dead-letters-replaying',
    title: 'those that are being replayed are told by subscription, the oldest death first (S8)',
    run: async (trial) => {
      const open = await withDead(trial, [...named(['a', 'b', 'c']), letter('d', { subscription: 'events/b' })])
      for (const id of ['d', 'c', 'a']) await open.deadLetters.beginReplay(id)
      const again = await trial.restart()
      const replaying = async (name: string): Promise<string[]> =>
        (await again.deadLetters.replaying(name)).map(({ id }) => id)
      deepEqual([await replaying('events/a'), await replaying('events/b')], [['a', 'c'], ['d']])
    },
  },
  {
    name: 'dead-letters-remove',
    title: 'those that are removed are gone, and said so; one that is being replayed is not removed (S6)',
    run: async (trial) => {
      const open = await withDead(trial, named(['a', 'b', 'c']))
      await open.deadLetters.beginReplay('b')
      deepEqual([...(await open.deadLetters.remove(['a', 'b', 'none']))], ['a'])
      deepEqual(await open.deadLetters.remove([]), [])
      deepEqual(await list(await trial.restart()), ['b', 'c'])
    },
  },
  {
    name: 'dead-letters-revive',
    title: 'those that a settlement revives are gone, whether they are being replayed or not',
    run: async (trial) => {
      await withDead(trial, named(['a', 'b', 'c']))
      const open = await trial.restart()
      await open.deadLetters.beginReplay('b')
      await open.settle(await claimOne(open), { revived: ['b', 'c', 'none'] })
      deepEqual(await list(await trial.restart()), ['a'])
    },
  },
]
