import type { Deadline, Deadlines } from '../engine/deadlines.ts'
import { asError } from '../errors.ts'
import type { Observer } from '../observe.ts'
import type { Claim, OpenStore } from '../ports/store.ts'
import { storeBackoffMs } from '../time/store-backoff.ts'

/** What a keeper works with. */
export interface ClaimKeeperParts {
  readonly store: OpenStore
  readonly deadlines: Deadlines
  readonly observer: Observer
  /** Works for what was taken. */
  readonly take: (claims: readonly Claim[]) => Promise<void>
  /** Works no more for what another node has, or may have. */
  readonly lose: (claim: Claim) => void
}

/**
 * Where several nodes share a store, claims end unless they are renewed: so what a dead node had is taken by another one. Each
 * third of a lease, this node renews what it has, and takes what nobody has.
 */
export class ClaimKeeper {
  readonly #parts: ClaimKeeperParts
  readonly #held = new Set<Claim>()
  #next: Deadline | undefined
  #failures = 0
  #isOpen = false

  constructor(parts: ClaimKeeperParts) {
    this.#parts = parts
  }

  /** Keeps these from now on. Does nothing for a store whose claims do not end. */
  begin(held: readonly Claim[]): void {
    const { leaseMs } = this.#parts.store
    if (leaseMs === undefined) return
    for (const claim of held) this.#held.add(claim)
    this.#isOpen = true
    this.#lookIn(leaseMs / 3)
  }

  /** Another node has it: that was found out elsewhere. */
  forget(claim: Claim): void {
    this.#held.delete(claim)
  }

  stop(): void {
    this.#isOpen = false
    this.#next?.cancel()
  }

  #lookIn(delayMs: number): void {
    if (this.#isOpen) this.#next = this.#parts.deadlines.after(delayMs, () => void this.#look())
  }

  async #look(): Promise<void> {
    const { store, observer } = this.#parts
    try {
      await this.#renew()
      const taken = this.#isOpen ? await store.claim() : []
      for (const claim of taken) this.#held.add(claim)
      if (taken.length > 0) await this.#parts.take(taken)
      this.#failures = 0
      this.#lookIn((store.leaseMs ?? 0) / 3)
    } catch (thrown) {
      if (!this.#isOpen) return
      this.#failures += 1
      const delayMs = Math.min(storeBackoffMs(this.#failures), (store.leaseMs ?? 0) / 3)
      observer.say('storeFailed', { store: store.name, handler: undefined, error: asError(thrown), delayMs })
      this.#lookIn(delayMs)
    }
  }

  async #renew(): Promise<void> {
    const { store, lose } = this.#parts
    if (this.#held.size === 0 || store.renew === undefined) return
    const asked = [...this.#held]
    const kept = new Set((await store.renew(asked)).map(nameOf))
    for (const claim of asked) {
      if (kept.has(nameOf(claim)) || !this.#held.delete(claim)) continue
      lose(claim)
    }
  }
}

function nameOf({ subscription, partition, epoch }: Claim): string {
  return `${subscription}#${partition}#${epoch}`
}
