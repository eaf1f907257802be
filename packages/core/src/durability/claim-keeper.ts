import type { Deadline, Deadlines } from '../engine/deadlines.ts'
import { asError } from '../errors.ts'
import type { Observer } from '../observe.ts'
import type { Lack } from '../ports/share.ts'
import type { Claim, OpenStore } from '../ports/store.ts'
import { storeBackoffMs } from '../time/store-backoff.ts'

/** What a keeper works with. */
export interface ClaimKeeperParts {
  readonly store: OpenStore
  readonly deadlines: Deadlines
  readonly observer: Observer
  /** Has it written how far each claim has come. */
  readonly writeProgress: () => void
  /** Works for what was taken, as soon as it has been brought back: until then it is renewed like all others. */
  readonly take: (claims: readonly Claim[]) => void
  /** Brings to an end what another node should have, and gives it back. */
  readonly handOver: (claim: Claim) => void
  /** Works no more for what another node has, or may have. */
  readonly lose: (claim: Claim) => void
}

/**
 * Where several nodes share a store, claims end unless they are renewed: so what a dead node had is taken by another one. Each
 * third of a lease, and whenever other nodes have changed something, this node renews what it has, hands over what another
 * one should have, and takes what is free and its own share.
 */
export class ClaimKeeper {
  readonly #parts: ClaimKeeperParts
  readonly #held = new Set<Claim>()
  /** What this node has met, and cannot read; by what it is. */
  readonly #lacks = new Map<string, Lack>()
  #next: Deadline | undefined
  #failures = 0
  #isOpen = false
  #isTaking = true
  #isLooking = false
  /** Whether it is to look once more when it has looked. */
  #isWanted = false

  constructor(parts: ClaimKeeperParts) {
    this.#parts = parts
  }

  /** Keeps these from now on. Does nothing for a store whose claims do not end. */
  begin(held: readonly Claim[]): void {
    const { leaseMs } = this.#parts.store
    if (leaseMs === undefined) return
    for (const claim of held) this.#held.add(claim)
    this.#isOpen = true
    if (this.#isWanted) void this.#look()
    else this.#lookIn(leaseMs / 3)
  }

  /** Other nodes have given claims back, have come or gone. */
  readonly changed = (): void => {
    this.#isWanted = true
    // A store that fails is asked no sooner for that.
    if (this.#isOpen && this.#isTaking && !this.#isLooking && this.#failures === 0) void this.#look()
  }

  /** This node has met what it cannot read: where another one can, that should have all that may be such. */
  lacks(lack: Lack): void {
    const name = `${lack.subscription} ${lack.version} ${lack.type}`
    if (this.#lacks.has(name)) return
    this.#lacks.set(name, lack)
    this.changed()
  }

  /** It was given back, or another node has it: that was found out elsewhere. */
  forget(claim: Claim): void {
    this.#held.delete(claim)
  }

  /** Takes nothing more, and hands nothing over: all of it will be given back. Until then it is renewed. */
  takeNoMore(): void {
    this.#isTaking = false
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
    this.#next?.cancel()
    this.#isLooking = true
    try {
      do {
        this.#isWanted = false
        this.#parts.writeProgress()
        const mayClaim = await this.#renew()
        if (mayClaim && this.#isOpen && this.#isTaking) await this.#take()
      } while (this.#isWanted && this.#isOpen && this.#isTaking)
      this.#failures = 0
      this.#lookIn((store.leaseMs ?? 0) / 3)
    } catch (thrown) {
      if (!this.#isOpen) return
      this.#failures += 1
      const delayMs = Math.min(storeBackoffMs(this.#failures), (store.leaseMs ?? 0) / 3)
      observer.say('storeFailed', { store: store.name, handler: undefined, error: asError(thrown), delayMs })
      this.#lookIn(delayMs)
    } finally {
      this.#isLooking = false
    }
  }

  async #take(): Promise<void> {
    const taken = await this.#parts.store.claim()
    for (const claim of taken) this.#held.add(claim)
    if (taken.length > 0) this.#parts.take(taken)
  }

  /** Tells whether there may be something to take. */
  async #renew(): Promise<boolean> {
    const { store, lose, handOver } = this.#parts
    if (store.renew === undefined) return true
    const asked = [...this.#held]
    const renewal = await store.renew(asked, [...this.#lacks.values()])
    const held = new Set(renewal.held.map(nameOf))
    for (const claim of asked) if (!held.has(nameOf(claim)) && this.#held.delete(claim)) lose(claim)
    if (!this.#isTaking) return false
    const others = new Set(renewal.handOver.map(nameOf))
    for (const claim of asked) if (others.has(nameOf(claim)) && this.#held.has(claim)) handOver(claim)
    return renewal.mayClaim !== false
  }
}

function nameOf({ subscription, partition, epoch }: Claim): string {
  return `${subscription}#${partition}#${epoch}`
}
