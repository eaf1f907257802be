import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type PrivatePostgres, privatePostgres } from '../../servers/private-postgres.ts'
import { chanceOf } from '../chance.ts'
import { readLedger } from '../ledger.ts'
import { Cluster } from './cluster.ts'
import type { Entry } from './entries.ts'
import { consult, type Facts, factsOf, leftIn } from './oracle.ts'
import { SETTINGS } from './settings.ts'

/** A budget, not a speed: for all that is left to be done. */
const DRAINED_WITHIN_MS = 90_000

/** What is done to the nodes in a round; they are given some time before, and all that they need afterwards. */
export const FAULTS = ['scale', 'kill', 'pause', 'server', 'roll', 'kill in pause'] as const
export type Fault = (typeof FAULTS)[number]

export interface TortureOptions {
  readonly rounds: number
  readonly seed: number
  /** Told after each round. */
  readonly ended?: (round: number, fault: Fault) => void
}

/** What there is to judge. */
export interface Torture {
  /** With the ledger in it, and the facts. */
  readonly folder: string
  readonly entries: readonly Entry[]
  readonly facts: Facts
  /** How long it took, after each fault, until each node had its share, in milliseconds. */
  readonly balancedMs: readonly number[]
  /** What must not be: nodes that end by themselves, or never; shares that are too large; work that is left. */
  readonly faults: readonly string[]
}

/** Has nodes publish and handle over one server, and does to them what the rounds say; in the end, has them do all that is left. */
export async function torture({ rounds, seed, ended }: TortureOptions): Promise<Torture> {
  const folder = mkdtempSync(join(tmpdir(), 'iambus-nodes-'))
  const ledger = join(folder, 'ledger')
  await using server = await privatePostgres()
  await consult(server.url)
  const random = chanceOf(seed)
  const cluster = new Cluster({ url: server.url, ledger, random })
  const killAll = (): void => void cluster.nodes.map((node) => node.kill())
  process.once('exit', killAll)
  const faults: string[] = []
  const balancedMs: number[] = []
  try {
    await cluster.scale(1)
    const plan = planOf(rounds, random)
    for (const [n, fault] of plan.entries()) {
      await delay(random() * 500)
      await tormentors[fault]({ cluster, server, random })
      const balance = await cluster.balanced()
      if ('fault' in balance) faults.push(`Round ${n + 1}, ${fault}. ${balance.fault}`)
      else balancedMs.push(balance.tookMs)
      faults.push(...cluster.faults)
      if (faults.length > 0) break
      ended?.(n + 1, fault)
    }
    if (faults.length === 0) faults.push(...(await drain(cluster, server.url)))
    while (cluster.nodes.length > 0) await cluster.stop(cluster.any())
    faults.push(...cluster.faults)
    const facts = await factsOf(server.url)
    writeFileSync(join(folder, 'facts.json'), JSON.stringify(facts))
    return { folder, entries: readLedger<Entry>(ledger), facts, balancedMs, faults }
  } finally {
    await Promise.all(cluster.nodes.map((node) => node.kill()))
    process.removeListener('exit', killAll)
  }
}

/** Each of them once in as many rounds, in an order that the seed says: the first is from one node to many. */
function planOf(rounds: number, random: () => number): Fault[] {
  const plan: Fault[] = []
  while (plan.length < rounds) {
    const [first, ...others] = FAULTS
    const shuffled = others.map((fault) => [random(), fault] as const).sort(([a], [b]) => a - b)
    plan.push(first, ...shuffled.map(([, fault]) => fault))
  }
  return plan.slice(0, rounds)
}

interface Torment {
  readonly cluster: Cluster
  readonly server: PrivatePostgres
  readonly random: () => number
}

const tormentors: Readonly<Record<Fault, (torment: Torment) => Promise<void>>> = {
  /** To five, and then to two or three. */
  scale: async ({ cluster, random }) => {
    await cluster.scale(5)
    await delay(random() * 1_000)
    await cluster.scale(2 + Math.floor(random() * 2))
  },

  /** One is there again later, at once, or, where it was the only one, before anybody has missed it. */
  kill: async ({ cluster, random }) => {
    cluster.note('kill')
    await cluster.kill(cluster.any())
    if (random() < 0.5) await delay(random() * 2 * SETTINGS.leaseMs)
    await cluster.start()
  },

  /** It wakes up when others have long had what it had. */
  pause: async ({ cluster }) => {
    const zombie = cluster.any()
    cluster.note(`pause ${zombie.name}`)
    zombie.pause()
    await delay(2 * SETTINGS.leaseMs)
    cluster.note(`resume ${zombie.name}`)
    zombie.resume()
  },

  'kill in pause': async ({ cluster, random }) => {
    const zombie = cluster.any()
    cluster.note(`pause ${zombie.name}, and kill one`)
    zombie.pause()
    await delay(random() * SETTINGS.leaseMs)
    await cluster.kill(cluster.any())
    await cluster.start()
    await delay(random() * 2 * SETTINGS.leaseMs)
    if (cluster.nodes.includes(zombie)) zombie.resume()
  },

  server: async ({ cluster, server, random }) => {
    const how = (['stop', 'stop at once', 'kill', 'halt'] as const)[Math.floor(random() * 4)]
    cluster.note(`${how} the server`)
    if (how === 'halt') {
      await server.pause()
      await delay(random() * 2 * SETTINGS.leaseMs)
      server.resume()
      return
    }
    if (how === 'kill') await server.kill()
    else await server.stop(how === 'stop' ? 'fast' : 'immediate')
    await delay(random() * SETTINGS.leaseMs)
    await server.start()
  },

  /** One after the other is replaced: by one that comes before, or after it has gone. */
  roll: async ({ cluster, random }) => {
    cluster.note('roll')
    for (const node of cluster.nodes.slice()) {
      if (random() < 0.5) await Promise.all([cluster.start(), cluster.stop(node)])
      else {
        await cluster.stop(node)
        await cluster.start()
      }
    }
  },
}

/** Heals what is dead, and waits until nothing is left. */
async function drain(cluster: Cluster, url: string): Promise<string[]> {
  cluster.note('drain')
  for (const node of cluster.nodes) node.say('quiet')
  for (const node of cluster.nodes) node.say('heal')
  for (const until = performance.now() + DRAINED_WITHIN_MS; performance.now() < until;) {
    const left = await leftIn(url)
    if (Object.values(left).every((count) => count === 0)) return []
    if ((left['dead letters'] ?? 0) > 0) for (const node of cluster.nodes) node.say('replay')
    // What is passed when it comes is behind the tail again: it comes once, when all else is done.
    if (left['exceptions'] === 0) cluster.any().say('last')
    await delay(500)
  }
  return [`After ${DRAINED_WITHIN_MS} ms, there were left: ${JSON.stringify(await leftIn(url))}`]
}
