import type { Claim, Exception, NewMessage, Settlement, StoredDeadLetter } from '../ports/store.ts'
import { checkStorable, storable } from '../ports/storable.ts'
import type { PostgresTransaction } from './client.ts'
import type { Generations } from './generations.ts'
import type { Draft, HeldClaims } from './held-claims.ts'
import { type Appended, Batch, numberOf, type Patience, type PlacedPage } from './messages.ts'
import type { Statements } from './statements.ts'

/** What groups work with. */
export interface GroupParts {
  readonly statements: Statements
  readonly claims: HeldClaims
  readonly node: string
  readonly generations: Generations
  readonly dedupeMs: number
}

/** What is to be stored for one call: messages, with what has happened to those of a claim or without. */
export interface Entry {
  readonly claim?: Claim | undefined
  readonly settlement?: Settlement | undefined
  readonly messages: readonly NewMessage[]
}

/** What has become of what a group has stored. */
export interface Written {
  /** For each entry which of its messages are new. */
  readonly areNew: readonly (readonly boolean[])[]
  /** Where its messages are; `undefined` where that is not known. */
  readonly pages: readonly PlacedPage[] | undefined
}

/** Those whose claims another node has: nothing was stored. */
export class ClaimsLost extends Error {
  readonly claims: readonly Claim[]

  constructor(claims: readonly Claim[]) {
    super(`${claims.length} claims were lost.`)
    this.claims = claims
  }
}

/**
 * What several calls store, written as one: each thing by one statement, whatever the number of calls. Of what is written twice,
 * the last counts.
 */
export class Group {
  readonly #parts: GroupParts
  readonly #entries: Entry[] = []
  readonly #drafts = new Map<string, Draft>()
  /** By subscription, partition and position; `undefined` for what was cleared. */
  readonly #exceptions = new Map<string, readonly [draft: Draft, position: number, exception: Exception | undefined]>()
  /** By id; `undefined` for what is no dead letter any more. */
  readonly #letters = new Map<string, StoredDeadLetter | undefined>()
  readonly #batch: Batch
  readonly #number: number

  constructor(parts: GroupParts) {
    this.#parts = parts
    this.#number = parts.claims.nextNumber()
    this.#batch = new Batch(parts.generations.newest)
  }

  /** @throws {StoreFailed} with `CLAIM_LOST`. @throws {RangeError | CodecError} Then nothing of it is in the group. */
  add(entry: Entry): void {
    const { claim, settlement, messages } = entry
    for (const message of messages) checkStorable(message)
    if (settlement !== undefined) this.#settle(claim, settlement)
    this.#batch.add(messages)
    this.#entries.push(entry)
  }

