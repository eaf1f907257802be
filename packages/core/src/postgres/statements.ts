import type { PostgresClient, PostgresResult } from './client.ts'
import * as appending from './sql/appending.ts'
import * as claiming from './sql/claiming.ts'
import * as delaying from './sql/delaying.ts'
import * as housekeeping from './sql/housekeeping.ts'
import * as letters from './sql/letters.ts'
import * as reading from './sql/reading.ts'
import * as settling from './sql/settling.ts'
import * as watching from './sql/watching.ts'

/** A statement, for the tables of a schema: its name as it is written in SQL. */
export type Sql = (schema: string) => string

const { lettersWhere, ...ofLetters } = letters
const files = [appending, claiming, delaying, housekeeping, ofLetters, reading, settling, watching]

export type StatementName =
  | keyof typeof appending
  | keyof typeof claiming
  | keyof typeof delaying
  | keyof typeof housekeeping
  | Exclude<keyof typeof letters, 'lettersWhere'>
  | keyof typeof reading
  | keyof typeof settling
  | keyof typeof watching

interface Query {
  readonly text: string
  readonly params?: unknown[] | undefined
}

/** All statements that are run after the opening. */
export class Statements {
  readonly schema: string
  readonly #texts: Readonly<Record<StatementName, string>>
  readonly #names = new Map<string, string>()

  /** @param schema as it is written in SQL. */
  constructor(schema: string) {
    this.schema = schema
    const texts = files.flatMap((file) => Object.entries<Sql>(file)).map(([name, sql]) => [name, sql(schema).trim()])
    this.#texts = Object.fromEntries(texts) as Record<StatementName, string> // The keys are those.
    for (const [name, text] of Object.entries(this.#texts)) this.#names.set(text, `iambus ${schema} ${name}`)
  }

  /**
   * Runs a statement, one of these by the name that it is prepared under.
   *
   * @param isPrepared whether there are to be any.
   */
  run(client: PostgresClient, { text, params = [] }: Query, isPrepared: boolean): Promise<PostgresResult> {
    const name = isPrepared ? this.#names.get(text) : undefined
    return name === undefined ? client.query(text, params) : client.query({ name, text, values: params })
  }

  text(name: StatementName): string {
    return this.#texts[name]
  }

  /** The statement for a page of dead letters. */
  lettersWhere(conditions: readonly string[], limit: string): string {
    return lettersWhere(this.schema, conditions, limit)
  }
}
