/** What has happened in a run, in words. Messages are called by their type, and by a number where they are told apart. */
export class Timeline {
  readonly #lines: string[] = []
  readonly #names = new Map<string, string>()
  readonly #counts = new Map<string, number>()
  #passed = 0

  get lines(): readonly string[] {
    return this.#lines
  }

  /** What is said twice in a row is one line. */
  say(text: string): void {
    this.#passed = 0
    if (this.#lines.at(-1) !== text) this.#lines.push(text)
  }

  /** Times that pass in a row are one line. */
  passes(ms: number): void {
    if (ms === 0) return
    if (this.#passed > 0) this.#lines.pop()
    this.#passed += ms
    this.#lines.push(`${this.#passed} ms pass`)
  }

  /** What a message is called: the same in each run of a seed, whatever its id. */
  nameOf({ id, type }: { readonly id: string; readonly type: string }): string {
    const known = this.#names.get(id)
    if (known !== undefined) return known
    const count = (this.#counts.get(type) ?? 0) + 1
    this.#counts.set(type, count)
    const name = `${type} #${count}`
    this.#names.set(id, name)
    return name
  }
}
