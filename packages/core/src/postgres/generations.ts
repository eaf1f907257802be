import { numberOf, optional } from './messages.ts'
import type { Reads } from './reads.ts'

/** Partitions that a log has had from one change of their number to the next: `first`, and those behind it. */
export interface Generation {
  readonly first: number
  readonly partitions: number
  /** Where each of them has ended; nothing where they have not. */
  readonly ends: readonly (number | undefined)[]
}

/** The generations that this node knows: the newest, and those of which there are claims left. */
export class Generations {
  readonly #reads: Reads
  #all: readonly Generation[]

  /** @param all the newest one last. */
  constructor(reads: Reads, all: readonly Generation[]) {
    this.#reads = reads
    this.#all = all
  }

  get all(): readonly Generation[] {
    return this.#all
  }

  /** Where new messages are. */
  get newest(): Generation {
    return this.#all.at(-1) as Generation // There always is one.
  }

  /** Whether any subscription has yet to go on with the newest one. */
  get isDraining(): boolean {
    return this.#all.length > 1
  }

  /** Whether nothing comes in a partition behind this position. */
  isEnd(partition: number, position: number): boolean {
    return this.#all.some(({ first, ends }) => ends[partition - first] === position)
  }

  /** Tells whether they are others than before. @throws {StoreFailed} */
  async refresh(): Promise<boolean> {
    const before = JSON.stringify(this.#all)
    this.#all = generationsOf(await this.#reads.run('generations'))
    return JSON.stringify(this.#all) !== before
  }
}

/** What the statement `generations` gives. */
export function generationsOf(rows: readonly Record<string, unknown>[]): readonly Generation[] {
  return rows.map((row) => ({
    first: numberOf(row['first']),
    partitions: numberOf(row['partitions']),
    ends: (row['ends'] as readonly unknown[]).map(optional),
  }))
}
