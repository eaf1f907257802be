import { Failures } from '../engine/failures.ts'
import { asError, IambusError, shown } from '../errors.ts'
import type { FailedAttempt } from '../ports/dead-letters.ts'

/** How many attempts are stored with their errors: the first, and the latest. */
const ATTEMPTS = 20
/** How much of a stack is stored, in characters. */
const STACK = 4_000
/** How many causes of an error are stored. */
const CAUSES = 5

interface StoredError {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
  readonly cause?: StoredError
}

type StoredAttempt = Omit<FailedAttempt, 'error' | 'failedAt'> & { readonly at: number; readonly error: StoredError }

/** An error that was stored, and read again: it has the name, the code and the stack of what was thrown, not its class. */
export class StoredFailure extends Error {
  declare readonly code?: string

  constructor({ name, message, code, stack, cause }: StoredError) {
    super(message, cause && { cause: new StoredFailure(cause) })
    Object.defineProperty(this, 'name', { value: name, configurable: true, writable: true })
    if (code !== undefined) this.code = code
    if (stack !== undefined) this.stack = stack
  }
}

/** The process ended while this delivery ran, and nothing else that was suspect: it is taken for the cause. */
export class ProcessCrashed extends IambusError {
  constructor(handler: string, type: string) {
    const text = `The process ended while ${handler} handled '${type}', alone. This counts as a failed attempt.`
    super('PROCESS_CRASHED', `${text} Look for what ends the process: a call of exit, too little memory, a signal.`)
  }
}

/** Attempts as they are stored. */
export function storedAttempts(attempts: readonly FailedAttempt[]): string {
  const kept = attempts.length <= ATTEMPTS ? attempts : [...attempts.slice(0, 1), ...attempts.slice(1 - ATTEMPTS)]
  return JSON.stringify(
    kept.map(({ error, failedAt, ...attempt }): StoredAttempt => {
      return { ...attempt, at: failedAt.getTime(), error: storedError(error) }
    }),
  )
}

export function attemptsOf(text: string): FailedAttempt[] {
  return (JSON.parse(text) as StoredAttempt[]).map(({ at, error, ...attempt }) => {
    return { ...attempt, failedAt: new Date(at), error: new StoredFailure(error) }
  })
}

/** What has gone wrong with a delivery so far, as it is stored. */
export function storedFailures({ attempts, next, count, firstAtMs }: Failures): string {
  return JSON.stringify({ next, count, firstAtMs, attempts: storedAttempts(attempts) })
}

export function failuresOf(text: string): Failures {
  const { attempts, next, count, firstAtMs } = JSON.parse(text) as {
    attempts: string
    next: number
    count: number
    firstAtMs?: number
  }
  return new Failures(attemptsOf(attempts), { next, count, firstAtMs })
}

/** Whether the last attempt ended with the process. */
export function hasCrashed({ attempts }: Failures): boolean {
  const last = attempts.at(-1)
  return last !== undefined && errorName(last.error) === 'PROCESS_CRASHED'
}

/** What an error is known by, for filters. */
export function errorName(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : error.name
}

function storedError(error: Error, depth = 0): StoredError {
  const { name, message, stack, cause } = error
  const { code } = error as { code?: unknown }
  return {
    name: textOf(name),
    message: textOf(message),
    ...(typeof code === 'string' && { code }),
    ...(typeof stack === 'string' && { stack: stack.slice(0, STACK) }),
    ...(cause !== undefined && depth < CAUSES && { cause: storedError(asError(cause), depth + 1) }),
  }
}

/** An error may have been given anything for its name and its message. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : shown(value)
}
