import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Claim, OpenStore } from '../../../ports/store.ts'
import type { CaseDefinition } from './case-definition.ts'
import { letter, message, messages, subscription } from './samples.ts'
import { nameOf, renewal, type Trial, turns, until } from './trial.ts'

const PARTITIONS = 8
/** In how many looks of each node everything has to be where it belongs. */
const ROUNDS = 4

/** A node that does what the bus does: it renews what it has, hands over what another one should have, and takes what is free. */
class Node {
  readonly open: OpenStore
  claims: readonly Claim[] = []

  constructor(open: OpenStore) {
    this.open = open
  }

  async look(): Promise<void> {
    await this.renew()
    this.claims = [...this.claims, ...(await this.open.claim())]
  }

  /** Gives how many it has handed over. */
  async renew(): Promise<number> {
    const { held, handOver } = await renewal(this.open, this.claims)
    const given = new Set(handOver.map(nameOf))
    const names = new Set(held.map(nameOf))
    ok(
      handOver.every((claim) => names.has(nameOf(claim))),
      'What is to be handed over is held still.',
    )
    this.claims = held.filter((claim) => !given.has(nameOf(claim)))
    await this.open.release(handOver)
    return handOver.length
  }

  /** It stops in order. */
  async stop(): Promise<void> {
    await this.open.release(this.claims)
    await this.open.close()
  }

  of(name: string): number[] {
    return this.claims.filter((claim) => claim.subscription === name).map(({ partition }) => partition)
  }
}

async function node(trial: Trial, names: readonly string[] = ['events/a']): Promise<Node> {
  return new Node(await trial.open(names.map((name) => subscription(name))))
}

async function look(all: readonly Node[], rounds = ROUNDS): Promise<void> {
  for (let round = 0; round < rounds; round += 1) for (const one of all) await one.look()
}

/** Each partition is had by one of them, and none of them has more than its part. */
function areBalanced(all: readonly Node[], name = 'events/a'): void {
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition)
  const had = all.flatMap((one) => one.of(name))
  deepEqual(
    had.sort((a, b) => a - b),
    partitions,
  )
  const most = Math.max(...all.map((one) => one.of(name).length))
  const part = Math.ceil(PARTITIONS / all.length)
  ok(most <= part, `Of ${all.length} nodes, one has ${most} of ${PARTITIONS} partitions of ${name}: ${part} at most.`)
}

