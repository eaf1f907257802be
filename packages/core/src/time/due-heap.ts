/** Something that is to happen at a time. */
export interface Due {
  /** In milliseconds since 1970. */
  readonly dueAt: number
  /** What it came as: of two that are due at the same time, the lower one is first. */
  readonly order: number
  /** Where it is in its heap: the heap's own. */
  place: number
}

/** Keeps what is due the earliest on top. Adding one, and taking any one out, costs a few comparisons, however many there are. */
export class DueHeap<T extends Due> {
  readonly #heap: T[] = []

  get size(): number {
    return this.#heap.length
  }

  /** The earliest. */
  get first(): T | undefined {
    return this.#heap[0]
  }

  add(one: T): void {
    this.#rise(one, this.#heap.length)
  }

  /** Takes one out that is in it. */
  remove(one: T): void {
    const last = this.#heap.pop() as T
    if (last === one) return
    const { place } = one
    this.#rise(last, place)
    if (last.place === place) this.#sink(last)
  }

  /** Takes all of them out, and gives them in their order. */
  takeAll(): T[] {
    return this.#heap.splice(0).sort((a, b) => (isBefore(a, b) ? -1 : 1))
  }

  /** Puts one that belongs at this place, or above it, where it belongs. */
  #rise(one: T, from: number): void {
    let place = from
    while (place > 0) {
      const above = this.#heap[(place - 1) >> 1] as T
      if (!isBefore(one, above)) break
      this.#put(above, place)
      place = (place - 1) >> 1
    }
    this.#put(one, place)
  }

  #sink(one: T): void {
    let { place } = one
    for (;;) {
      const left = this.#heap[2 * place + 1]
      const right = this.#heap[2 * place + 2]
      const below = right !== undefined && isBefore(right, left as T) ? right : left
      if (below === undefined || isBefore(one, below)) break
      const { place: next } = below
      this.#put(below, place)
      place = next
    }
    this.#put(one, place)
  }

  #put(one: T, place: number): void {
    this.#heap[place] = one
    one.place = place
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.order < b.order)
}
