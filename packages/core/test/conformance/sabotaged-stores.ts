import { setImmediate as turn } from 'node:timers/promises'
import { Progress } from '../../src/ports/progress.ts'
import type { Claim, LoggedMessage, NewMessage, OpenStore, Store, StoreOpening } from '../../src/ports/store.ts'

/** A store with one fault, and the case of the suite that is there to find it. */
export interface Sabotage {
  readonly fault: string
  readonly caughtBy: string
  /** Whether it takes several nodes to show. */
  readonly shared?: boolean
  /** Does it to an honest store. */
  readonly on: (store: Store) => Store
}

/** What else an opening does, in place of what it should. `openings` counts from 1 on: more than one is a restart. */
type Overriding = (
  open: OpenStore,
  opened: { readonly openings: number; readonly opening: StoreOpening },
) => Partial<OpenStore>

function overriding(override: Overriding, opened: (opening: StoreOpening) => StoreOpening = (one) => one) {
  return (store: Store): Store => {
    let openings = 0
    return {
      name: store.name,
      isShared: store.isShared,
      open: async (opening) => {
        const open = await store.open(opened(opening))
        openings += 1
        const others = override(open, { openings, opening })
        return new Proxy(open, {
          get: (_, name: keyof OpenStore) => {
            const value: unknown = name in others ? others[name] : open[name]
            return typeof value === 'function' ? (value.bind(open) as unknown) : value
          },
        })
      },
    }
  }
}

const half = <T>(all: readonly T[]): readonly [T[], T[]] => {
  const middle = Math.ceil(all.length / 2)
  return [all.slice(0, middle), all.slice(middle)]
}

/** A number that comes up once in so many calls. */
function onceIn(count: number): () => boolean {
  let calls = 0
  return () => (calls = (calls + 1) % count) === 0
}

