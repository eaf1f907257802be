import { asError } from '../errors.ts'
import type { Deadlines } from '../engine/deadlines.ts'
import type { Observer } from '../observe.ts'
import type { Claim, OpenStore } from '../ports/store.ts'
import { storeBackoffMs } from '../time/store-backoff.ts'
import type { Feed } from './feed.ts'

/**
 * Brings a feed to rest, so that another node can go on with it: nothing new starts, what waits in memory leaves it, and what
 * runs is waited for, however long it takes. Resolves when all that has come of it is written; or when its claim is lost.
 *
 * @param isLost whether that has happened.
 */
export async function bringToRest(feed: Feed, isLost: () => boolean): Promise<void> {
  const { engine, journal, suspects } = feed.parts
  feed.isOpen = false
  suspects.drop(feed)
  for (;;) {
    const oneEnds = new Promise<void>((resolve) => (feed.whenOneEnds = resolve))
    // What has failed meanwhile, and waits for its next attempt, does so in the store.
    if (!engine.leaveUnstarted(feed.keeper, 'Another node goes on with it')) break
    await oneEnds
    if (isLost()) return
  }
  feed.dead.letGo()
  suspects.leave(feed)
  engine.pump()
  await journal.idle()
}

/** What is given back in order, with. */
export interface GivingBackParts {
  readonly store: OpenStore
  readonly deadlines: Deadlines
  readonly observer: Observer
  /** Whether it is this node's still. */
  readonly isHeld: (claim: Claim) => boolean
  /** Another node may have it. */
  readonly given: (claim: Claim) => void
}

/** Gives claims back, those of one turn together; a store that fails is tried again, for as long as it has not ended them itself. */
export class GivingBack {
  readonly #parts: GivingBackParts
  #next: Claim[] = []

  constructor(parts: GivingBackParts) {
    this.#parts = parts
  }

  add(claim: Claim): void {
    if (this.#next.push(claim) === 1) queueMicrotask(() => void this.#release(this.#next.splice(0)))
  }

  async #release(claims: readonly Claim[], failures = 1): Promise<void> {
    const { store, deadlines, observer, isHeld, given } = this.#parts
    const held = claims.filter(isHeld)
    try {
      if (held.length > 0) await store.release(held)
      held.forEach(given)
    } catch (thrown) {
      const error = asError(thrown)
      if ((error as { code?: unknown }).code === 'STORE_CLOSED') return
      const delayMs = storeBackoffMs(failures)
      observer.say('storeFailed', { store: store.name, handler: undefined, error, delayMs })
      deadlines.after(delayMs, () => void this.#release(held, failures + 1))
    }
  }
}
