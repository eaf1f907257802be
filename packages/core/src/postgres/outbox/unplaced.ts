import { numberOf } from '../messages.ts'
import type { Reads } from '../reads.ts'

interface UnplacedParts {
  readonly reads: Reads
  readonly channel: string
  readonly node: string
  /** Called when there are new messages in the log. */
  readonly placed: () => void
}

/**
 * What was published in transactions under REPEATABLE READ or SERIALIZABLE: they cannot give positions themselves, so that nodes do
 * when they have committed. What this node publishes afterwards, it publishes after that.
 */
export class Unplaced {
  readonly #parts: UnplacedParts
  /** Transactions of callers on this node that may commit yet, or have. */
  readonly #open = new Set<string>()
  #turn: Promise<void> = Promise.resolve()
  /** A run that has not begun. */
  #next: Promise<void> | undefined

  constructor(parts: UnplacedParts) {
    this.#parts = parts
  }

  /** @param xid which transaction has published. */
  add(xid: string): void {
    this.#open.add(xid)
  }

  /** Whether there are any. */
  get isOpen(): boolean {
    return this.#open.size > 0
  }

  /** Gives positions to all that has been committed by now. @throws {StoreFailed} */
  place(): Promise<void> {
    this.#next ??= this.#inTurn()
    return this.#next
  }

  #inTurn(): Promise<void> {
    const run = this.#turn.then(() => {
      this.#next = undefined
      return this.#place()
    })
    this.#turn = run.catch(() => {})
    return run
  }

  async #place(): Promise<void> {
    const { reads, channel, node, placed } = this.#parts
    const [row = {}] = await reads.run('placeCommitted', [channel, `messages ${node}`, [...this.#open]])
    for (const xid of row['ended'] as readonly string[]) this.#open.delete(xid)
    if (numberOf(row['count']) > 0) placed()
  }
}
