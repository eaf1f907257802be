import { Progress } from '../ports/progress.ts'
import { ableNodes, type Lack, partitionsOf, type Ranked, type Renewal } from '../ports/share.ts'
import type { Claim, Exception, Subscription } from '../ports/store.ts'
import type { Generations } from './generations.ts'
import type { HeldClaims } from './held-claims.ts'
import type { PostgresTransaction } from './client.ts'
import { numberOf, optional } from './messages.ts'
import type { Reads } from './reads.ts'
import type { Statements } from './statements.ts'
import { type LiveClaim, rangesIn, type TakenTypes } from './taken-types.ts'
import type { Writer } from './writer.ts'

interface ClaimsParts {
  readonly statements: Statements
  readonly writer: Writer
  readonly reads: Reads
  readonly held: HeldClaims
  readonly node: string
  readonly leaseMs: number
  readonly generations: Generations
  /** Called when claims were given back, or there are others that can be had. */
  readonly released: () => void
  /** The subscriptions of this node: their ids, by name. */
  readonly ids: ReadonlyMap<string, number>
  readonly subscriptions: readonly Subscription[]
  readonly types: TakenTypes
  /** What the heartbeat has told. */
  readonly beat: (told: { readonly now: number; readonly isOnDuty: boolean }) => void
}

/** Who may work for a subscription in a partition: leases, which end unless they are renewed, each with an epoch. */
export class Claims {
  readonly #parts: ClaimsParts
  /** What this node lacks, as far as the others have been told. */
  #lacks: readonly Lack[] = []

  constructor(parts: ClaimsParts) {
    this.#parts = parts
  }

