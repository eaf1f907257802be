import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Claim, OpenStore } from '../../../ports/store.ts'
import type { CaseDefinition } from './case-definition.ts'
import { letter, message, messages, subscription } from './samples.ts'
import {
  claimOne,
  idsOf,
  isTaken,
  logOf,
  nameOf,
  rejectsWith,
  renewal,
  type Trial,
  turns,
  until,
  workOf,
} from './trial.ts'

const nodes = async (trial: Trial, count: number, names: readonly string[] = ['events/a']): Promise<OpenStore[]> => {
  const opened: OpenStore[] = []
  for (let n = 0; n < count; n += 1) opened.push(await trial.open(names.map((name) => subscription(name))))
  return opened
}

/** The first node has claimed before the second one comes: it has what there is, whosever share that is then. */
async function two(trial: Trial): Promise<{ readonly a: OpenStore; readonly claim: Claim; readonly b: OpenStore }> {
  const a = await trial.open()
  const claim = await claimOne(a)
  return { a, claim, b: await trial.open() }
}

/** Has nodes claim until nothing is left: each takes its share. */
async function claimAll(opened: readonly OpenStore[], count: number): Promise<Claim[][]> {
  const held: Claim[][] = opened.map(() => [])
  const round = async (): Promise<boolean> => {
    const claims = await Promise.all(opened.map((open) => open.claim()))
    for (const [n, more] of claims.entries()) held[n]?.push(...more)
    return held.flat().length >= count
  }
  await until(round, `${count} claims are taken`)
  return held
}

