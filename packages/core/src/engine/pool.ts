import type { Delivery } from './delivery.ts'
import { Fifo } from './fifo.ts'

/**
 * The workers that a dispatcher, a router or a handler may have at a time. Pools form a tree: a delivery needs a place
 * in its handler's pool and in every one above.
 *
 * The pools with work and room stand in line at the pool above, each once, and take turns: one of them cannot starve the
 * others, and whoever has neither is not looked at. A pool that turned out to be full, or empty, leaves the line; it
 * lines up again when that changes.
 */
export class Pool {
  readonly above: Pool | undefined
  /** The next one in the line that this pool stands in. */
  next: Pool | undefined
  /** Deliveries that only wait for a place. Those of a key stand here one at a time. */
  readonly ready: Fifo<Delivery> = new Fifo()
  readonly #line: Fifo<Pool> = new Fifo()
  readonly #below: Pool[] = []
  #limit = Number.POSITIVE_INFINITY
  #active = 0
  #inLine = false

  constructor(above?: Pool) {
    this.above = above
    if (above !== undefined) above.#below.push(this)
  }

  get limit(): number {
    return this.#limit
  }

  /** The last value wins. Lowered, it takes no work away from whoever has it. */
  set limit(limit: number) {
    this.#limit = limit
    this.lineUp()
  }

  /** How many of those that have a place must leave before there is room. */
  get missing(): number {
    return Math.max(0, this.#active - this.#limit + 1)
  }

  get hasRoom(): boolean {
    return this.#active < this.#limit
  }

  /** Whether a delivery of this handler can start at once: there is room, and nobody of its own waits before it. */
  get isOpen(): boolean {
    if (this.ready.first !== undefined) return false
    let pool: Pool | undefined = this
    while (pool !== undefined && pool.#active < pool.#limit) pool = pool.above
    return pool === undefined
  }

  /** Whether there are more active than a limit now allows, here or above. */
  get isOver(): boolean {
    for (let pool: Pool | undefined = this; pool !== undefined; pool = pool.above) {
      if (pool.#active > pool.#limit) return true
    }
    return false
  }

  /** Whether something waits here, or in a pool below that has room. */
  get isWanted(): boolean {
    return this.ready.first !== undefined || this.#line.first !== undefined
  }

  /** Takes a place here and above. */
  enter(): void {
    for (let pool: Pool | undefined = this; pool !== undefined; pool = pool.above) pool.#active += 1
  }

  /** Gives the places back. */
  leave(): void {
    for (let pool: Pool | undefined = this; pool !== undefined; pool = pool.above) pool.#active -= 1
    this.lineUp()
  }

  /** Makes a delivery of this handler wait for its place. */
  wait(delivery: Delivery): void {
    this.ready.push(delivery)
    this.lineUp()
  }

  /** The next delivery that can start, of all below this pool; its places are taken. */
  take(): Delivery | undefined {
    if (!this.hasRoom) return undefined
    const delivery = this.ready.shift() ?? this.#takeBelow()
    if (delivery !== undefined) this.#active += 1
    return delivery
  }

  #takeBelow(): Delivery | undefined {
    for (let below = this.#line.shift(); below !== undefined; below = this.#line.shift()) {
      below.#inLine = false
      const delivery = below.take()
      if (delivery === undefined) continue
      below.#standInLine()
      return delivery
    }
    return undefined
  }

  /** Every delivery that waits for a place here or below. */
  get waiting(): Delivery[] {
    return [...this.ready, ...[...this.#below].flatMap((pool) => pool.waiting)]
  }

  /** Has this pool and those above stand in line where there is work and room, and wherever they do not yet. */
  lineUp(): void {
    for (let pool: Pool | undefined = this; pool !== undefined; pool = pool.above) pool.#standInLine()
  }

  #standInLine(): void {
    if (this.ready.first === undefined && this.#line.first === undefined) return
    if (this.above === undefined || this.#inLine || !this.hasRoom) return
    this.#inLine = true
    this.above.#line.push(this)
  }
}
