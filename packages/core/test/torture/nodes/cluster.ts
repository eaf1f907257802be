import { setTimeout as delay } from 'node:timers/promises'
import { query } from '../../servers/postgres.ts'
import { ledgerAt } from '../ledger.ts'
import type { Entry } from './entries.ts'
import { Node } from './node.ts'
import { SETTINGS } from './settings.ts'

/** A budget, not a speed: for the nodes to share what there is, after whatever was done to them. */
const BALANCED_WITHIN_MS = 30_000

interface ClusterParts {
  readonly url: string
  readonly ledger: string
  readonly random: () => number
}

/** The nodes that there are, and what is done to them. */
export class Cluster {
  readonly nodes: Node[] = []
  readonly #parts: ClusterParts
  readonly #write: (entry: Entry) => void
  readonly #ended: Node[] = []
  #count = 0

  constructor(parts: ClusterParts) {
    this.#parts = parts
    this.#write = ledgerAt<Entry>(parts.ledger)
  }

  /** What must not be. */
  get faults(): string[] {
    const early = this.nodes.filter(({ hasEnded }) => hasEnded).map(({ name }) => `${name} has ended by itself.`)
    return [...[...this.nodes, ...this.#ended].flatMap(({ fault }) => fault ?? []), ...early]
  }

  /** Writes down that something is done. */
  note(what: string): void {
    this.#write({ is: 'fault', what, at: Date.now() })
  }

  /** Adds nodes, or stops some, until there are so many. */
  async scale(count: number): Promise<void> {
    this.note(`scale to ${count}`)
    while (this.nodes.length > count) await this.stop(this.any())
    await Promise.all(Array.from({ length: count - this.nodes.length }, () => this.start()))
  }

  async start(): Promise<void> {
    const { url, ledger, random } = this.#parts
    this.#count += 1
    const node = new Node(`node${this.#count}`, { url, ledger, seed: Math.floor(random() * 2 ** 32) })
    this.nodes.push(node)
    await node.up
  }

  any(): Node {
    return this.nodes[Math.floor(this.#parts.random() * this.nodes.length)] as Node // There always is one.
  }

  async kill(node: Node): Promise<void> {
    const at = Date.now()
    await node.kill()
    this.#remove(node, { isKilled: this.nodes.length > 1, at })
  }

  async stop(node: Node): Promise<void> {
    await node.stop()
    this.#remove(node, { isKilled: false, at: Date.now() })
  }

  #remove(node: Node, { isKilled, at }: { readonly isKilled: boolean; readonly at: number }): void {
    this.nodes.splice(this.nodes.indexOf(node), 1)
    this.#ended.push(node)
    this.#write({ is: 'gone', node: node.name, isKilled, at })
  }

  /** Resolves when every node has its share, and none more: with how long that took, or with what is not so. */
  async balanced(): Promise<{ readonly tookMs: number } | { readonly fault: string }> {
    const start = performance.now()
    for (;;) {
      const wrong = await this.#unbalanced()
      const tookMs = performance.now() - start
      if (wrong === undefined) return { tookMs }
      if (tookMs > BALANCED_WITHIN_MS) return { fault: `After ${Math.round(tookMs)} ms: ${wrong}` }
      await delay(50)
    }
  }

  async #unbalanced(): Promise<string | undefined> {
    const rows = await query(
      this.#parts.url,
      `SELECT c.subscription, o.owner, count(*)::integer AS count FROM iambus.claim c
        JOIN oracle.claimed o ON o.subscription = c.subscription AND o.partition = c.partition AND o.epoch = c.epoch
        WHERE c.node IS NOT NULL AND c.held_until > iambus.now_ms() GROUP BY c.subscription, o.owner`,
    )
    const living = new Set(this.nodes.map(({ name }) => name))
    const most = Math.ceil(SETTINGS.partitions / living.size)
    const least = Math.floor(SETTINGS.partitions / living.size)
    const of = Map.groupBy(rows, ({ subscription }) => subscription)
    for (const [subscription, shares] of of) {
      const counts = shares.map(({ owner, count }) => `${String(owner)} has ${String(count)}`).join(', ')
      const isWrong = shares.some(
        ({ owner, count }) => !living.has(owner as string) || (count as number) > most || (count as number) < least,
      )
      const all = shares.reduce((sum, { count }) => sum + (count as number), 0)
      if (isWrong || all < SETTINGS.partitions) return `of ${String(subscription)}, ${counts}, and ${living.size} live.`
    }
    return of.size > 0 ? undefined : 'nobody has anything.'
  }
}
