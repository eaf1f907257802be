import type { Page } from '../ports/store.ts'
import type { StoreFailed } from '../store-errors.ts'
import type { Transaction } from './transaction.ts'
import type { WalSync } from './wal-sync.ts'
import type { Queued } from './write-queue.ts'

interface TellingParts {
  /** `undefined` where SQLite syncs when it commits, or nobody does. */
  readonly sync: WalSync | undefined
  /** Called when a transaction is stored for good. */
  readonly stored: (transaction: Transaction) => void
  /** Called when there is something to read, or something is due sooner than anything was before. */
  readonly wake: () => void
  /** Called instead with what was appended, where nobody has to read it. */
  readonly appended: (page: Page) => void
  /** Called when some were told: what has been gathered meanwhile can be stored. */
  readonly told: () => void
}

/** Tells those whose operations are in a transaction when it is stored for good, in the order of the transactions. */
export class Telling {
  readonly #parts: TellingParts

  constructor(parts: TellingParts) {
    this.#parts = parts
  }

  /** Whether somebody waits for the disk: what comes meanwhile may as well be gathered. */
  get isAwaited(): boolean {
    return this.#parts.sync?.isAwaited === true
  }

  /** Why nothing can be stored any more. */
  get failure(): StoreFailed | undefined {
    return this.#parts.sync?.failure
  }

  /** @param isAlone whether nobody else waits for anything: then it is not worth a thread. */
  committed(group: readonly Queued[], transaction: Transaction, isAlone: boolean): void {
    const { sync } = this.#parts
    if (sync === undefined) {
      this.#tell(group, transaction)
      return
    }
    const { tailBefore } = transaction
    const told = (failure: StoreFailed | undefined): void => {
      if (failure !== undefined) for (const queued of group) queued.fail(failure)
      this.#tell(group, failure === undefined ? transaction : undefined)
    }
    if (isAlone) sync.addNow({ tailBefore, told })
    else sync.add({ tailBefore, told })
  }

  /** These have failed. Whatever was committed before is told before. */
  notStored(group: readonly Queued[]): void {
    this.#parts.sync?.now()
    this.#tell(group, undefined)
  }

  #tell(group: readonly Queued[], transaction: Transaction | undefined): void {
    for (const queued of group) queued.settle()
    this.#parts.told()
    if (transaction === undefined) return
    const { stored, appended, wake } = this.#parts
    const { tailBefore: after, tail, appended: messages, copies, hasWork, isSooner } = transaction
    stored(transaction)
    if (messages.length > 0 && !hasWork) appended({ partition: 0, after, messages, copies })
    if (isSooner || (hasWork && tail > after)) wake()
  }
}