  claim(): Promise<readonly Claim[]> {
    const { statements, writer, ids, node, leaseMs, held, types } = this.#parts
    const names = new Map([...ids].map(([name, id]) => [id, name]))
    return writer.alone(async (tx) => {
      if (names.size === 0) return []
      await this.#moveOn(tx)
      const members = (await tx.query(statements.text('members'))).rows
      const shares = this.#sharesOf(members)
      const all = [...names.keys()].flatMap((id) => this.#partitions().map((partition) => [id, partition] as const))
      const { rows } = await tx.query(statements.text('claim'), [
        all.map(([id]) => id),
        all.map(([, partition]) => partition),
        all.map(([id, partition]) => shares.get(id)?.has(partition) === true),
        node,
        leaseMs,
      ])
      if (rows.length === 0) return []
      const of = [rows.map((row) => row['subscription']), rows.map((row) => row['partition'])]
      const ranges = (await tx.query(statements.text('ranges'), of)).rows
      const claims = rows.map((row): LiveClaim => claimOf(row, names, ranges))
      for (const claim of claims) {
        const id = ids.get(claim.subscription) as number
        held.add(claim, id)
        types.add(claim, id)
      }
      return claims
    })
  }

  /** Also tells the others that this node lives. */
  renew(claims: readonly Claim[], lacks: readonly Lack[]): Promise<Renewal> {
    const { statements, writer, node, leaseMs, ids, beat } = this.#parts
    return writer.first(async (tx) => {
      const asked = [node, leaseMs, ...this.#columnsOf(claims), [...ids.values()]]
      const [row = {}] = (await tx.query(statements.text('renew'), asked)).rows
      if (row['was_forgotten'] === true) await this.#enrol(tx)
      await this.#tellLacks(tx, lacks)
      beat({ now: numberOf(row['now']), isOnDuty: row['is_on_duty'] === true })
      const kept = new Set(row['kept'] as readonly string[])
      const held = claims.filter(({ subscription, partition, epoch }) => {
        return kept.has(`${ids.get(subscription)}#${partition}#${epoch}`)
      })
      for (const claim of claims) if (!held.includes(claim)) this.#forget(claim)
      const shares = this.#sharesOf(JSON.parse(row['members'] as string) as Record<string, unknown>[])
      // What is drained nobody works for any more.
      const drained = new Set(row['drained'] as readonly string[])
      const handOver = held.filter(({ subscription, partition, epoch }) => {
        const id = ids.get(subscription) as number // Only what this node has bound is held.
        return shares.get(id)?.has(partition) !== true || drained.has(`${id}#${partition}#${epoch}`)
      })
      return { held, handOver, mayClaim: row['is_any_free'] === true }
    })
  }

  /** Where this node's subscriptions have drained a generation of partitions, they go on with the next. */
  async #moveOn(tx: PostgresTransaction): Promise<void> {
    const { statements, generations, ids, released } = this.#parts
    // What has drained by now was not known to be at its end when this node renewed.
    if (await generations.refresh()) released()
    if (!generations.isDraining) return
    const { rows } = await tx.query(statements.text('moveOn'), [[...ids.values()]])
    if (numberOf(rows[0]?.['count']) > 0) released()
  }

  #partitions(): readonly number[] {
    return this.#parts.generations.all.flatMap(({ first, partitions }) => {
      return Array.from({ length: partitions }, (_, n) => first + n)
    })
  }

  /** Which partitions this node should have, by subscription: its share of each generation. `rows`: the nodes that live. */
  #sharesOf(rows: readonly Record<string, unknown>[]): ReadonlyMap<number, ReadonlySet<number>> {
    const { node, ids, subscriptions, generations } = this.#parts
    return new Map(
      subscriptions.map((own) => {
        const id = ids.get(own.name) as number // It was registered.
        const others = rows.filter((row) => row['subscription'] === id && row['node'] !== node).map(rankedOf)
        const able = ableNodes([this.#self(own), ...others])
        const share = generations.all.flatMap(({ first, partitions }) => {
          return [...partitionsOf(node, able, partitions)].map((n) => first + n)
        })
        return [id, new Set(share)]
      }),
    )
  }

  /** This node: it is live, since it asks, whatever the others think. */
  #self({ name, types, versions = new Map() }: Subscription): Ranked {
    const lacks = this.#lacks.filter(({ subscription }) => subscription === name)
    return { node: this.#parts.node, types, versions, lacks }
  }

  /** It has not been heard of for so long that nobody knew any more what it has. */
  async #enrol(tx: PostgresTransaction): Promise<void> {
    const { statements, ids, node, subscriptions } = this.#parts
    for (const { name, types, versions } of subscriptions) {
      const known = types.map((type) => versions?.get(type) ?? 1)
      await tx.query(statements.text('enrol'), [node, ids.get(name), types, known])
    }
    this.#lacks = []
  }

  /** Lacks are only added, in their order. */
  async #tellLacks(tx: PostgresTransaction, lacks: readonly Lack[]): Promise<void> {
    const { statements, ids, node } = this.#parts
    if (lacks.length === this.#lacks.length) return
    for (const [name, own] of Map.groupBy(lacks, ({ subscription }) => subscription)) {
      const [types, versions] = [own.map(({ type }) => type), own.map(({ version }) => version)]
      await tx.query(statements.text('lack'), [node, ids.get(name), types, versions])
    }
    this.#lacks = lacks
  }

  release(claims: readonly Claim[]): Promise<void> {
    const { statements, writer, node, released } = this.#parts
    return writer.alone(async (tx) => {
      if (claims.length === 0) return
      await tx.query(statements.text('release'), [...this.#columnsOf(claims), node])
      released()
      for (const claim of claims) this.#forget(claim)
    })
  }

  #forget(claim: Claim): void {
    const { held, types, ids } = this.#parts
    held.forget(claim)
    types.forget(claim, ids.get(claim.subscription) ?? -1)
  }

  /** Subscriptions, partitions, epochs. */
  #columnsOf(claims: readonly Claim[]): readonly (readonly number[])[] {
    const { ids } = this.#parts
    return [
      claims.map(({ subscription }) => ids.get(subscription) ?? -1),
      claims.map(({ partition }) => partition),
      claims.map(({ epoch }) => epoch),
    ]
  }

  async exceptions({ subscription, partition }: Claim): Promise<readonly Exception[]> {
    const { reads, ids } = this.#parts
    const rows = await reads.run('exceptions', [ids.get(subscription) ?? -1, partition])
    return rows.map((row) => ({
      position: numberOf(row['position']),
      key: (row['key'] as string | null) ?? undefined,
      state: row['state'] as Exception['state'], // As it was written.
      dueAt: optional(row['due_at']),
      note: (row['note'] as string | null) ?? undefined,
    }))
  }
}

function rankedOf(row: Record<string, unknown>): Ranked {
  const types = row['types'] as string[]
  const versions = row['versions'] as number[]
  const lackedVersions = row['lacked_versions'] as number[]
  return {
    node: row['node'] as string,
    types,
    versions: new Map(types.map((type, n) => [type, numberOf(versions[n])])),
    lacks: (row['lacked_types'] as string[]).map((type, n) => ({ type, version: numberOf(lackedVersions[n]) })),
  }
}

function claimOf(
  row: Record<string, unknown>,
  names: ReadonlyMap<number, string>,
  ranges: readonly Record<string, unknown>[],
): LiveClaim {
  const id = row['subscription'] as number
  const partition = row['partition'] as number
  return {
    subscription: names.get(id) as string, // It was asked for.
    partition,
    epoch: numberOf(row['epoch']),
    progress: new Progress(numberOf(row['cursor']), numberOf(row['reach']), row['finished'] as Uint8Array),
    isClean: row['is_clean'] === true,
    takes: rangesIn(ranges, { id, partition }),
  }
}
