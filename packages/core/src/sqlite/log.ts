import type { LoggedMessage, NewMessage, StoredMessage } from '../ports/store.ts'
import type { SeenIds } from './seen-ids.ts'
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

/** A message of the log, in the order of the statements that read it. */
export type LoggedRow = readonly [
  position: number,
  id: string,
  type: string,
  key: string | null,
  time: number,
  envelope: string,
  body: string,
  crc: number,
]

export function messageOf({ id, type, key, time, envelope, body, crc }: MessageRow): StoredMessage {
  return { id, type, key: key ?? undefined, time, envelope, body, crc }
}

function loggedOf([position, id, type, key, time, envelope, body, crc]: LoggedRow): LoggedMessage {
  return { position, id, type, key: key ?? undefined, time, envelope, body, crc }
}

/** What one new message of an append comes to, which is nearly all of them: the same array each time. */
const onlyNew: readonly boolean[] = Object.freeze([true])

interface LogParts {
  readonly statements: Statements
  readonly now: () => number
  readonly seen: SeenIds
  readonly isArchived: boolean
}

/** The messages, in their order. */
export class Log {
  readonly #statements: Statements
  readonly #now: () => number
  readonly #seen: SeenIds
  readonly #isArchived: boolean

  constructor({ statements, now, seen, isArchived }: LogParts) {
    this.#statements = statements
    this.#now = now
    this.#seen = seen
    this.#isArchived = isArchived
  }

  /** Appends, or sets aside until they are due, those that are new. Tells which. */
  append(transaction: Transaction, messages: readonly NewMessage[]): readonly boolean[] {
    if (messages.length === 1) return this.#add(transaction, messages[0] as NewMessage) ? onlyNew : [false]
    return messages.map((message) => this.#add(transaction, message))
  }

  #add(transaction: Transaction, message: NewMessage): boolean {
    const { dueAt } = message
    if (message.mayRepeat && !this.#seen.isFirst(transaction, message)) return false
    if (dueAt === undefined || dueAt <= this.#now()) this.put(transaction, message)
    else this.#delay(transaction, message, dueAt)
    return true
  }

  /** Appends a message, whatever its id. */
  put(transaction: Transaction, message: StoredMessage & Pick<NewMessage, 'copy'>): void {
    const { id, type, key, time, envelope, body, crc, copy } = message
    const position = transaction.tail + 1
    this.#statements.append.run(position, id, type, key ?? null, time, envelope, body, crc)
    transaction.tail = position
    transaction.appended.push({ position, id, type, key, time, envelope, body, crc })
    transaction.copies.push(copy)
    transaction.messages += 1
    transaction.bytes += 100 + envelope.length + body.length
  }

  #delay(transaction: Transaction, message: NewMessage, dueAt: number): void {
    const { id, type, key, time, envelope, body, crc } = message
    const next = this.nextDue()
    transaction.hasMore = true
    this.#statements.delay.run(dueAt, id, type, key ?? null, time, envelope, body, crc)
    transaction.bytes += 200 + envelope.length + body.length
    if (next === undefined || dueAt < next) transaction.isSooner = true
  }

  nextDue(): number | undefined {
    return (this.#statements.nextDue.get() as { readonly due_at: number } | undefined)?.due_at
  }

  /** Those up to `upTo` only: what comes after it is not stored for good yet. */
  read(after: number, upTo: number, limit: number): LoggedMessage[] {
    const rows = this.#isArchived
      ? this.#statements.readArchived.all(after, upTo, after, upTo, limit)
      : this.#statements.read.all(after, upTo, limit)
    return (rows as LoggedRow[]).map(loggedOf)
  }

  readAt(positions: readonly number[], upTo: number): LoggedMessage[] {
    return positions.flatMap((position) => {
      const row =
        position > upTo
          ? undefined
          : (this.#statements.readOne.get(position) ??
            (this.#isArchived ? this.#statements.readOneArchived.get(position) : undefined))
      return row === undefined ? [] : [loggedOf(row as LoggedRow)]
    })
  }
}