export const balancing: readonly CaseDefinition[] = [
  {
    name: 'balance-of-one',
    title: 'a node that is alone has everything, and nothing to hand over',
    needs: ['shared', 'partitions'],
    setup: { partitions: PARTITIONS },
    run: async (trial) => {
      const alone = await node(trial)
      await alone.look()
      areBalanced([alone])
      equal(await alone.renew(), 0)
    },
  },
  {
    name: 'balance',
    title: 'as nodes come and go, no one has more than its part, and everything is had by somebody (L3)',
    needs: ['shared', 'partitions'],
    setup: { partitions: PARTITIONS },
    run: async (trial) => {
      const all: Node[] = []
      for (let count = 1; count <= 5; count += 1) {
        all.push(await node(trial))
        await look(all)
        areBalanced(all)
      }
      equal((await Promise.all(all.map((one) => one.renew()))).join(), '0,0,0,0,0')
      while (all.length > 2) {
        await all.shift()?.stop()
        await look(all)
        areBalanced(all)
      }
    },
  },
  {
    name: 'balance-after-a-death',
    title: 'what a dead node had, and what was free for it, the others have when its lease is over',
    needs: ['shared', 'partitions'],
    setup: { partitions: PARTITIONS },
    run: async (trial) => {
      const all = [await node(trial), await node(trial)]
      await look(all)
      const dead = await node(trial)
      await look([...all, dead])
      await node(trial) // This one dies before it could take anything.
      await look(all)
      for (let passed = 0; passed <= trial.leaseMs; passed += trial.leaseMs / 3) {
        await trial.advance(trial.leaseMs / 3)
        await look(all, 1)
      }
      areBalanced(all)
    },
  },
  {
    name: 'balance-starves-nobody',
    title: 'what is free for a node that lives, and does not take it, another one has within two leases',
    needs: ['shared', 'partitions'],
    setup: { partitions: PARTITIONS },
    run: async (trial) => {
      const [first, idle] = [await node(trial), await node(trial)]
      const seen = new Set<number>()
      for (let passed = 0; passed <= 2 * trial.leaseMs; passed += trial.leaseMs / 3) {
        await first.look()
        await idle.renew()
        for (const partition of first.of('events/a')) seen.add(partition)
        await trial.advance(trial.leaseMs / 3)
      }
      equal(seen.size, PARTITIONS)
    },
  },
  {
    name: 'balance-by-subscription',
    title: 'a subscription is shared by the nodes that have it, and by no others',
    needs: ['shared', 'partitions'],
    setup: { partitions: PARTITIONS },
    run: async (trial) => {
      const [one, other] = [await node(trial, ['events/a', 'events/b']), await node(trial, ['events/a', 'events/c'])]
      const stranger = await node(trial, ['events/d'])
      await look([one, other, stranger])
      areBalanced([one, other])
      areBalanced([one], 'events/b')
      areBalanced([other], 'events/c')
      areBalanced([stranger], 'events/d')
    },
  },
  {
    name: 'hand-over-keeps-all',
    title: 'what is handed over goes on where it was, clean; and until then it is held',
    needs: ['shared', 'partitions'],
    setup: { partitions: PARTITIONS },
    run: async (trial) => {
      const first = await node(trial)
      await first.look()
      await first.open.append(messages('m', 200))
      for (const claim of first.claims) await first.open.settle(claim, { reached: 3, done: [[2, 2]] })
      const second = await node(trial)
      const { handOver } = await renewal(first.open, first.claims)
      equal(handOver.length, PARTITIONS / 2)
      await second.look()
      equal(second.claims.length, 0)
      for (const claim of handOver) await first.open.settle(claim, { done: [[3, 3]], caused: [message('late')] })
      await first.renew()
      await second.look()
      deepEqual(second.claims.map(nameOf).sort(), handOver.map(nameOf).sort())
      for (const { isClean, progress } of second.claims) deepEqual([isClean, progress.unfinished()], [true, [1]])
    },
  },
  {
    name: 'nodes-hear-of-claims',
    title: 'nodes that come, go, or release claims tell the others',
    needs: ['shared'],
    run: async (trial) => {
      let told = 0
      const claimsChanged = (): void => void (told += 1)
      const hears = async (what: string): Promise<void> => {
        await until(() => told > 0, `claimsChanged() is called when another node ${what}`, 2_000)
        await turns(2)
        told = 0
      }
      const first = await node(trial)
      await first.look()
      await trial.openWith({ claimsChanged })
      const second = await node(trial, ['events/b'])
      await hears('has come')
      await first.open.release(first.claims)
      await hears('has released claims')
      await second.open.close()
      await hears('has gone')
    },
  },
  {
    name: 'nodes-hear-of-letters',
    title: 'nodes that begin to replay dead letters, or remove some, tell the others',
    needs: ['shared'],
    run: async (trial) => {
      let told = 0
      const lettersChanged = (): void => void (told += 1)
      const hears = async (what: string): Promise<void> => {
        await until(() => told > 0, `lettersChanged() is called when another node ${what}`, 2_000)
        await turns(2)
        told = 0
      }
      const first = await node(trial)
      await first.look()
      const second = await trial.openWith({ lettersChanged })
      await first.open.settle(first.claims[0], { dead: [letter('l1'), letter('l2')] })
      equal(await first.open.deadLetters.beginReplay('l1'), true)
      await hears('has begun a replay')
      deepEqual(
        (await second.deadLetters.replaying('events/a')).map(({ id }) => id),
        ['l1'],
      )
      deepEqual(await first.open.deadLetters.remove(['l2']), ['l2'])
      await hears('has removed a dead letter')
    },
  },
]
