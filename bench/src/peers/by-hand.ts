import type { Listener } from '../handlers.ts'
import type { Told } from '../messages.ts'

/** The least that finds its handlers: a map and a loop. */
export function mapAndLoop(handlers: readonly Listener[]): (message: Told) => void {
  const map = new Map<unknown, readonly Listener[]>([['told', handlers]])
  return (message) => {
    for (const handler of map.get('told') ?? []) handler(message)
  }
}

/** A promise for each key, on which the next call of that key waits; removed when nothing came after it. */
export class PromiseChains {
  readonly #last = new Map<string, Promise<unknown>>()

  push<R>(key: string, work: () => R | Promise<R>): Promise<R> {
    const last = this.#last.get(key) ?? Promise.resolve()
    const next = last.then(work, work)
    this.#last.set(key, next)
    const cleanUp = (): void => {
      if (this.#last.get(key) === next) this.#last.delete(key)
    }
    next.then(cleanUp, cleanUp)
    return next
  }
}

type Around<M, R> = (message: M, next: () => R) => R

/** Functions around a function, the first outermost: what a bus calls middleware. */
export function composed<M, R>(inner: (message: M) => R, around: readonly Around<M, R>[]): (message: M) => R {
  return around.reduceRight<(message: M) => R>((next, outer) => (message) => outer(message, () => next(message)), inner)
}
