import { InvalidOption, shown } from '../errors.ts'
import type { DeadLetterFilter } from '../ports/dead-letters.ts'
import type { DeadLetterLog, StoredDeadLetter, StoredMessage } from '../ports/store.ts'
import { messageOf, numberOf } from './messages.ts'
import type { Reads } from './reads.ts'
import type { Statements } from './statements.ts'
import type { Writer } from './writer.ts'

interface LetterParts {
  readonly statements: Statements
  readonly writer: Writer
  readonly reads: Reads
  /** Called when other nodes have something to do with dead letters. */
  readonly changed: () => void
}

/** The dead letters, in the order of their deaths: that of `seq`. */
export class PostgresDeadLetters implements DeadLetterLog {
  readonly #parts: LetterParts

  constructor(parts: LetterParts) {
    this.#parts = parts
  }

  async get(id: string): Promise<StoredDeadLetter | undefined> {
    const [row] = await this.#parts.reads.run('letter', [id])
    return row === undefined ? undefined : letterOf(row)
  }

  async existing(ids: readonly string[]): Promise<readonly string[]> {
    return (await this.#parts.reads.run('existingLetters', [ids])).map((row) => row['letter_id'] as string)
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
    const conditions: (readonly [condition: string, value: unknown])[] = [['seq >', start], ...conditionsOf(filter)]
    const where = conditions.map(([condition], n) => `${condition} $${n + 1}`)
    const text = this.#parts.statements.lettersWhere(where, `$${conditions.length + 1}`)
    const rows = await this.#parts.reads.query(text, [...conditions.map(([, value]) => value), limit + 1])
    const page = rows.slice(0, limit)
    const last = numberOf(page.at(-1)?.['seq'] ?? start)
    return { letters: page.map(letterOf), next: rows.length > limit ? String(last) : undefined }
  }

  async replaying(subscription: string): Promise<readonly StoredDeadLetter[]> {
    return (await this.#parts.reads.run('replaying', [subscription])).map(letterOf)
  }

  async beginReplay(id: string, edited?: StoredMessage): Promise<boolean> {
    if (edited === undefined) return this.#hasChanged(await this.#run('beginReplay', [id]))
    const { type, key, time, envelope, body, crc } = edited
    const rows = await this.#run('beginEditedReplay', [id, edited.id, type, key ?? null, time, envelope, body, crc])
    return this.#hasChanged(rows)
  }

  async endReplay(id: string): Promise<void> {
    await this.#run('endReplay', [id])
  }

  async remove(ids: readonly string[]): Promise<readonly string[]> {
    const rows = await this.#run('removeLetters', [ids])
    this.#hasChanged(rows)
    return rows.map((row) => row['letter_id'] as string)
  }

  /** @param rows those that were changed. */
  #hasChanged(rows: readonly unknown[]): boolean {
    if (rows.length > 0) this.#parts.changed()
    return rows.length > 0
  }

  #run(
    name: 'beginReplay' | 'beginEditedReplay' | 'endReplay' | 'removeLetters',
    params: unknown[],
  ): Promise<readonly Record<string, unknown>[]> {
    const { statements, writer } = this.#parts
    return writer.alone(async (tx) => (await tx.query(statements.text(name), params)).rows)
  }
}

function conditionsOf(filter: DeadLetterFilter): (readonly [condition: string, value: unknown])[] {
  const { handler, type, key, messageId, correlationId, error, since, before } = filter
  const all: readonly (readonly [string, unknown])[] = [
    ['subscription =', handler],
    ['type =', type],
    ['key =', key],
    ['id =', messageId],
    ['correlation_id =', correlationId],
    ['error =', error],
    ['died_at >=', since?.getTime()],
    ['died_at <', before?.getTime()],
  ]
  return all.filter(([, value]) => value !== undefined)
}

function letterOf(row: Record<string, unknown>): StoredDeadLetter {
  return {
    id: row['letter_id'] as string,
    subscription: row['subscription'] as string,
    partition: row['partition'] as number,
    message: messageOf(row),
    correlationId: row['correlation_id'] as string,
    error: row['error'] as string,
    attempts: row['attempts'] as string,
    diedAt: numberOf(row['died_at']),
    isReplaying: row['is_replaying'] === true,
  }
}
