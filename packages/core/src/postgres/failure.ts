import { asError } from '../errors.ts'
import { StoreFailed, type StoreFailure } from '../store-errors.ts'

export type Remedies = readonly (readonly [state: string, code: StoreFailure, remedy: string])[]

/** What to do, by SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html) or its first letters, the longest first. */
const remedies: Remedies = [
  ['25006', 'STORE_READ_ONLY', 'The server takes no writes: is it a standby? Point the connection to the primary.'],
  [
    '25P02',
    'STORE_FAILED',
    'A statement before it had failed, and nothing of its transaction is stored. Let its error be thrown, or run it behind a SAVEPOINT.',
  ],
  ['42501', 'STORE_FAILED', "Give the role the rights of the run-time role, or open the store with the owner's."],
  [
    '42P01',
    'STORE_FAILED',
    'A table is missing: has the schema been made? Open the store with migrate: true, or run the migrations.',
  ],
  ['53100', 'STORE_FULL', "Make room on the server's disk. Nothing was stored; what comes later is tried anew."],
  ['53300', 'STORE_FAILED', 'The server has no connection left: raise max_connections, or make pools smaller.'],
  [
    '57014',
    'STORE_FAILED',
    'Something holds a lock, or the server is slow: look at pg_stat_activity, or raise statementTimeoutMs.',
  ],
  ['22', 'STORE_FAILED', 'The server cannot store this value: it holds no NUL character, and no half of a pair.'],
  ['28', 'STORE_FAILED', 'Check the role and the password.'],
  ['3D', 'STORE_FAILED', 'Check the name of the database.'],
  ['XX', 'STORE_DAMAGED', 'Look at the log of the server: its files may be damaged.'],
]

/** The SQLSTATE of an error of the server; `undefined` where the connection itself failed. */
export function stateOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  // Of the operating system, as EPIPE: no class of SQLSTATE begins with an E.
  return typeof code === 'string' && /^[0-9A-DF-Z][0-9A-Z]{4}$/.test(code) ? code : undefined
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
  return isLate(error) && /\bseen\b/.test((error as { readonly where?: string }).where ?? '')
}

/** Whether it is the data of one statement that is wrong, and not the server. */
export function isOfTheData(error: unknown): boolean {
  return /^2[123]/.test(stateOf(error) ?? '')
}

/** Whether a claim that was to be written is not held any more: as the function `all_held` says. */
export function isOfClaims(error: unknown): boolean {
  return stateOf(error) === 'IB001'
}

/** Whether a prepared statement is not there, or was planned for tables that have changed: a new connection has none. */
export function isOfThePlan(error: unknown): boolean {
  return ['0A000', '26000', '42P05'].includes(stateOf(error) ?? '')
}

/** Whether the server has said that it did not do it; otherwise the answer may have got lost. */
export function isRefusal(error: unknown): boolean {
  const state = stateOf(error)
  // It ends with the connection, or with all of them: what it was doing may be done.
  const { severity } = (error ?? {}) as { readonly severity?: unknown }
  if (severity === 'FATAL' || severity === 'PANIC') return false
  // 08: the connection; 57P: the server goes down, or ends the connection. What it was doing may be done.
  return state !== undefined && !state.startsWith('08') && !state.startsWith('57P')
}

/** Whether another server may be the one to ask: this one takes no writes, and a new connection may lead to the one that does. */
export function isOfTheServer(error: unknown): boolean {
  return stateOf(error) === '25006'
}

/** The failure of a store, from whatever was thrown by its driver; `own` remedies go before what is usually to be done. */
export function failureOf(thrown: unknown, name: string, own: Remedies = []): StoreFailed {
  if (thrown instanceof StoreFailed) return thrown
  const error = asError(thrown)
  const state = stateOf(thrown) ?? ''
  const [, code, remedy] = [...own, ...remedies].find(([start]) => state.startsWith(start)) ?? [
    '',
    'STORE_FAILED' as const,
    state === '' ? 'Look at the server, and the way to it.' : 'Look at the log of the server.',
  ]
  const text = error.message === '' ? error.name : error.message
  return new StoreFailed(code, `${name}: ${text}${state === '' ? '' : ` (${state})`}. ${remedy}`, { cause: error })
}
