import { AsyncLocalStorage } from 'node:async_hooks'
import { CommitDeadlock } from '../store-errors.ts'

interface Work {
  hasEnded: boolean
}

const working = new AsyncLocalStorage<Work>()

/** Has the writes of one opening run one after the other, in the order of the calls. */
export class WriteQueue {
  #last: Promise<unknown> = Promise.resolve()

  /** @throws {CommitDeadlock} as a rejection, within an asynchronous `work` of a settlement: it can only be stored after it. */
  add<T>(step: () => T | Promise<T>): Promise<T> {
    const work = working.getStore()
    if (work === undefined || work.hasEnded) return this.#enqueue(step)
    // Whether the work is asynchronous is known when it has returned.
    return Promise.resolve().then(() => {
      if (work.hasEnded) return this.#enqueue(step)
      throw new CommitDeadlock('Within a commit, a write to the store was awaited that waits for it. Do it afterwards.')
    })
  }

  #enqueue<T>(step: () => T | Promise<T>): Promise<T> {
    const result = this.#last.then(step)
    this.#last = result.catch(() => {}) // Whoever called has the error.
    return result
  }
}

/** Runs the `work` of a settlement. */
export async function runWork<T>(work: () => T | Promise<T>): Promise<T> {
  const state: Work = { hasEnded: false }
  try {
    const result = working.run(state, work)
    if (!(result instanceof Promise)) state.hasEnded = true
    return await result
  } finally {
    state.hasEnded = true
  }
}
