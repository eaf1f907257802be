import { InvalidOption, shown } from '../errors.ts'
import type { DeadLetterFilter } from '../ports/dead-letters.ts'
import type { DeadLetterLog, StoredDeadLetter, StoredMessage } from '../ports/store.ts'
import type { GroupCommit } from './group-commit.ts'
import { prepare, type SqliteDatabase, type SqliteStatement, type SqlValue } from './handle.ts'
import { type MessageRow, messageOf } from './log.ts'
import type { Transaction } from './transaction.ts'
import type { Reads } from './reads.ts'
import { pageOfLetters, type Statements } from './statements.ts'

interface LetterRow extends MessageRow {
  readonly seq: number
  readonly letter_id: string
  readonly subscription: string
  readonly partition: number
  readonly correlation_id: string
  readonly error: string
  readonly attempts: string
  readonly died_at: number
  readonly is_replaying: number
}

/** Stores a letter as the newest: one with its id has died once more. */
export function bury(statements: Statements, transaction: Transaction, letter: StoredDeadLetter): void {
  const { id, subscription, partition, message, correlationId, error, attempts, diedAt, isReplaying } = letter
  const { type, key, time, envelope, body, crc } = message
  transaction.bytes += 500 + envelope.length + body.length + attempts.length
  statements.revive.run(id)
  statements.bury.run(
    id,
    subscription,
    partition,
    message.id,
    type,
    key ?? null,
    time,
    envelope,
    body,
    crc,
    correlationId,
    error,
    attempts,
    diedAt,
    isReplaying ? 1 : 0,
  )
}

interface LetterParts {
  readonly database: SqliteDatabase
  readonly statements: Statements
  readonly commits: GroupCommit
  readonly reads: Reads
}

/** The dead letters, in the order of their deaths: that of `seq`. */
export class SqliteDeadLetters implements DeadLetterLog {
  readonly #parts: LetterParts
  readonly #pages = new Map<string, SqliteStatement>()

  constructor(parts: LetterParts) {
    this.#parts = parts
  }

  async get(id: string): Promise<StoredDeadLetter | undefined> {
    const { reads, statements } = this.#parts
    const row = await reads.settled(() => statements.letter.get(id) as LetterRow | undefined)
    return row === undefined ? undefined : letterOf(row)
  }

  existing(ids: readonly string[]): Promise<readonly string[]> {
    const { reads, statements } = this.#parts
    return reads.settled(() => ids.filter((id) => statements.hasLetter.get(id) !== undefined))
  }

  async list(
    filter: DeadLetterFilter,
    { after, limit }: { readonly after: string | undefined; readonly limit: number },
  ): Promise<{ readonly letters: readonly StoredDeadLetter[]; readonly next: string | undefined }> {
    const start = after === undefined ? 0 : Number(after)
    if (!Number.isSafeInteger(start)) {
      throw new InvalidOption(
        `No page of dead letters begins after ${shown(after)}. Pass the 'next' of the page before.`,
      )
    }
    const conditions = conditionsOf(filter)
    const values = conditions.map(([, value]) => value)
    const rows = await this.#parts.reads.settled(() => {
      const statement = this.#page(conditions.map(([condition]) => condition))
      return statement.all(start, ...values, limit + 1) as LetterRow[]
    })
    const page = rows.slice(0, limit)
    return { letters: page.map(letterOf), next: rows.length > limit ? String(page.at(-1)?.seq ?? start) : undefined }
  }

  #page(conditions: readonly string[]): SqliteStatement {
    const sql = pageOfLetters(conditions)
    let statement = this.#pages.get(sql)
    if (statement === undefined) {
      statement = prepare(this.#parts.database, sql)
      this.#pages.set(sql, statement)
    }
    return statement
  }

  async replaying(subscription: string): Promise<readonly StoredDeadLetter[]> {
    const { reads, statements } = this.#parts
    return (await reads.settled(() => statements.replaying.all(subscription) as LetterRow[])).map(letterOf)
  }

  beginReplay(id: string, edited?: StoredMessage): Promise<boolean> {
    const { commits, statements } = this.#parts
    return commits.add({
      rows: 1,
      apply: () => {
        if (Number(statements.beginReplay.run(id).changes) === 0) return false
        if (edited === undefined) return true
        const { type, key, time, envelope, body, crc } = edited
        statements.editLetter.run(edited.id, type, key ?? null, time, envelope, body, crc, id)
        return true
      },
    })
  }

  endReplay(id: string): Promise<void> {
    const { commits, statements } = this.#parts
    return commits.add({ rows: 1, apply: () => void statements.endReplay.run(id) })
  }

  remove(ids: readonly string[]): Promise<readonly string[]> {
    const { commits, statements } = this.#parts
    return commits.add({
      rows: ids.length,
      apply: () => ids.filter((id) => Number(statements.removeLetter.run(id).changes) > 0),
    })
  }
}

function conditionsOf(filter: DeadLetterFilter): (readonly [condition: string, value: SqlValue])[] {
  const { handler, type, key, messageId, correlationId, error, since, before } = filter
  const all: readonly (readonly [string, SqlValue | undefined])[] = [
    ['subscription = ?', handler],
    ['type = ?', type],
    ['key = ?', key],
    ['id = ?', messageId],
    ['correlation_id = ?', correlationId],
    ['error = ?', error],
    ['died_at >= ?', since?.getTime()],
    ['died_at < ?', before?.getTime()],
  ]
  return all.filter((one): one is readonly [string, SqlValue] => one[1] !== undefined)
}

function letterOf(row: LetterRow): StoredDeadLetter {
  return {
    id: row.letter_id,
    subscription: row.subscription,
    partition: row.partition,
    message: messageOf(row),
    correlationId: row.correlation_id,
    error: row.error,
    attempts: row.attempts,
    diedAt: row.died_at,
    isReplaying: row.is_replaying === 1,
  }
}
