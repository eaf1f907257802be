import type { Delivery } from '../engine/delivery.ts'
import type { Failures } from '../engine/failures.ts'
import type { Keeper, Kept } from '../engine/kept.ts'
import type { StoredLetter } from '../ports/dead-letters.ts'
import type { Exception, Settlement } from '../ports/store.ts'
import { type Caused, Working } from '../engine/caused.ts'
import type { Feed } from './feed.ts'
import { hasCrashed, storedFailures } from './stored-failures.ts'
import { weightOf } from './weight.ts'

/** Writes down what becomes of the deliveries of a feed. */
export class Keeping implements Keeper {
  readonly #feed: Feed

  constructor(feed: Feed) {
    this.#feed = feed
  }

  prepare({ rest }: Delivery): void {
    if (rest?.recorded === undefined || rest.kept === undefined) return
    rest.kept.caused = this.#feed.parts.causing.caused(rest.recorded)
  }

  finish(delivery: Delivery, tell: (() => void) | undefined): void {
    const { journal } = this.#feed.parts
    const { kept, replays } = restOf(delivery)
    this.#close(kept)
    if (replays !== undefined) {
      journal.revive(replays)
      this.#feed.dead.remove(replays)
      this.#replayEnds(replays)
    }
    if (delivery.rest?.recorded !== undefined && kept.caused !== undefined) this.#cause(kept.caused, tell)
    else if (tell !== undefined) journal.whenWritten(tell)
  }

  #cause(caused: Caused, tell: (() => void) | undefined): void {
    const { journal, causing } = this.#feed.parts
    journal.cause(caused.stored, (isNew) => {
      tell?.()
      causing.release(caused, isNew)
    })
  }

  retry(delivery: Delivery, failures: Failures, delayMs: number): void {
    const feed = this.#feed
    const { kept, replays } = restOf(delivery)
    feed.retrying += weightOf(kept.stored)
    if (replays === undefined) {
      const dueAt = feed.parts.store.now() + delayMs
      this.#except(kept, { state: 'retrying', key: delivery.key, dueAt, note: storedFailures(failures) })
    }
  }

  restart(delivery: Delivery, go: () => void): void {
    const feed = this.#feed
    if (!feed.isOpen) return
    const { journal, suspects } = feed.parts
    const { kept, replays } = restOf(delivery)
    const failures = delivery.rest?.failures as Failures
    feed.retrying -= weightOf(kept.stored)
    feed.window.enter(delivery.key, kept)
    const start = (state: 'started' | 'alone'): void => {
      if (replays === undefined) this.#except(kept, { state, key: delivery.key, note: storedFailures(failures) })
      journal.whenWritten(go)
    }
    if (!hasCrashed(failures)) return start('started')
    suspects.add(feed, (ended) => {
      kept.whenLeft = ended
      start('alone')
    })
  }

  bury(delivery: Delivery, letter: StoredLetter, told: () => void): void {
    const feed = this.#feed
    const { journal, handler, letters, claim } = feed.parts
    const { kept, replays } = restOf(delivery)
    const isAsStored = letter.envelope === delivery.envelope // Else it was redacted.
    journal.bury(letters.stored(letter, claim, isAsStored ? kept.stored : undefined))
    if (delivery.key !== undefined && handler.onDead === 'park' && kept.position !== undefined) {
      this.#except(kept, { state: 'dead', key: delivery.key, note: letter.id })
      feed.dead.add(letter.id, delivery)
    } else this.#close(kept)
    if (replays !== undefined) this.#replayEnds(replays)
    journal.whenWritten(told)
  }

  holds({ rest }: Delivery): boolean {
    return this.#feed.dead.has(rest?.letter ?? '')
  }

  setAside(delivery: Delivery): void {
    const { kept } = restOf(delivery)
    this.#feed.window.leave(delivery.key, kept)
    if (delivery.key === undefined || kept.position === undefined) return
    this.#feed.putAside(delivery.key, kept.position)
    kept.isException = true
  }

  parked(key: string): void {
    this.#feed.parked(key)
  }

  left(delivery: Delivery): void {
    const feed = this.#feed
    const { key, state } = delivery
    feed.window.leave(key, restOf(delivery).kept)
    feed.whenOneEnds?.()
    feed.lessAside()
    if (key === undefined) return
    if (state === 'dead') feed.parked(key)
    else feed.refill.key(key)
  }

  async commit(delivery: Delivery, work: (tx: unknown) => Caused | Promise<Caused>): Promise<void> {
    const { journal, causing } = this.#feed.parts
    const { kept, replays } = restOf(delivery)
    const { position, isException } = kept
    const working = new Working(work)
    kept.isCommitting = true
    const settlement: Settlement = {
      done: position === undefined || isException ? [] : [[position, position]],
      cleared: position !== undefined && isException ? [position] : [],
      revived: replays === undefined ? [] : [replays],
      work: working.work,
    }
    let isNew: readonly boolean[]
    try {
      isNew = await journal.commit(settlement)
    } finally {
      kept.isCommitting = false
      this.#feed.committed()
    }
    if (replays !== undefined) {
      this.#feed.dead.remove(replays)
      this.#feed.dead.replayEnded(replays)
    }
    if (working.caused !== undefined) causing.release(working.caused, isNew)
  }

  #except(kept: Kept, exception: Omit<Exception, 'position' | 'dueAt'> & { readonly dueAt?: number }): void {
    const { position } = kept
    if (position === undefined) return
    this.#feed.parts.journal.except({ dueAt: undefined, ...exception, position })
    this.#feed.window.becameException(position)
    kept.isException = true
  }

  #replayEnds(letterId: string): void {
    const { dead, parts } = this.#feed
    parts.journal.whenWritten(() => dead.replayEnded(letterId))
  }

  /** A message is finished. */
  #close({ position, isException }: Kept): void {
    if (position === undefined) return
    if (isException) this.#feed.parts.journal.clear(position)
    else this.#feed.parts.journal.done([position, position])
  }
}

function restOf(delivery: Delivery): { readonly kept: Kept; readonly replays?: string } {
  return delivery.rest as { kept: Kept; replays?: string } // Only what is kept comes here.
}
