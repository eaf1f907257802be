import { refuseDeadlocked } from '../engine/deadlock.ts'
import type { Delivery } from '../engine/delivery.ts'
import type { Engine } from '../engine/engine.ts'
import { channels, type Observer } from '../observe.ts'
import type { RequestOptions } from '../options.ts'
import type { Capacity } from './capacity.ts'
import { maxDepthExceeded } from '../engine/max-depth.ts'
import { followed, giveUpWith } from './patience.ts'

const { accepted } = channels

/** What requests are made with. */
export interface RequestsParts {
  readonly engine: Engine
  readonly observer: Observer
  readonly capacity: Capacity
  readonly maxDepth: number
}

/** Has requests run, for a caller who waits for the answer: outside, or in a handler. They are never stored. */
export class Requests {
  readonly #parts: RequestsParts

  constructor(parts: RequestsParts) {
    this.#parts = parts
  }

  /** @param by the delivery whose handler asks. */
  request(delivery: Delivery, options: RequestOptions, by?: Delivery): Promise<unknown> {
    if (by === undefined && !this.#parts.capacity.isOpen) return this.#requestWhenOpen(delivery, options)
    return this.#request(delivery, options, by)
  }

  #request(delivery: Delivery, options: RequestOptions, by?: Delivery): Promise<unknown> {
    if (accepted.hasSubscribers) this.#sayAccepted(delivery)
    if (options.signal === undefined && options.timeoutMs === undefined) {
      return by === undefined ? this.#parts.engine.request(delivery) : this.#requestBy(by, delivery)
    }
    return this.#requestWithin(delivery, options)
  }

  /** A handler waits for this one, for as long as it takes: the only waiting that can close a circle. */
  #requestBy(by: Delivery, delivery: Delivery): Promise<unknown> {
    const { engine, maxDepth } = this.#parts
    const tooDeep = maxDepthExceeded(delivery, maxDepth)
    if (tooDeep !== undefined) return Promise.reject(tooDeep)
    const rest = by.more()
    rest.requests ??= new Set()
    const { requests } = rest
    requests.add(delivery)
    const answer = engine.request(delivery)
    if (delivery.state === 'waiting') refuseDeadlocked([delivery], engine)
    const forget = (): void => void requests.delete(delivery)
    return followed(answer, forget)
  }

  // The functions that these make would cost every call a record of what they use, were they made on the common path.

  #requestWithin(delivery: Delivery, patience: RequestOptions): Promise<unknown> {
    const { engine, maxDepth } = this.#parts
    const tooDeep = maxDepthExceeded(delivery, maxDepth)
    if (tooDeep !== undefined) return Promise.reject(tooDeep)
    const answer = engine.requestLater(delivery)
    const giveUp = (error: Error): void => engine.abandon(delivery, error)
    const forget = giveUpWith('request', patience, { deadlines: engine.deadlines, giveUp })
    return followed(answer, forget)
  }

  /** Its caller has one patience: for the room, and then for the answer. */
  #requestWhenOpen(delivery: Delivery, options: RequestOptions): Promise<unknown> {
    const { capacity, engine } = this.#parts
    let giveUp: (error: Error) => void = () => {}
    const answer = capacity.enter(
      () => {
        giveUp = (error) => engine.abandon(delivery, error)
        if (accepted.hasSubscribers) this.#sayAccepted(delivery)
        return engine.requestLater(delivery)
      },
      (leave) => {
        giveUp = leave
        return () => {}
      },
    )
    const { deadlines } = engine
    const forget = giveUpWith('request', options, { deadlines, giveUp: (error) => giveUp(error) })
    return followed(answer, forget)
  }

  #sayAccepted({ envelope, handler }: Delivery): void {
    this.#parts.observer.say('accepted', { envelope, handlers: [handler] })
  }
}
