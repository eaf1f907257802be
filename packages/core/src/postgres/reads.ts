import type { LoggedMessage } from '../ports/store.ts'
import type { PostgresResult, PostgresTransaction } from './client.ts'
import { failureOf } from './failure.ts'
import { loggedOf, numberOf } from './messages.ts'
import type { StatementName, Statements } from './statements.ts'

interface ReadsParts {
  readonly name: string
  readonly statements: Statements
  readonly connection: PostgresTransaction
  readonly isArchived: boolean
  /** Has what claims take be as it is after so many changes. */
  readonly typesChanged: (changes: number) => Promise<void>
}

interface Page {
  readonly partition: number
  readonly after: number
  readonly limit: number
  readonly resolve: (messages: readonly LoggedMessage[]) => void
  readonly reject: (error: unknown) => void
}

/** Reads the log. Pages that are asked for in one turn are one statement. */
export class Reads {
  readonly #parts: ReadsParts
  #pages: Page[] = []
  /** How many messages were read so far. */
  found = 0

  constructor(parts: ReadsParts) {
    this.#parts = parts
  }

  /** @throws {StoreFailed} */
  async run(name: StatementName, params: unknown[] = []): Promise<PostgresResult['rows']> {
    return this.query(this.#parts.statements.text(name), params)
  }

  async query(text: string, params: unknown[]): Promise<PostgresResult['rows']> {
    try {
      return (await this.#parts.connection.query(text, params)).rows
    } catch (error) {
      throw failureOf(error, this.#parts.name)
    }
  }

  page(partition: number, after: number, limit: number): Promise<readonly LoggedMessage[]> {
    return new Promise((resolve, reject) => {
      if (this.#pages.length === 0) setImmediate(() => void this.#readPages())
      this.#pages.push({ partition, after, limit, resolve, reject })
    })
  }

  async at(partition: number, positions: readonly number[]): Promise<readonly LoggedMessage[]> {
    if (positions.length === 0) return []
    const rows = await this.run(this.#parts.isArchived ? 'readArchivedAt' : 'readAt', [partition, positions])
    const found = new Map(rows.map((row) => [numberOf(row['position']), row]))
    return positions.flatMap((position) => {
      const row = found.get(position)
      return row === undefined ? [] : [loggedOf(row)]
    })
  }

  async #readPages(): Promise<void> {
    const pages = this.#pages
    this.#pages = []
    try {
      const rows = await this.run(this.#parts.isArchived ? 'readArchived' : 'read', [
        pages.map(({ partition }) => partition),
        pages.map(({ after }) => after),
        pages.map(({ limit }) => limit),
      ])
      this.found += rows.length
      if (rows[0] !== undefined) await this.#parts.typesChanged(numberOf(rows[0]['type_changes']))
      const found: LoggedMessage[][] = pages.map(() => [])
      for (const row of rows) found[numberOf(row['n']) - 1]?.push(loggedOf(row))
      for (const [n, { resolve }] of pages.entries()) resolve(found[n] ?? [])
    } catch (error) {
      for (const { reject } of pages) reject(error)
    }
  }
}
