import { asError } from '../errors.ts'
import { isThenable } from '../routing/thenable.ts'

/** Tells somebody of what happened. That they fail must not fail the attempt, and must not vanish: it is a process warning. */
export function tell(who: string, call: () => unknown): void {
  const failed = (thrown: unknown): void => process.emitWarning(`${who} failed: ${asError(thrown).message}`)
  try {
    const result = call()
    if (isThenable(result)) result.then(undefined, failed)
  } catch (thrown) {
    failed(thrown)
  }
}
