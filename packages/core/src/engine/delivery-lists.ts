import type { Delivery } from './delivery.ts'

/** Deliveries in a line, first in, first out. They hang together by `next`: nothing is allocated. */
export class ReadyList {
  #first: Delivery | undefined
  #last: Delivery | undefined

  push(delivery: Delivery): void {
    if (this.#last === undefined) this.#first = delivery
    else this.#last.next = delivery
    this.#last = delivery
  }

  shift(): Delivery | undefined {
    const first = this.#first
    if (first === undefined) return undefined
    this.#first = first.next
    if (this.#first === undefined) this.#last = undefined
    first.next = undefined
    return first
  }

  *[Symbol.iterator](): Iterator<Delivery> {
    for (let one = this.#first; one !== undefined; one = one.next) yield one
  }
}

/** The deliveries that run, in no order. They hang together by `next` and `previous`. */
export class RunningList {
  #first: Delivery | undefined

  add(delivery: Delivery): void {
    delivery.next = this.#first
    if (this.#first !== undefined) this.#first.previous = delivery
    this.#first = delivery
  }

  delete(delivery: Delivery): void {
    const { next, previous } = delivery
    if (previous === undefined) this.#first = next
    else previous.next = next
    if (next !== undefined) next.previous = previous
    delivery.next = undefined
    delivery.previous = undefined
  }

  *[Symbol.iterator](): Iterator<Delivery> {
    for (let one = this.#first; one !== undefined; one = one.next) yield one
  }
}
