/** How many keys without a value are kept at least. */
const SPARE = 256

/**
 * A map whose keys come and go all the time.
 *
 * A `Map` that loses and gains entries makes itself a new table now and then, and V8 has the old one point to the new one, for
 * iterators. Once one of them has become old, all later ones survive each young collection, with all that was in them: five times
 * as much as is alive was seen here. So a key that goes leaves its place behind; when most are such, they go together.
 */
export class KeyMap<V> {
  #map = new Map<string, V | undefined>()
  /** How many keys have no value. */
  #gone = 0

  /** How many keys have a value. */
  get size(): number {
    return this.#map.size - this.#gone
  }

  get(key: string): V | undefined {
    return this.#map.get(key)
  }

  set(key: string, value: V): void {
    const map = this.#map
    const { size } = map
    const isNew = map.get(key) === undefined
    map.set(key, value)
    if (isNew && map.size === size) this.#gone -= 1
  }

  delete(key: string): void {
    const map = this.#map
    if (map.get(key) === undefined) return
    map.set(key, undefined)
    this.#gone += 1
    if (this.#gone > SPARE && this.#gone * 2 > map.size) this.#tidy()
  }

  #tidy(): void {
    const left = new Map<string, V | undefined>()
    for (const [key, value] of this.#map) if (value !== undefined) left.set(key, value)
    this.#map = left
    this.#gone = 0
  }
}
