/** A message that waits in the store, behind others of its key or until it can run alone. */
export interface AsideEntry {
  readonly position: number
  readonly state: 'aside' | 'started' | 'alone'
  readonly note: string | undefined
  /** To be called when one before it is dead, and holds their lane: somebody waits for what becomes of it. */
  readonly whenParked?: (() => void) | undefined
}

/** What is set aside of each key, in the order of the log. Only where it is, is in memory; the messages are not. */
export class SetAside {
  /** How many there are. */
  size = 0
  readonly #byKey = new Map<string, { entries: AsideEntry[]; first: number }>()

  has(key: string): boolean {
    return this.#byKey.has(key)
  }

  /** How many there are of a key. */
  count(key: string): number {
    const of = this.#byKey.get(key)
    return of === undefined ? 0 : of.entries.length - of.first
  }

  get keys(): string[] {
    return [...this.#byKey.keys()]
  }

  add(key: string, entry: AsideEntry): void {
    this.size += 1
    const of = this.#byKey.get(key)
    if (of === undefined) {
      this.#byKey.set(key, { entries: [entry], first: 0 })
      return
    }
    // Mostly it is the last one; those that were in memory when their key was held come before what is here.
    let place = of.entries.length
    while (place > of.first && (of.entries[place - 1] as AsideEntry).position > entry.position) place -= 1
    of.entries.splice(place, 0, entry)
  }

  first(key: string): AsideEntry | undefined {
    const of = this.#byKey.get(key)
    return of?.entries[of.first]
  }

  /** All of a key, in the order of the log. */
  of(key: string): readonly AsideEntry[] {
    const of = this.#byKey.get(key)
    return of === undefined ? [] : of.entries.slice(of.first)
  }

  shift(key: string): AsideEntry | undefined {
    const of = this.#byKey.get(key)
    const entry = of?.entries[of.first]
    if (of === undefined || entry === undefined) return undefined
    this.size -= 1
    of.first += 1
    if (of.first === of.entries.length) this.#byKey.delete(key)
    else if (of.first > 1_000) {
      of.entries = of.entries.slice(of.first)
      of.first = 0
    }
    return entry
  }
}
