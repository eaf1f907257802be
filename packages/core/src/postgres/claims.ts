import { Progress } from '../ports/progress.ts'
import { partitionsOf, type Renewal } from '../ports/share.ts'
import type { Claim, Exception, TypeRange } from '../ports/store.ts'
import type { HeldClaims } from './held-claims.ts'
import { numberOf, optional } from './messages.ts'
import type { Reads } from './reads.ts'
import type { Statements } from './statements.ts'
import type { Writer } from './writer.ts'

interface ClaimsParts {
  readonly statements: Statements
  readonly writer: Writer
  readonly reads: Reads
  readonly held: HeldClaims
  readonly node: string
  readonly leaseMs: number
  readonly partitions: number
  /** Called when claims were given back. */
  readonly released: () => void
  /** The subscriptions of this node: their ids, by name. */
  readonly ids: ReadonlyMap<string, number>
  /** What the heartbeat has told. */
  readonly beat: (told: { readonly now: number; readonly isOnDuty: boolean }) => void
}

/** Who may work for a subscription in a partition: leases, which end unless they are renewed, each with an epoch. */
export class Claims {
  readonly #parts: ClaimsParts

  constructor(parts: ClaimsParts) {
    this.#parts = parts
  }

  claim(): Promise<readonly Claim[]> {
    const { statements, writer, ids, node, leaseMs, held, partitions } = this.#parts
    const names = new Map([...ids].map(([name, id]) => [id, name]))
    return writer.alone(async (tx) => {
      if (names.size === 0) return []
      const members = (await tx.query(statements.text('members'))).rows
      const shares = this.#sharesOf(members.map((row) => `${String(row['subscription'])}#${String(row['node'])}`))
      const all = [...names.keys()].flatMap((id) => Array.from({ length: partitions }, (_, n) => [id, n] as const))
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
      const claims = rows.map((row): Claim => claimOf(row, names, ranges))
      for (const claim of claims) held.add(claim, ids.get(claim.subscription) as number)
      return claims
    })
  }

  /** Also tells the others that this node lives. */
  renew(claims: readonly Claim[]): Promise<Renewal> {
    const { statements, writer, node, leaseMs, ids, beat } = this.#parts
    return writer.first(async (tx) => {
      const asked = [node, leaseMs, ...this.#columnsOf(claims), [...ids.values()]]
      const [row = {}] = (await tx.query(statements.text('renew'), asked)).rows
      beat({ now: numberOf(row['now']), isOnDuty: row['is_on_duty'] === true })
      const kept = new Set(row['kept'] as readonly string[])
      const held = claims.filter(({ subscription, partition, epoch }) => {
        return kept.has(`${ids.get(subscription)}#${partition}#${epoch}`)
      })
      const shares = this.#sharesOf(row['members'] as readonly string[])
      const handOver = held.filter(({ subscription, partition }) => {
        return shares.get(ids.get(subscription) as number)?.has(partition) !== true // Only what this node has bound is held.
      })
      return { held, handOver, mayClaim: row['is_any_free'] === true }
    })
  }

  /** Which partitions this node should have, by subscription; `members`: those of the nodes that live, as `7#node`. */
  #sharesOf(members: readonly string[]): ReadonlyMap<number, ReadonlySet<number>> {
    const { node, ids, partitions } = this.#parts
    return new Map(
      [...ids.values()].map((id) => {
        const own = `${id}#`
        const others = members.filter((one) => one.startsWith(own)).map((one) => one.slice(own.length))
        return [id, partitionsOf(node, [node, ...others], partitions)]
      }),
    )
  }

  release(claims: readonly Claim[]): Promise<void> {
    const { statements, writer, node, held, released } = this.#parts
    return writer.alone(async (tx) => {
      if (claims.length === 0) return
      await tx.query(statements.text('release'), [...this.#columnsOf(claims), node])
      released()
      for (const claim of claims) held.forget(claim)
    })
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

function claimOf(
  row: Record<string, unknown>,
  names: ReadonlyMap<number, string>,
  ranges: readonly Record<string, unknown>[],
): Claim {
  const id = row['subscription'] as number
  const partition = row['partition'] as number
  const own = ranges.filter((range) => range['subscription'] === id && range['partition'] === partition)
  return {
    subscription: names.get(id) as string, // It was asked for.
    partition,
    epoch: numberOf(row['epoch']),
    progress: new Progress(numberOf(row['cursor']), numberOf(row['reach']), row['finished'] as Uint8Array),
    isClean: row['is_clean'] === true,
    takes: own.map((range): TypeRange => {
      return { type: range['type'] as string, after: numberOf(range['after']), upTo: optional(range['up_to']) }
    }),
  }
}
