import { KeyMap } from '../engine/key-map.ts'
import type { Kept } from '../engine/kept.ts'
import { AHEAD } from '../ports/progress.ts'
import { weightOf } from './weight.ts'

/** How many of them may be of one key: what is behind those is set aside in the store. */
export const OF_ONE_KEY = 64

interface Keyed {
  readonly kept: Kept
  readonly key: string | undefined
}

/** What of the log is in memory, for one handler and partition. */
export class Window {
  /** How many messages wait or run in memory at most, by their weight; where there are none, there is room for any. */
  readonly #limit: number
  /** To be called when there is room again, after there was none. */
  readonly #whenRoom: () => void
  #size = 0
  /** How many of each key, in place: they change with each message. */
  readonly #ofKey = new KeyMap<{ count: number }>()
  /**
   * Those that are no exceptions in the store yet, each at its position modulo `AHEAD`: further than that they are not apart. A map
   * would leave its old tables to the garbage collector, each of which holds on to the next one and to all that was in it.
   */
  readonly #inLog: (Keyed | undefined)[] = Array.from({ length: AHEAD })
  #wasFull = false

  constructor(limit: number, whenRoom: () => void) {
    this.#limit = limit
    this.#whenRoom = whenRoom
  }

  /** How many more messages there is room for, if they are small. */
  get room(): number {
    if (this.#size < this.#limit) return this.#limit - this.#size
    this.#wasFull = true
    return 0
  }

  /** How many of a key are in memory. */
  of(key: string): number {
    return this.#ofKey.get(key)?.count ?? 0
  }

  enter(key: string | undefined, kept: Kept): void {
    this.#size += weightOf(kept.stored)
    if (key !== undefined) {
      const of = this.#ofKey.get(key)
      if (of === undefined) this.#ofKey.set(key, { count: 1 })
      else of.count += 1
    }
    if (kept.position !== undefined && !kept.isException) this.#inLog[kept.position % AHEAD] = { kept, key }
  }

  leave(key: string | undefined, kept: Kept): void {
    this.#size -= weightOf(kept.stored)
    if (key !== undefined) {
      const of = this.#ofKey.get(key)
      if (of !== undefined && of.count > 1) of.count -= 1
      else this.#ofKey.delete(key)
    }
    if (kept.position !== undefined) this.becameException(kept.position)
    const { whenLeft } = kept
    kept.whenLeft = undefined
    whenLeft?.()
    if (!this.#wasFull || this.#size > this.#limit / 2) return
    this.#wasFull = false
    this.#whenRoom()
  }

  /** What is at this position, as long as it is no exception. */
  at(position: number): Keyed | undefined {
    const entry = this.#inLog[position % AHEAD]
    return entry?.kept.position === position ? entry : undefined
  }

  becameException(position: number): void {
    if (this.at(position) !== undefined) this.#inLog[position % AHEAD] = undefined
  }
}
