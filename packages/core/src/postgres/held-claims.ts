import type { Progress, Span } from '../ports/progress.ts'
import type { Claim, Settlement } from '../ports/store.ts'
import { StoreFailed } from '../store-errors.ts'

/** A claim of this node, and how far it has come as it is stored. */
interface Held {
  readonly subscription: number
  readonly epoch: number
  progress: Progress
}

/** How far a claim comes by a group of settlements. */
export interface Draft {
  readonly held: Held
  readonly claim: Claim
  readonly progress: Progress
}

const none: readonly never[] = []

/** The claims of this node. It alone writes them, as long as it has them: so it knows what is stored. */
export class HeldClaims {
  readonly #name: string
  readonly #held = new Map<string, Held>()
  #number = 0

  /** @param name of the store. */
  constructor(name: string) {
    this.#name = name
  }

  add({ subscription, partition, epoch, progress }: Claim, id: number): void {
    this.#held.set(nameOf(subscription, partition), { subscription: id, epoch, progress: progress.copy() })
  }

  forget(claim: Claim): void {
    if (this.of(claim) !== undefined) this.#held.delete(nameOf(claim.subscription, claim.partition))
  }

  of({ subscription, partition, epoch }: Claim): Held | undefined {
    const held = this.#held.get(nameOf(subscription, partition))
    return held?.epoch === epoch ? held : undefined
  }

  /**
   * What a settlement makes of the progress, in a draft: the one of the group, if there is one already.
   *
   * @throws {StoreFailed} with `CLAIM_LOST`. @throws {RangeError} where it reaches too far; the draft is as it was.
   */
  settle(drafts: Map<string, Draft>, claim: Claim, { reached, done = none, exceptions = none }: Settlement): Draft {
    const name = nameOf(claim.subscription, claim.partition)
    const held = this.of(claim)
    if (held === undefined) throw this.lost(claim)
    const progress = (drafts.get(name)?.progress ?? held.progress).copy()
    progress.settle(reached, [...done, ...exceptions.map(({ position }): Span => [position, position])])
    const draft = { held, claim, progress }
    drafts.set(name, draft)
    return draft
  }

  /** A number for what is written to claims: each has a greater one than all before it. */
  nextNumber(): number {
    return (this.#number += 1)
  }

  /** The drafts are stored. Tells whether any cursor has moved. */
  adopt(drafts: Iterable<Draft>): boolean {
    let hasMoved = false
    for (const { held, progress } of drafts) {
      hasMoved ||= progress.cursor > held.progress.cursor
      held.progress = progress
    }
    return hasMoved
  }

  lost({ subscription, partition, epoch }: Claim): StoreFailed {
    const what = `The claim of ${subscription} to partition ${partition}, number ${epoch}, is not held any more`
    const why =
      'It was released, or another node has taken over: what was to be settled is done again by whoever has it.'
    return new StoreFailed('CLAIM_LOST', `${this.#name}: ${what}. ${why}`)
  }
}

function nameOf(subscription: string, partition: number): string {
  return `${subscription}#${partition}`
}
