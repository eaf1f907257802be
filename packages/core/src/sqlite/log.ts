import type { LoggedMessage, NewMessage, StoredMessage } from '../ports/store.ts'
import type { Statements } from './statements.ts'
import type { Transaction } from './transaction.ts'

/** The columns of a message. */
export interface MessageRow {
  readonly id: string
  readonly type: string
  readonly key: string | null
  readonly time: number
  readonly envelope: string
  readonly body: string
  readonly crc: number
}

export interface LoggedRow extends MessageRow {
  readonly position: number
}

export function messageOf({ id, type, key, time, envelope, body, crc }: MessageRow): StoredMessage {
  return { id, type, key: key ?? undefined, time, envelope, body, crc }
}

function loggedOf({ position, id, type, key, time, envelope, body, crc }: LoggedRow): LoggedMessage {
  return { position, id, type, key: key ?? undefined, time, envelope, body, crc }
}

/** What one new message of an append comes to, which is nearly all of them: the same array each time. */
const onlyNew: readonly boolean[] = Object.freeze([true])

/** After how many new ids some old ones are looked at. */
const SWEEP = 64

/** Some ids: the last of them, and when the first of them may go. */
interface SeenRange {
  readonly last: string | null
  readonly expires_at: number | null
  readonly count: number
}

interface LogParts {
  readonly statements: Statements
  readonly now: () => number
  /** For how long an id is remembered, in milliseconds. */
  readonly dedupeMs: number
  readonly isArchived: boolean
}

/** The messages, in their order; and the ids that may not come again. */
export class Log {
  readonly #statements: Statements
  readonly #now: () => number
  readonly #dedupeMs: number
  readonly #isArchived: boolean
  /** Up to which id the remembered ones were looked at in this round. */
  #seenUpTo = ''
  /** How many ids were added since some were looked at. */
  #added = 0

  constructor({ statements, now, dedupeMs, isArchived }: LogParts) {
    this.#statements = statements
    this.#now = now
    this.#dedupeMs = dedupeMs
    this.#isArchived = isArchived
  }

  /** Appends, or sets aside until they are due, those that are new. Tells which. */
  append(transaction: Transaction, messages: readonly NewMessage[]): readonly boolean[] {
    if (messages.length === 1) return this.#add(transaction, messages[0] as NewMessage) ? onlyNew : [false]
    return messages.map((message) => this.#add(transaction, message))
  }

  #add(transaction: Transaction, message: NewMessage): boolean {
    const { dueAt } = message
    if (message.mayRepeat && !this.#isFirst(message)) return false
    if (dueAt === undefined || dueAt <= this.#now()) this.put(transaction, message)
    else this.#delay(transaction, message, dueAt)
    return true
  }

  /** Appends a message, whatever its id. */
  put(transaction: Transaction, message: StoredMessage): void {
    const { id, type, key, time, envelope, body, crc } = message
    const position = transaction.tail + 1
    this.#statements.append.run(position, id, type, key ?? null, time, envelope, body, crc)
    transaction.tail = position
    transaction.messages += 1
    transaction.bytes += 100 + envelope.length + body.length
    transaction.isNews = true
  }

  #delay(transaction: Transaction, message: NewMessage, dueAt: number): void {
    const { id, type, key, time, envelope, body, crc } = message
    const next = this.nextDue()
    this.#statements.delay.run(dueAt, id, type, key ?? null, time, envelope, body, crc)
    transaction.bytes += 200 + envelope.length + body.length
    if (next === undefined || dueAt < next) transaction.isNews = true
  }

  nextDue(): number | undefined {
    return (this.#statements.nextDue.get() as { readonly due_at: number } | undefined)?.due_at
  }

  /** Remembers the id, if it is none that is remembered. A delayed one is remembered from when it is due. */
  #isFirst({ id, dueAt }: NewMessage): boolean {
    const now = this.#now()
    const expiresAt = Math.max(now, dueAt ?? now) + this.#dedupeMs
    if (Number(this.#statements.see.run(id, expiresAt, now).changes) === 0) return false
    this.#forgetSome(now)
    return true
  }

  /**
   * Removes expired ids among the next ones, once for many that are added. Twice as many are looked at as were added: so a round
   * ends before the table has doubled, and there is no index on the time that every id would have to be written to.
   */
  #forgetSome(now: number): void {
    this.#added += 1
    if (this.#added < SWEEP) return
    this.#added = 0
    const after = this.#seenUpTo
    const range = this.#statements.seenAfter.get(after, 2 * SWEEP) as SeenRange
    const upTo = range.last ?? ''
    if (range.expires_at !== null && range.expires_at <= now) this.#statements.forgetExpired.run(after, upTo, now)
    this.#seenUpTo = range.count < 2 * SWEEP ? '' : upTo
  }

  read(after: number, limit: number): LoggedMessage[] {
    const rows = this.#isArchived
      ? this.#statements.readArchived.all(after, after, limit)
      : this.#statements.read.all(after, limit)
    return (rows as LoggedRow[]).map(loggedOf)
  }

  readAt(positions: readonly number[]): LoggedMessage[] {
    return positions.flatMap((position) => {
      const row =
        this.#statements.readOne.get(position) ??
        (this.#isArchived ? this.#statements.readOneArchived.get(position) : undefined)
      return row === undefined ? [] : [loggedOf(row as LoggedRow)]
    })
  }
}
