import { Chance } from './chance.ts'
import type { Fault, PlannedFault } from './faults.ts'

const none: readonly PlannedFault[] = []
/** How many faults strike in a run at most: what does not hold with a few would be hidden by many. */
const AT_MOST = 6
/** The time of day is set by up to an hour. */
const JUMP_MS = 3_600_000

/** Which faults strike in a run, and when, as its seed decides. */
export class Mischief {
  readonly #chance: Chance
  readonly #kinds: readonly Fault[]
  readonly #rarity: number

  /** Each run has some of the faults only, and few or many of them: so each of them is also seen alone. */
  constructor(seed: number, faults: readonly Fault[]) {
    this.#chance = new Chance(seed ^ 0x5eed)
    this.#kinds = faults.filter(() => this.#chance.oneIn(2))
    this.#rarity = this.#chance.of([6, 15, 40])
  }

  /** @param of how many have struck so far, and among how many messages and nodes there is a choice. */
  at(step: number, of: { readonly struck: number; readonly messages: number; readonly nodes: number }): typeof none {
    if (of.struck >= AT_MOST || this.#kinds.length === 0) return none
    if (!this.#chance.oneIn(this.#rarity)) return none
    const fault = this.#chance.of(this.#kinds)
    return [{ step, fault, detail: this.#detailOf(fault, of) }]
  }

  #detailOf(fault: Fault, { messages, nodes }: { readonly messages: number; readonly nodes: number }): number {
    if (fault === 'duplicate') return this.#chance.below(messages)
    if (fault === 'crash') return this.#chance.below(nodes)
    return fault === 'clock-jump' ? this.#chance.below(2 * JUMP_MS) - JUMP_MS : 0
  }
}
