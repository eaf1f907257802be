import type { Census } from '../engine/census.ts'
import { NotAccepting, QueueFull } from '../errors.ts'
import type { CapacityMarks } from '../options.ts'

/** A caller that waits for room. */
interface Waiting {
  readonly admit: () => void
  readonly refuse: (error: Error) => void
}

/**
 * How many deliveries may wait before messages from outside are held back: from `high` on, until no more than `low` are
 * left. What handlers cause is never held back, so a full bus cannot block itself; it is counted all the same.
 */
export class Capacity {
  readonly #whenFull: 'wait' | 'throw'
  readonly #census: Census
  #marks: CapacityMarks
  /** First come, first served. */
  readonly #waiting = new Set<Waiting>()
  #admitting = false

  constructor(census: Census, marks: CapacityMarks, whenFull: 'wait' | 'throw') {
    this.#census = census
    this.#marks = marks
    this.#whenFull = whenFull
  }

  get marks(): CapacityMarks {
    return this.#marks
  }

  set marks(marks: CapacityMarks) {
    this.#marks = marks
    this.#admitAll()
  }

  /** Whether a message from outside can be accepted at once. */
  get isOpen(): boolean {
    return this.#census.waiting < this.#marks.high && this.#waiting.size === 0
  }

  /**
   * Runs `enter` when there is room: at once, or when those who came before have had their turn.
   *
   * @param until rejects when the caller no longer wants to wait.
   * @throws {QueueFull} as a rejection, where `whenFull` is `'throw'`.
   */
  enter<T>(enter: () => T | Promise<T>, until: (giveUp: (error: Error) => void) => () => void): Promise<T> {
    const { high } = this.#marks
    if (this.#whenFull === 'throw') {
      const text = `${this.#census.waiting} deliveries wait, and the capacity is ${high}. Send less, or raise capacity.high.`
      return Promise.reject(new QueueFull(text))
    }
    return new Promise<T>((resolve, reject) => {
      const waiting: Waiting = {
        admit: () => {
          forget()
          try {
            resolve(enter())
          } catch (error) {
            reject(error)
          }
        },
        refuse: (error) => {
          forget()
          reject(error)
        },
      }
      let stopWaiting: (() => void) | undefined = undefined
      const forget = (): void => {
        stopWaiting?.()
        this.#waiting.delete(waiting)
        if (this.#waiting.size === 0) this.#census.whenFewer = undefined
      }
      this.#waiting.add(waiting)
      this.#census.whenFewer = this.#admitSome
      stopWaiting = until((error) => waiting.refuse(error))
      if (!this.#waiting.has(waiting)) stopWaiting() // It has given up within the call.
    })
  }

  /** Whoever still waits is refused: the dispatcher stops. */
  close(): void {
    const text = 'The dispatcher stopped before there was room for the message: it was not accepted.'
    for (const { refuse } of this.#waiting) refuse(new NotAccepting(text))
  }

  readonly #admitSome = (): void => {
    if (this.#admitting || this.#census.waiting > this.#marks.low) return
    this.#admitting = true
    queueMicrotask(this.#admitAll) // Not within the start of another delivery.
  }

  readonly #admitAll = (): void => {
    this.#admitting = false
    for (const { admit } of this.#waiting) {
      if (this.#census.waiting >= this.#marks.high) return
      admit()
    }
  }
}