  #settle(claim: Claim | undefined, settlement: Settlement): void {
    const draft = claim && this.#parts.claims.settle(this.#drafts, claim, settlement)
    if (draft !== undefined) {
      for (const one of settlement.exceptions ?? []) this.#except(draft, one.position, one)
      for (const position of settlement.cleared ?? []) this.#except(draft, position, undefined)
    }
    for (const letter of settlement.dead ?? []) {
      this.#letters.delete(letter.id)
      this.#letters.set(letter.id, letter)
    }
    for (const id of settlement.revived ?? []) this.#letters.set(id, undefined)
  }

  #except(draft: Draft, position: number, exception: Exception | undefined): void {
    const { held, claim } = draft
    this.#exceptions.set(`${held.subscription}#${claim.partition}#${position}`, [draft, position, exception])
  }

  /** Whether it has messages only, and nobody has to know for sure what has become of them: one statement is all that it takes. */
  get hasNoSettlements(): boolean {
    return this.#entries.every(({ settlement }) => settlement === undefined)
  }

  /** Whether one statement is all that it takes to write how far claims have come, and the messages that are stored with that. */
  get isAtOnce(): boolean {
    return this.#drafts.size > 0 && this.#exceptions.size === 0 && this.#letters.size === 0 && this.#batch.isPlain
  }

  /** Whether messages are caused by what is settled: stored twice, they would be there twice. */
  get hasCaused(): boolean {
    return this.#entries.some(({ settlement, messages }) => settlement !== undefined && messages.length > 0)
  }

  /** Whether there is anything to store. */
  get isEmpty(): boolean {
    return this.#drafts.size === 0 && this.#letters.size === 0 && this.#batch.isEmpty
  }

  /**
   * Writes it, in the order in which every node locks rows: claims, and then the tails of partitions.
   *
   * @throws {ClaimsLost} Then the transaction has to be rolled back.
   */
  async write(tx: PostgresTransaction, patience: Patience = '0'): Promise<Written> {
    const { statements, dedupeMs } = this.#parts
    await this.#writeClaims(tx)
    await this.#writeExceptions(tx)
    await this.#writeLetters(tx)
    return this.#written(await this.#batch.append(tx, { statements, dedupeMs, patience }))
  }

  /** Writes all of it by one statement. @throws an error of the server, {@link isOfClaims}, where a claim is not held any more. */
  async writeAtOnce(tx: PostgresTransaction): Promise<Written> {
    const { statements } = this.#parts
    if (this.#batch.isEmpty) {
      await tx.query(statements.text('advanceAtOnce'), this.#advances)
      return this.writtenUnseen
    }
    const { rows } = await tx.query(statements.text('settleAtOnce'), [...this.#batch.plain, ...this.#advances])
    return this.#written(this.#batch.appended(rows))
  }

  /** What has become of it, if it was written at once, and its answer was lost. */
  get writtenUnseen(): Written {
    return this.#written(this.#batch.appended(this.#batch.isEmpty ? [] : undefined))
  }

  /**
   * Asks what has become of it, where the answer is lost, after it was written at once. If it was not, it never will be: should
   * the server come upon it yet, it is too late for it.
   */
  async wasWritten(tx: PostgresTransaction): Promise<boolean> {
    const { statements, node } = this.#parts
    for (const { held, claim } of this.#drafts.values()) {
      const of = [held.subscription, claim.partition, held.epoch, node, this.#number]
      const [row] = (await tx.query(statements.text('fence'), of)).rows
      if (row !== undefined) return numberOf(row['settled']) >= this.#number
    }
    return false // All were lost: whoever has them now knows what was.
  }

  /** It is stored for good. Tells whether a cursor has moved, or an exception was cleared: something may be removed then. */
  stored(): boolean {
    const hasMoved = this.#parts.claims.adopt(this.#drafts.values())
    return hasMoved || [...this.#exceptions.values()].some(([, , exception]) => exception === undefined)
  }

  /** The parameters of statements that write how far claims have come. */
  get #advances(): unknown[] {
    const drafts = [...this.#drafts.values()]
    return [
      drafts.map(({ held }) => held.subscription),
      drafts.map(({ claim }) => claim.partition),
      drafts.map(({ held }) => held.epoch),
      drafts.map(({ progress }) => progress.cursor),
      drafts.map(({ progress }) => progress.reach),
      drafts.map(({ progress }) => Buffer.from(progress.finished)),
      this.#parts.node,
      this.#number,
    ]
  }

  async #writeClaims(tx: PostgresTransaction): Promise<void> {
    const drafts = [...this.#drafts.values()]
    if (drafts.length === 0) return
    const { rows } = await tx.query(this.#parts.statements.text('advance'), this.#advances)
    if (rows.length === drafts.length) return
    const kept = new Set(rows.map(({ subscription, partition }) => `${String(subscription)}#${String(partition)}`))
    const lost = drafts.filter(({ held, claim }) => !kept.has(`${held.subscription}#${claim.partition}`))
    throw new ClaimsLost(lost.map(({ claim }) => claim))
  }

  async #writeExceptions(tx: PostgresTransaction): Promise<void> {
    const all = [...this.#exceptions.values()]
    const kept = all.flatMap(([{ held, claim }, position, exception]) => {
      if (exception === undefined) return []
      const { key, state, dueAt, note } = exception
      return [
        { subscription: held.subscription, partition: claim.partition, position, key, state, due_at: dueAt, note },
      ]
    })
    const cleared = all.filter(([, , exception]) => exception === undefined)
    const { statements } = this.#parts
    if (kept.length > 0) await tx.query(statements.text('except'), [JSON.stringify(kept)])
    if (cleared.length === 0) return
    await tx.query(statements.text('clear'), [
      cleared.map(([{ held }]) => held.subscription),
      cleared.map(([{ claim }]) => claim.partition),
      cleared.map(([, position]) => position),
    ])
  }

  async #writeLetters(tx: PostgresTransaction): Promise<void> {
    if (this.#letters.size === 0) return
    const { statements } = this.#parts
    await tx.query(statements.text('revive'), [[...this.#letters.keys()]])
    const buried = [...this.#letters.values()].filter((letter) => letter !== undefined)
    if (buried.length > 0) await tx.query(statements.text('bury'), [JSON.stringify(buried.map(rowOf))])
  }

  #written({ areNew, pages }: Appended): Written {
    let from = 0
    return { areNew: this.#entries.map(({ messages }) => areNew.slice(from, (from += messages.length))), pages }
  }
}

function rowOf(letter: StoredDeadLetter, n: number): object {
  const { message, correlationId, diedAt, isReplaying, id: letterId, error, ...rest } = letter
  // No more of it than there are columns for: what else it has may be nothing for JSON.
  const { id, type, key, time, envelope, body, crc } = message
  return {
    id,
    type,
    key,
    time,
    envelope,
    body,
    crc,
    ...rest,
    n,
    letter_id: letterId,
    correlation_id: storable(correlationId),
    error: storable(error),
    died_at: diedAt,
    is_replaying: isReplaying,
  }
}
