import type { Claim, Exception, Settlement, TypeRange } from '../ports/store.ts'
import { Progress, type Span } from '../ports/progress.ts'
import { StoreFailed } from '../store-errors.ts'
import { bury } from './dead-letters.ts'
import type { GroupCommit } from './group-commit.ts'
import type { Log } from './log.ts'
import type { Statements } from './statements.ts'
import type { ClaimDraft, Transaction } from './transaction.ts'
import type { Operation } from './write-queue.ts'

interface ClaimsParts {
  readonly name: string
  readonly statements: Statements
  readonly commits: GroupCommit
  readonly log: Log
  /** The subscriptions of this node, by name. */
  readonly ids: ReadonlyMap<string, number>
}

interface ClaimRow {
  readonly epoch: number
  readonly cursor: number
  readonly reach: number
  readonly finished: Uint8Array
  readonly is_clean: number
  readonly is_held: number
}

const none: readonly never[] = []

/** Who may work for a subscription, and what has happened to its messages. There is one partition: 0. */
export class Claims {
  readonly #parts: ClaimsParts

  constructor(parts: ClaimsParts) {
    this.#parts = parts
  }

  claim(): Promise<readonly Claim[]> {
    const { commits, ids } = this.#parts
    return commits.add({
      rows: ids.size,
      apply: (transaction) => {
        transaction.writeClaims()
        return [...ids].flatMap(([name, id]) => this.#take(name, id))
      },
    })
  }

  #take(name: string, id: number): Claim[] {
    const { statements } = this.#parts
    const row = statements.claim.get(id) as ClaimRow
    if (row.is_held === 1) return []
    statements.takeClaim.run(id)
    const ranges = statements.ranges.all(id) as { type: string; after: number; up_to: number | null }[]
    const takes = ranges.map(({ type, after, up_to: upTo }): TypeRange => ({ type, after, upTo: upTo ?? undefined }))
    const progress = new Progress(row.cursor, row.reach, row.finished)
    return [{ subscription: name, partition: 0, epoch: row.epoch + 1, progress, isClean: row.is_clean === 1, takes }]
  }

  release(claims: readonly Claim[]): Promise<void> {
    return this.#parts.commits.add({
      rows: claims.length,
      apply: (transaction) => {
        transaction.writeClaims()
        for (const claim of claims) this.#release(transaction, claim)
      },
    })
  }

  /** One that is lost has nothing to give back. */
  #release(transaction: Transaction, claim: Claim): void {
    const id = this.#parts.ids.get(claim.subscription)
    if (id !== undefined && this.#held(transaction, claim) !== undefined) this.#parts.statements.releaseClaim.run(id)
    transaction.writeClaims()
  }

  exceptions(claim: Claim): Exception[] {
    const id = this.#parts.ids.get(claim.subscription)
    const rows = id === undefined ? [] : this.#parts.statements.exceptions.all(id)
    return (rows as ExceptionRow[]).map(({ position, key, state, due_at: dueAt, note }) => ({
      position,
      key: key ?? undefined,
      state,
      dueAt: dueAt ?? undefined,
      note: note ?? undefined,
    }))
  }

  settle(claim: Claim | undefined, settlement: Settlement): Promise<readonly boolean[]> {
    const { exceptions = none, cleared = none, dead = none, revived = none, caused = none, work } = settlement
    const rows = 1 + exceptions.length + cleared.length + dead.length + revived.length + caused.length
    const operation: Operation<readonly boolean[]> = {
      rows,
      apply: (transaction, worked) => {
        if (claim !== undefined) this.#settle(transaction, claim, settlement)
        const messages = worked.length === 0 ? caused : [...caused, ...worked]
        return messages.length === 0 ? none : this.#parts.log.append(transaction, messages)
      },
    }
    if (work === undefined) return this.#parts.commits.add(operation)
    const check = (transaction: Transaction): void => {
      if (claim !== undefined) this.#checked(transaction, claim)
    }
    const apply: typeof operation.apply = (transaction, worked) => {
      transaction.reloadLog() // It may have taken back what it had published.
      return operation.apply(transaction, worked)
    }
    return this.#parts.commits.add({ rows, check, work, worker: claim?.subscription ?? '', apply })
  }

  /** All of it but what is caused. */
  #settle(transaction: Transaction, claim: Claim, settlement: Settlement): void {
    const { statements, ids } = this.#parts
    const draft = this.#checked(transaction, claim)
    const id = ids.get(claim.subscription) as number
    const { progress } = draft
    const before = progress.cursor
    // The first: it throws where it is wrong, and then nothing has been written.
    progress.settle(settlement.reached, passedBy(settlement))
    draft.isChanged = true
    for (const { position, key, state, dueAt, note } of settlement.exceptions ?? none) {
      statements.except.run(id, position, key ?? null, state, dueAt ?? null, note ?? null)
      transaction.bytes += 200
    }
    for (const position of settlement.cleared ?? none) {
      statements.unexcept.run(id, position)
      transaction.cleared.push(position)
    }
    for (const letter of settlement.dead ?? none) bury(statements, transaction, letter)
    for (const letterId of settlement.revived ?? none) statements.revive.run(letterId)
    if (progress.cursor > before) transaction.hasMoved = true
  }

  #held(transaction: Transaction, claim: Claim): ClaimDraft | undefined {
    const id = this.#parts.ids.get(claim.subscription)
    const draft = id === undefined ? undefined : transaction.claim(id)
    return draft?.isHeld === true && draft.epoch === claim.epoch ? draft : undefined
  }

  #checked(transaction: Transaction, claim: Claim): ClaimDraft {
    const draft = this.#held(transaction, claim)
    if (draft !== undefined) return draft
    const whose = `The claim of ${claim.subscription}, number ${claim.epoch}, is not held any more`
    const remedy =
      'It was released, or another node has taken over: what was to be settled is done again by whoever has it.'
    throw new StoreFailed('CLAIM_LOST', `${this.#parts.name}: ${whose}. ${remedy}`)
  }
}

/** What the cursor may pass from now on. */
function passedBy({ done = none, exceptions = none }: Settlement): readonly Span[] {
  if (exceptions.length === 0) return done
  return [...done, ...exceptions.map(({ position }): Span => [position, position])]
}

interface ExceptionRow {
  readonly position: number
  readonly key: string | null
  readonly state: Exception['state']
  readonly due_at: number | null
  readonly note: string | null
}
