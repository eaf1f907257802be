interface Linked<T> {
  next: T | undefined
}

/** A line, first in, first out. What stands in it hangs together by `next`: nothing is allocated. */
export class Fifo<T extends Linked<T>> {
  #first: T | undefined
  #last: T | undefined

  get first(): T | undefined {
    return this.#first
  }

  push(item: T): void {
    if (this.#last === undefined) this.#first = item
    else this.#last.next = item
    this.#last = item
  }

  /** Puts it before the first that is `later`, or at the end. */
  insertBefore(item: T, later: (other: T) => boolean): void {
    let before: T | undefined
    let after = this.#first
    for (; after !== undefined && !later(after); after = after.next) before = after
    if (after === undefined) return this.push(item)
    item.next = after
    if (before === undefined) this.#first = item
    else before.next = item
  }

  shift(): T | undefined {
    const first = this.#first
    if (first === undefined) return undefined
    this.#first = first.next
    if (this.#first === undefined) this.#last = undefined
    first.next = undefined
    return first
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let item = this.#first; item !== undefined; item = item.next) yield item
  }
}