export const sabotages: readonly Sabotage[] = [
  {
    fault: 'drops one message in a thousand',
    caughtBy: 'append-loses-nothing',
    on: overriding((open) => {
      const isLost = onceIn(1_000)
      return {
        append: async (batch, tx) => {
          const lost = batch.map(isLost)
          const isNew = [
            ...(await open.append(
              batch.filter((_, n) => lost[n] !== true),
              tx,
            )),
          ]
          return lost.map((one) => one || isNew.shift() === true)
        },
      }
    }),
  },
  {
    fault: 'stores one message in a thousand twice',
    caughtBy: 'append-stores-once',
    on: overriding((open) => {
      const isTwice = onceIn(1_000)
      return {
        append: async (batch, tx) => {
          const twice = batch.filter(isTwice)
          const isNew = await open.append([...batch, ...twice], tx)
          return isNew.slice(0, batch.length)
        },
      }
    }),
  },
  {
    fault: 'reorders one append in a hundred',
    caughtBy: 'append-order',
    on: overriding((open) => {
      const isReordered = onceIn(100)
      return { append: (batch, tx) => open.append(isReordered() ? [...batch].reverse() : batch, tx) }
    }),
  },
  {
    fault: 'says that a message is stored before it is',
    caughtBy: 'append-is-durable',
    on: overriding((open) => ({
      append: async (batch, tx) => {
        void turn().then(() => open.append(batch, tx).catch(() => []))
        return batch.map(() => true)
      },
    })),
  },
  {
    fault: 'stores the messages of a call in two transactions',
    caughtBy: 'append-is-whole',
    on: overriding((open) => ({
      append: async (batch, tx) => {
        const [first, second] = half(batch)
        const results = await Promise.all([open.append(first, tx), open.append(second, tx)])
        return results.flat()
      },
    })),
  },
  {
    fault: 'swaps the envelope and the body',
    caughtBy: 'append-keeps-content',
    on: overriding((open) => ({
      read: async (...page) => {
        const read = await open.read(...page)
        return read.map((one) => ({ ...one, envelope: one.body, body: one.envelope }))
      },
    })),
  },
  {
    fault: 'gives out the objects that it keeps',
    caughtBy: 'append-copies',
    on: overriding((open) => {
      const kept = new Map<number, LoggedMessage>()
      return {
        read: async (...page) => {
          const read = await open.read(...page)
          return read.map((one) => kept.get(one.position) ?? (kept.set(one.position, one) && one))
        },
      }
    }),
  },
  {
    fault: 'forgets ids when it is opened anew',
    caughtBy: 'duplicates-after-a-restart',
    on: overriding((open, { openings }) => ({
      append: (batch, tx) => open.append(openings > 1 ? batch.map((one) => ({ ...one, mayRepeat: false })) : batch, tx),
    })),
  },
  {
    fault: 'never forgets an id',
    caughtBy: 'duplicates-expire',
    on: overriding((open) => {
      const ids = new Set<string>()
      return {
        append: async (batch, tx) => {
          const isNew = batch.map(({ id, mayRepeat }) => !mayRepeat || ids.size < ids.add(id).size)
          await open.append(
            batch.filter((_, n) => isNew[n]),
            tx,
          )
          return isNew
        },
      }
    }),
  },
  {
    fault: 'says of all that is caused that it is new',
    caughtBy: 'duplicates-that-are-caused-are-told',
    on: overriding((open) => ({
      settle: async (claim, settlement) => (await open.settle(claim, settlement)).map(() => true),
    })),
  },
  {
    fault: 'does not say of what work causes whether it is new',
    caughtBy: 'work-tells-what-is-new-async',
    on: overriding((open) => ({
      settle: async (claim, settlement) =>
        (await open.settle(claim, settlement)).slice(0, settlement.caused?.length ?? 0),
    })),
  },
  {
    fault: 'gives a claim twice',
    caughtBy: 'claim-gives-all-once',
    on: overriding((open) => {
      const given: Claim[] = []
      return {
        claim: async () => {
          given.push(...(await open.claim()))
          return [...given]
        },
      }
    }),
  },
  {
    fault: 'takes the settlement of a stale epoch',
    caughtBy: 'claim-stale-epoch',
    on: overriding((open) => {
      let latest: readonly Claim[] = []
      return {
        claim: async () => (latest = await open.claim()),
        settle: (claim, settlement) =>
          open.settle(claim, settlement).catch(async (error: unknown) => {
            const [now] = latest
            if (now === undefined || now.epoch === claim?.epoch) throw error
            return open.settle(now, settlement)
          }),
      }
    }),
  },
  {
    fault: 'says after a crash that nothing was left running',
    caughtBy: 'claim-unclean',
    on: overriding((open) => ({
      claim: async () => (await open.claim()).map((claim) => ({ ...claim, isClean: true })),
    })),
  },
  {
    fault: 'lets go of its progress when it is opened anew',
    caughtBy: 'claim-unclean',
    on: overriding((open) => ({
      claim: async () =>
        (await open.claim()).map((claim) => ({ ...claim, progress: new Progress(claim.progress.cursor) })),
    })),
  },
  {
    fault: 'takes what is reached for finished',
    caughtBy: 'settle-out-of-order',
    on: overriding((open) => ({
      settle: (claim, settlement) => {
        const { reached = 0, done = [] } = settlement
        return open.settle(claim, { ...settlement, done: [...done, [1, reached]] })
      },
    })),
  },
  {
    fault: 'reaches before it finishes',
    caughtBy: 'settle-reaches-past-what-it-finishes',
    on: overriding((open) => ({
      settle: async (claim, settlement) => {
        await open.settle(claim, { reached: settlement.reached })
        return open.settle(claim, settlement)
      },
    })),
  },
  {
    fault: 'stores a settlement in two transactions',
    caughtBy: 'settle-is-atomic',
    on: overriding((open) => ({
      settle: async (claim, { caused = [], dead = [], ...rest }) => {
        const settled = await Promise.all([open.settle(claim, { caused, dead }), open.settle(claim, rest)])
        return settled.flat()
      },
    })),
  },
  {
    fault: 'stores a settlement whose work fails',
    caughtBy: 'work-that-fails-sync',
    on: overriding((open) => ({
      settle: async (claim, { work, ...rest }) => {
        const worked = work === undefined ? {} : { work }
        return (await Promise.all([open.settle(claim, rest), open.settle(claim, worked)])).flat()
      },
    })),
  },
  {
    fault: 'stores the effects of a handler again when its claim is lost',
    caughtBy: 'work-under-a-stale-claim-async',
    on: overriding((open) => {
      let latest: readonly Claim[] = []
      return {
        claim: async () => (latest = await open.claim()),
        settle: async (claim, settlement) => {
          const [now] = latest
          const { work } = settlement
          if (now !== undefined && now.epoch !== claim?.epoch && work !== undefined) await open.settle(now, { work })
          return open.settle(claim, settlement)
        },
      }
    }),
  },
  {
    fault: 'loses what is caused beyond thirty messages',
    caughtBy: 'settle-stores-what-is-caused',
    on: overriding((open) => ({
      settle: (claim, settlement) =>
        open.settle(claim, { ...settlement, caused: (settlement.caused ?? []).slice(0, 30) }),
    })),
  },
  {
    fault: 'does not hear that an exception is cleared',
    caughtBy: 'exceptions-are-cleared',
    on: overriding((open) => ({
      settle: (claim, settlement) => open.settle(claim, { ...settlement, cleared: [] }),
    })),
  },
  {
    fault: 'prunes what has an exception',
    caughtBy: 'prune-no-exceptions',
    on: overriding((open) => {
      const gone = new Set<number>()
      return {
        settle: async (claim, settlement) => {
          const isNew = await open.settle(claim, settlement)
          for (const { position, state } of settlement.exceptions ?? []) if (state === 'retrying') gone.add(position)
          return isNew
        },
        readAt: async (partition, positions) =>
          (await open.readAt(partition, positions)).filter(({ position }) => !gone.has(position)),
      }
    }),
  },
  {
    fault: 'gives a delayed message half a minute early',
    caughtBy: 'delayed-never-early',
    on: overriding((open) => {
      const early = (one: NewMessage): NewMessage =>
        one.dueAt === undefined ? one : { ...one, dueAt: one.dueAt - 30_000 }
      return {
        append: (batch, tx) => open.append(batch.map(early), tx),
        appendDue: async (limit) => {
          const next = await open.appendDue(limit)
          return next === undefined ? next : next + 30_000
        },
      }
    }),
  },
  {
    fault: 'says that it has cancelled, and has not',
    caughtBy: 'delayed-cancel',
    on: overriding(() => ({ cancel: async (id) => id === 'a' })),
  },
  {
    fault: 'fires a schedule for two',
    caughtBy: 'schedules-fire-once',
    on: overriding((open) => ({
      schedules: {
        dueAt: (name) => open.schedules.dueAt(name),
        put: (name, dueAt) => open.schedules.put(name, dueAt),
        remove: (name) => open.schedules.remove(name),
        fire: async (name, { dueAt, next, message }) => {
          // It looks first, and writes then.
          if ((await open.schedules.dueAt(name)) !== dueAt) return false
          await open.schedules.put(name, next)
          await open.append([message])
          return true
        },
      },
    })),
  },
  {
    fault: 'loses dead letters when it is opened anew',
    caughtBy: 'dead-letters-survive',
    on: overriding((open, { openings }) =>
      openings === 1
        ? {}
        : {
            deadLetters: {
              ...open.deadLetters,
              get: async () => undefined,
              list: async () => ({ letters: [], next: undefined }),
            },
          },
    ),
  },
  {
    fault: 'says of a dead letter that was removed that it is there still',
    caughtBy: 'dead-letters-existing',
    on: overriding((open) => ({ deadLetters: { ...open.deadLetters, existing: async (ids) => ids } })),
  },
  {
    fault: 'does not filter dead letters by their errors',
    caughtBy: 'dead-letters-filters',
    on: overriding((open) => ({
      deadLetters: {
        ...open.deadLetters,
        list: ({ error, ...filter }, page) => open.deadLetters.list(error === undefined ? filter : { ...filter }, page),
      },
    })),
  },
  {
    fault: 'begins a replay for two',
    caughtBy: 'dead-letters-replay-once',
    on: overriding((open) => ({
      deadLetters: {
        ...open.deadLetters,
        beginReplay: async (id, edited) => {
          const isFree = (await open.deadLetters.get(id))?.isReplaying === false
          await open.deadLetters.beginReplay(id, edited)
          return isFree
        },
      },
    })),
  },
  {
    fault: 'does not know a subscription under its new name',
    caughtBy: 'subscription-is-renamed',
    on: overriding(
      () => ({}),
      (opening) => ({ ...opening, subscriptions: opening.subscriptions.map((one) => ({ ...one, formerly: [] })) }),
    ),
  },
  {
    fault: 'loses at close what it was given',
    caughtBy: 'close-stores-what-was-given',
    on: overriding((open) => ({
      append: async (batch, tx) => {
        await turn()
        return open.append(batch, tx)
      },
    })),
  },
  {
    fault: 'has the time of a clock that was set back',
    caughtBy: 'time-never-goes-back',
    on: overriding((_, { opening }) => ({ now: () => opening.clock.now() })),
  },
  {
    fault: 'stores at once what is in a transaction',
    caughtBy: 'tx-is-not-read-early',
    on: overriding((open) => ({ append: (batch) => open.append(batch) })),
  },
  {
    fault: 'takes a claim over while its lease lasts',
    caughtBy: 'lease-holds',
    shared: true,
    on: overriding(
      () => ({}),
      (opening) => {
        const start = opening.clock.now()
        const now = (): number => start + 4 * (opening.clock.now() - start)
        return { ...opening, clock: { now, after: (delayMs, run) => opening.clock.after(delayMs, run) } }
      },
    ),
  },
  {
    fault: 'gives a claim to two nodes',
    caughtBy: 'claims-are-exclusive',
    shared: true,
    on: (store) => {
      let given: Claim | undefined
      const claiming: Overriding = (open) => ({
        claim: async () => {
          const claims = await open.claim()
          const others = claims.length === 0 && given !== undefined ? [given] : []
          given = claims[0]
          return [...claims, ...others]
        },
      })
      return overriding(claiming)(store)
    },
  },
  {
    fault: 'hogs every claim',
    caughtBy: 'balance',
    shared: true,
    on: overriding((open) => ({
      renew: async (claims) => ({ held: (await open.renew?.(claims))?.held ?? [], handOver: [] }),
    })),
  },
  {
    fault: 'hands over what no other node should have',
    caughtBy: 'balance-of-one',
    shared: true,
    on: overriding((open) => ({
      renew: async (claims) => {
        const held = (await open.renew?.(claims))?.held ?? []
        return { held, handOver: held }
      },
    })),
  },
  {
    fault: 'counts nodes that do not have a subscription among those that share it',
    caughtBy: 'balance-by-subscription',
    shared: true,
    on: overriding(
      (open, { opening }) => ({
        claim: async () => {
          const names = opening.subscriptions.map(({ name }) => name)
          return (await open.claim()).filter(({ subscription }) => names.includes(subscription))
        },
      }),
      (opening) => {
        const all = ['a', 'b', 'c', 'd'].map((name) => `events/${name}`)
        const others = all.filter((one) => opening.subscriptions.every(({ name }) => name !== one))
        const more = others.map((name) => ({ name, formerly: [], types: [], from: 'now' as const }))
        return { ...opening, subscriptions: [...opening.subscriptions, ...more] }
      },
    ),
  },
  {
    fault: 'leaves what is free to a node that does not take it',
    caughtBy: 'balance-starves-nobody',
    shared: true,
    on: overriding((open) => ({
      claim: async () => {
        const claims = await open.claim()
        const handOver = (await open.renew?.(claims))?.handOver ?? []
        await open.release(handOver)
        return claims.filter((claim) => !handOver.includes(claim))
      },
    })),
  },
  {
    fault: 'says after a hand-over that something was left running',
    caughtBy: 'hand-over-keeps-all',
    shared: true,
    on: overriding((open) => ({
      claim: async () => (await open.claim()).map((claim) => ({ ...claim, isClean: claim.epoch === 1 })),
    })),
  },
  {
    fault: 'tells nobody that claims are free',
    caughtBy: 'nodes-hear-of-claims',
    shared: true,
    on: overriding(
      () => ({}),
      (opening) => ({ ...opening, claimsChanged: undefined }),
    ),
  },
  {
    fault: 'tells nobody what is replayed',
    caughtBy: 'nodes-hear-of-letters',
    shared: true,
    on: overriding(
      () => ({}),
      (opening) => ({ ...opening, lettersChanged: undefined }),
    ),
  },
  {
    fault: 'has claims take for ever what they took when they were given',
    caughtBy: 'types-grow-while-claimed',
    shared: true,
    on: overriding((open) => ({ claim: async () => (await open.claim()).map((claim) => ({ ...claim })) })),
  },
  {
    fault: 'has claims go on taking what nobody takes any more',
    caughtBy: 'types-shrink-while-claimed',
    shared: true,
    on: overriding((open) => ({
      claim: async () =>
        (await open.claim()).map((claim) => ({
          ...claim,
          get takes() {
            return claim.takes.map((range) => ({ ...range, upTo: undefined }))
          },
        })),
    })),
  },
  {
    fault: 'leaves what a node cannot read to it',
    caughtBy: 'lack-hands-over',
    shared: true,
    on: overriding((open) => ({ renew: async (claims) => (await open.renew?.(claims)) ?? noRenewal })),
  },
  {
    fault: 'takes from a node what nobody else can read either',
    caughtBy: 'lack-of-nobody',
    shared: true,
    on: overriding((open) => ({
      renew: async (claims, lacks = []) => {
        const renewal = (await open.renew?.(claims, lacks)) ?? noRenewal
        return lacks.length === 0 ? renewal : { ...renewal, handOver: renewal.held }
      },
    })),
  },
]

const noRenewal = { held: [], handOver: [] }
