import type { Claim, TypeRange } from '../ports/store.ts'
import { numberOf, optional } from './messages.ts'

/** A claim as it is given out: what it takes is kept up to date. */
export type LiveClaim = Omit<Claim, 'takes'> & { takes: Claim['takes'] }

interface Taking {
  readonly claim: LiveClaim
  /** Of its subscription. */
  readonly id: number
}

/** Gives the ranges of claims: those of these subscriptions in these partitions. */
type Ranges = (subscriptions: readonly number[], partitions: readonly number[]) => Promise<TypeRows>
type TypeRows = readonly Record<string, unknown>[]

/** Which messages are those of claims of this node: other nodes may register more types while it has them. */
export class TakenTypes {
  readonly #ranges: Ranges
  readonly #taking = new Map<string, Taking>()
  /** After how many changes all of it is as it is here. */
  #changes = 0
  #adds = 0
  #refreshing: Promise<void> | undefined

  constructor(ranges: Ranges) {
    this.#ranges = ranges
  }

  /** One that is taken anew takes the place of what it was before. What it takes may have been told before the last changes. */
  add(claim: LiveClaim, id: number): void {
    this.#adds += 1
    this.#changes = -1
    this.#taking.set(`${id} ${claim.partition}`, { claim, id })
  }

  forget({ partition, epoch }: Claim, id: number): void {
    const name = `${id} ${partition}`
    if (this.#taking.get(name)?.claim.epoch === epoch) this.#taking.delete(name)
  }

  /** Whether it is as it is after so many changes, or after more. */
  isUpTo(changes: number): boolean {
    return this.#changes >= changes
  }

  /** Resolves when what is taken is as it is after so many changes, or after more. */
  async upTo(changes: number): Promise<void> {
    while (!this.isUpTo(changes)) {
      this.#refreshing ??= this.#refresh(changes).finally(() => (this.#refreshing = undefined))
      await this.#refreshing
    }
  }

  async #refresh(changes: number): Promise<void> {
    const taking = [...this.#taking.values()]
    const adds = this.#adds
    const rows = await this.#ranges(
      taking.map(({ id }) => id),
      taking.map(({ claim }) => claim.partition),
    )
    for (const { claim, id } of taking) claim.takes = rangesIn(rows, { id, partition: claim.partition })
    if (adds === this.#adds) this.#changes = changes
  }
}

/** Those of one claim. */
export function rangesIn(
  rows: TypeRows,
  { id, partition }: { readonly id: number; readonly partition: number },
): readonly TypeRange[] {
  const own = rows.filter((row) => row['subscription'] === id && row['partition'] === partition)
  return own.map((row): TypeRange => {
    return { type: row['type'] as string, after: numberOf(row['after']), upTo: optional(row['up_to']) }
  })
}