export const sharing: readonly CaseDefinition[] = [
  {
    name: 'claims-are-exclusive',
    title: 'of sixteen nodes that claim at a time, each claim is given to one (S3)',
    needs: ['shared'],
    run: async (trial) => {
      const names = Array.from({ length: 8 }, (_, n) => `events/${n}`)
      const opened = await nodes(trial, 16, names)
      const held = await claimAll(opened, names.length)
      deepEqual(held.flat().map(nameOf).sort(), names.map((name) => `${name} 0`).sort())
      const more = await Promise.all(opened.map((open) => open.claim()))
      deepEqual(more.flat(), [])
    },
  },
  {
    name: 'claims-of-partitions-are-exclusive',
    title: 'each partition of a subscription is given to one of sixteen nodes (S3)',
    needs: ['shared', 'partitions'],
    setup: { partitions: 8 },
    run: async (trial) => {
      const held = await claimAll(await nodes(trial, 16), 8)
      deepEqual(held.flat().map(nameOf).sort(), [0, 1, 2, 3, 4, 5, 6, 7].map((n) => `events/a ${n}`).sort())
    },
  },
  {
    name: 'lease-holds',
    title: 'a claim is not given to another while its lease lasts',
    needs: ['shared'],
    run: async (trial) => {
      const { a, claim, b } = await two(trial)
      await trial.advance(trial.leaseMs / 2)
      deepEqual(await b.claim(), [])
      await a.settle(claim, { caused: [message('a')] })
    },
  },
  {
    name: 'lease-expires',
    title:
      'a claim whose lease is over is given to another with a higher epoch; the first can store nothing any more (S4)',
    needs: ['shared'],
    run: async (trial) => {
      const { a, claim: stale, b } = await two(trial)
      await a.append(messages('m', 4))
      await a.settle(stale, { reached: 4, done: [[1, 1]] })
      await trial.advance(trial.leaseMs + 1)
      const claim = await claimOne(b)
      ok(claim.epoch > stale.epoch)
      deepEqual([claim.isClean, claim.progress.unfinished()], [false, [2, 3, 4]])

      const settlement = { done: [[2, 4]] as const, caused: [message('stale')], dead: [letter('stale')] }
      await rejectsWith('CLAIM_LOST', a.settle(stale, settlement), 'A settlement under a lease that is over')
      for (const isAsync of [false, true]) {
        if (!trial.has(isAsync ? 'asyncWork' : 'syncWork')) continue
        const work = workOf(trial, { isAsync, effect: 'stale' })
        await rejectsWith('CLAIM_LOST', a.settle(stale, { ...settlement, work }), 'Work under a lease that is over')
        deepEqual(await trial.effects(), [])
      }
      equal(await b.deadLetters.get('stale'), undefined)
      ok(!(await idsOf(b)).includes('stale'))
      await b.settle(claim, { done: [[2, 2]] })
      await b.release([claim])
      deepEqual((await claimOne(b)).progress.unfinished(), [3, 4])
    },
  },
  {
    name: 'lease-is-lost-during-work',
    title: 'a lease that is taken over while the work runs leaves nothing of it (S4)',
    needs: ['shared', 'asyncWork'],
    run: async (trial) => {
      const { a, claim: stale, b } = await two(trial)
      let taken: readonly Claim[] = []
      const settling = a.settle(stale, {
        caused: [message('stale')],
        work: async (tx) => {
          await trial.write(tx, 'stale')
          await trial.advance(trial.leaseMs + 1)
          // Not awaited: a store may have whoever claims wait for the transaction that settles.
          void b.claim().then((claims) => (taken = claims))
          await turns(10)
          return []
        },
      })
      const isStored = await settling.then(
        () => true,
        () => false,
      )
      await until(async () => {
        const more = taken.length === 0 ? await b.claim() : []
        if (more.length > 0) taken = more
        return taken.length === 1
      }, 'The other node takes over')
      deepEqual(await trial.effects(), isStored ? ['stale'] : [])
      deepEqual(await idsOf(b), isStored ? ['stale'] : [])
      await rejectsWith('CLAIM_LOST', a.settle(stale, { caused: [message('later')] }), 'A settlement after it')
    },
  },
  {
    name: 'lease-is-renewed',
    title: 'what a dead node had is taken over, and what a living one renews is not (S5)',
    needs: ['shared'],
    run: async (trial) => {
      const [dead] = await nodes(trial, 1, ['events/dead'])
      const [living] = await nodes(trial, 1, ['events/living'])
      await claimOne(dead as OpenStore)
      const kept = await claimOne(living as OpenStore)
      const [third] = await nodes(trial, 1, ['events/dead', 'events/living'])
      for (let n = 0; n < 4; n += 1) {
        await trial.advance(trial.leaseMs / 3)
        const { held } = await renewal(living as OpenStore, [kept])
        deepEqual(held.map(nameOf), ['events/living 0'])
      }
      const taken = await (third as OpenStore).claim()
      deepEqual(taken.map(nameOf), ['events/dead 0'])
      await (living as OpenStore).settle(kept, { caused: [message('a')] })
    },
  },
  {
    name: 'lease-that-was-lost-is-not-renewed',
    title: 'renew gives back what is still held, and takes back nothing from another',
    needs: ['shared'],
    run: async (trial) => {
      const [a] = await nodes(trial, 1, ['events/a', 'events/b'])
      const stale = await (a as OpenStore).claim()
      const [b] = await nodes(trial, 1, ['events/a'])
      await trial.advance(trial.leaseMs + 1)
      const claim = await claimOne(b as OpenStore)
      const { held } = await renewal(a as OpenStore, stale)
      deepEqual(held.map(nameOf), ['events/b 0'])
      await (b as OpenStore).settle(claim, { caused: [message('a')] })
    },
  },
  {
    name: 'release-hands-over',
    title: 'what a node releases before it is closed another one has at once, with all that was settled',
    needs: ['shared'],
    run: async (trial) => {
      const { a, claim, b } = await two(trial)
      await a.append(messages('m', 3))
      await a.settle(claim, { reached: 3, done: [[1, 2]] })
      await a.release([claim])
      await a.close()
      const next = await claimOne(b)
      deepEqual([next.progress.unfinished(), next.isClean], [[3], true])
    },
  },
  {
    name: 'nodes-append-to-one-log',
    title: 'what several nodes append at a time is in one log, without gaps, and in order for each of them',
    needs: ['shared'],
    run: async (trial) => {
      const opened = await nodes(trial, 4)
      await Promise.all(
        opened.map(async (open, n) => {
          for (let i = 0; i < 50; i += 1) await open.append([message(`${n} ${i}`)])
        }),
      )
      const log = await logOf(opened[0] as OpenStore)
      deepEqual(
        log.map(({ position }) => position),
        Array.from({ length: 200 }, (_, n) => n + 1),
      )
      for (const n of opened.keys()) {
        const own = log.map(({ id }) => id).filter((id) => id.startsWith(`${n} `))
        deepEqual(
          own,
          Array.from({ length: 50 }, (_, i) => `${n} ${i}`),
        )
      }
    },
  },
  {
    name: 'nodes-wake-each-other',
    title: 'what one node appends wakes the others',
    needs: ['shared'],
    run: async (trial) => {
      let wakes = 0
      const subscriptions = [subscription()]
      const a = await trial.open()
      const wake = (): void => void (wakes += 1)
      const b = await trial.subject.store.open({ service: 'conformance', subscriptions, clock: trial.clock, wake })
      try {
        await a.append([message('a')])
        await until(() => wakes > 0, 'wake() of the other node is called')
      } finally {
        await b.close()
      }
    },
  },
  {
    name: 'nodes-race',
    title: 'an id, a schedule, a replay and what is due are taken by one of several nodes (S1, S6, S10)',
    needs: ['shared'],
    run: async (trial) => {
      const opened = await nodes(trial, 6)
      const [first] = opened as [OpenStore]
      const byEach = async <T>(run: (open: OpenStore) => Promise<T>): Promise<T[]> => Promise.all(opened.map(run))
      const winners = (results: readonly boolean[]): number => results.filter(Boolean).length

      const appends = await byEach((open) => open.append([message('same', { mayRepeat: true })]))
      equal(winners(appends.flat()), 1)

      await first.schedules.put('daily', 1_000)
      const fired = { dueAt: 1_000, next: 2_000, message: message('fired') }
      equal(winners(await byEach((open) => open.schedules.fire('daily', fired))), 1)

      const held = await claimAll(opened, 1)
      const owner = held.findIndex((claims) => claims.length === 1)
      await opened[owner]?.settle(held[owner]?.[0], { dead: [letter('a')] })
      equal(winners(await byEach((open) => open.deadLetters.beginReplay('a'))), 1)

      const dueAt = first.now() + 60_000
      await first.append(messages('due ', 20, { dueAt }))
      await trial.advance(120_000)
      await byEach((open) => open.appendDue(100))
      const ids = (await idsOf(first)).sort()
      deepEqual(ids, ['same', 'fired', ...messages('due ', 20).map(({ id }) => id)].sort())
    },
  },
  {
    name: 'nodes-with-different-subscriptions',
    title: 'what another node has open is no orphan, and its types stay',
    needs: ['shared'],
    run: async (trial) => {
      const [a] = await nodes(trial, 1, ['events/a'])
      const b = await trial.open([subscription('events/b', { types: ['u'] })])
      deepEqual(
        b.findings.filter(({ kind }) => kind === 'orphan'),
        [],
      )
      deepEqual([b.takes('t'), b.takes('u')], [true, true])
      await until(() => a?.takes('u') === true, 'The first node knows that there is somebody for it')
      const claim = await claimOne(b)
      ok(isTaken(claim, 'u', 1) && !isTaken(claim, 't', 1))
    },
  },
]
