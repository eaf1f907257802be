import { asError } from '../errors.ts'
import { StoreFailed, type StoreFailure } from '../store-errors.ts'

export type Remedies = readonly (readonly [state: string, code: StoreFailure, remedy: string])[]

/** What to do, by SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html) or its first letters, the longest first. */
const remedies: Remedies = [
  ['25006', 'STORE_READ_ONLY', 'The server takes no writes: is it a standby? Point the connection to the primary.'],
  ['42501', 'STORE_FAILED', "Give the role the rights of the run-time role, or open the store with the owner's."],
  [
    '42P01',
    'STORE_FAILED',
    'A table is missing: has the schema been made? Open the store with migrate: true, or run the migrations.',
  ],
  ['53100', 'STORE_FULL', "Make room on the server's disk. Nothing was stored; what comes later is tried anew."],
  ['53300', 'STORE_FAILED', 'The server has no connection left: raise max_connections, or make pools smaller.'],
  ['28', 'STORE_FAILED', 'Check the role and the password.'],
  ['3D', 'STORE_FAILED', 'Check the name of the database.'],
  ['XX', 'STORE_DAMAGED', 'Look at the log of the server: its files may be damaged.'],
]

/** The SQLSTATE of an error of the server; `undefined` where the connection itself failed. */
export function stateOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** Whether the same may go well when it is tried again at once: it was undone for the sake of another transaction. */
export function isConflict(error: unknown): boolean {
  return ['40001', '40P01'].includes(stateOf(error) ?? '')
}

/** Whether a lock was waited for in vain. */
export function isLate(error: unknown): boolean {
  return stateOf(error) === '55P03'
}

/** Whether an id was waited for in vain: a transaction under way has taken it, in the table of the ids that are remembered. */
export function isTaken(error: unknown): boolean {
  return isLate(error) && /"seen"/.test((error as { readonly where?: string }).where ?? '')
}

/** Whether it is the data of one statement that is wrong, and not the server. */
export function isOfTheData(error: unknown): boolean {
  return /^2[123]/.test(stateOf(error) ?? '')
}

/** Whether a prepared statement is not there, or was planned for tables that have changed: a new connection has none. */
export function isOfThePlan(error: unknown): boolean {
  return ['0A000', '26000', '42P05'].includes(stateOf(error) ?? '')
}

/** Whether the server has said that it did not do it; otherwise the answer may have got lost. */
export function isRefusal(error: unknown): boolean {
  const state = stateOf(error)
  // 08: the connection; 57P: the server goes down, or ends the connection. What it was doing may be done.
  return state !== undefined && !state.startsWith('08') && !state.startsWith('57P')
}

/** The failure of a store, from whatever was thrown by its driver; `own` remedies go before what is usually to be done. */
export function failureOf(thrown: unknown, name: string, own: Remedies = []): StoreFailed {
  if (thrown instanceof StoreFailed) return thrown
  const error = asError(thrown)
  const state = stateOf(thrown) ?? ''
  const [, code, remedy] = [...own, ...remedies].find(([start]) => state.startsWith(start)) ?? [
    '',
    'STORE_FAILED' as const,
    'It is tried again.',
  ]
  const text = error.message === '' ? error.name : error.message
  return new StoreFailed(code, `${name}: ${text}${state === '' ? '' : ` (${state})`}. ${remedy}`, { cause: error })
}
