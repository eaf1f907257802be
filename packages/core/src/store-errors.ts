import { IambusError } from './errors.ts'

/**
 * A store could not be opened, or could not do what it was asked. `code` says why:
 *
 * - `STORE_OWNED`: another process, or another dispatcher of this one, has it open.
 * - `STORE_TOO_NEW`: its schema is of a later release, which says that this one must not use it.
 * - `STORE_OF_ANOTHER_SERVICE`: it was made for another `service`.
 * - `STORE_FULL`, `STORE_READ_ONLY`, `STORE_DAMAGED`: of the file or the disk; `STORE_FAILED`: whatever else. `cause` is the
 *   driver's own error.
 * - `STORE_CLOSED`: it was closed meanwhile.
 * - `CLAIM_LOST`: another node has taken over; what was to be settled is its to do.
 */
export class StoreFailed extends IambusError {
  declare readonly code: StoreFailure
}

export type StoreFailure =
  | 'STORE_OWNED'
  | 'STORE_TOO_NEW'
  | 'STORE_OF_ANOTHER_SERVICE'
  | 'STORE_FULL'
  | 'STORE_READ_ONLY'
  | 'STORE_DAMAGED'
  | 'STORE_FAILED'
  | 'STORE_CLOSED'
  | 'CLAIM_LOST'

/** The `tx` that was given is no transaction of the bus's own database: what is written to it could not be one with it. */
export class ForeignTransaction extends IambusError {
  constructor(message: string) {
    super('FOREIGN_TRANSACTION', message)
  }
}

/** Within an asynchronous `commit`, something was awaited that can only be stored after it. */
export class CommitDeadlock extends IambusError {
  constructor(message: string) {
    super('COMMIT_DEADLOCK', message)
  }
}

/** A handler's context was used after `context.commit`: its delivery is done, and all that it caused has left. */
export class AlreadyCommitted extends IambusError {
  constructor(handler: string, type: string) {
    const remedy = 'Record everything before it, or inside of it, and commit once.'
    super('ALREADY_COMMITTED', `The delivery of '${type}' to ${handler} has been committed. ${remedy}`)
  }
}

/** The process ended while this delivery ran, and nothing else that was suspect: it is taken for the cause. */
export class ProcessCrashed extends IambusError {
  constructor(handler: string, type: string) {
    const text = `The process ended while ${handler} handled '${type}', alone. This counts as a failed attempt.`
    super('PROCESS_CRASHED', `${text} Look for what ends the process: a call of exit, too little memory, a signal.`)
  }
}
