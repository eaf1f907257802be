import { shown } from '../../errors.ts'
import { ForeignTransaction } from '../../store-errors.ts'
import type { PostgresResult } from '../client.ts'

/** Whether it has this method: users without types pass anything. */
export function isLike(given: unknown, method: string): boolean {
  const mayHaveIt = (typeof given === 'object' && given !== null) || typeof given === 'function'
  return mayHaveIt && typeof (given as Record<string, unknown>)[method] === 'function'
}

export function refused(adapter: string, given: unknown, wanted: string): ForeignTransaction {
  return new ForeignTransaction(`${adapter}() was given ${shown(given)}, which is no transaction. Pass ${wanted}.`)
}

/** The rows of a statement, as a library gives them: alone, or in the result of `pg`. */
export function rowsOf(result: unknown): PostgresResult {
  return Array.isArray(result) ? { rows: result as Record<string, unknown>[] } : (result as PostgresResult)
}
