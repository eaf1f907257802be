import { AsyncLocalStorage } from 'node:async_hooks'
import { CommitDeadlock } from '../store-errors.ts'

interface Work {
  readonly queue: WriteQueue
  /** Within which other one it runs. */
  readonly outer: Work | undefined
  hasEnded: boolean
}

/**
 * The work of a settlement that the code belongs to which runs. One for all queues: on Node.js 22, each that was ever used makes each
 * promise of the process dearer.
 */
const working = new AsyncLocalStorage<Work>()

/** Has the writes of one opening run one after the other, in the order of the calls. */
export class WriteQueue {
  #last: Promise<unknown> = Promise.resolve()

  /** @throws {CommitDeadlock} as a rejection, within an asynchronous `work` of a settlement: it can only be stored after it. */
  add<T>(step: () => T | Promise<T>): Promise<T> {
    let work = working.getStore()
    while (work !== undefined && work.queue !== this) work = work.outer
    return this.#addWithin(work, step)
  }

  #addWithin<T>(work: Work | undefined, step: () => T | Promise<T>): Promise<T> {
    if (work === undefined || work.hasEnded) return this.#enqueue(step)
    // Whether the work is asynchronous is known when it has returned.
    return Promise.resolve().then(() => {
      if (work.hasEnded) return this.#enqueue(step)
      throw new CommitDeadlock('Within a commit, a write to the store was awaited that waits for it. Do it afterwards.')
    })
  }

  /** Runs the `work` of a settlement, as a part of a step. */
  async runWork<T>(run: () => T | Promise<T>): Promise<T> {
    const work: Work = { queue: this, outer: working.getStore(), hasEnded: false }
    try {
      const result = working.run(work, run)
      if (!(result instanceof Promise)) work.hasEnded = true
      return await result
    } finally {
      work.hasEnded = true
    }
  }

  #enqueue<T>(step: () => T | Promise<T>): Promise<T> {
    const result = this.#last.then(step)
    this.#last = result.catch(() => {}) // Whoever called has the error.
    return result
  }
}
