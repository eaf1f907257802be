import type { Deadlines } from '../engine/deadlines.ts'
import { Aborted, shown, TimedOut } from '../errors.ts'

/** How long a caller wants to wait. */
export interface Patience {
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
}

/** @throws {Aborted} for a signal that has been aborted already. */
export function refuseAborted(verb: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(verb, signal)
}

/**
 * Gives up when the caller's signal is aborted, or its time is over.
 * @returns a function that forgets about both.
 */
export function giveUpWith(
  verb: string,
  { signal, timeoutMs }: Patience,
  to: { deadlines: Deadlines; giveUp: (error: Error) => void },
): () => void {
  const onAbort = (): void => to.giveUp(aborted(verb, signal as AbortSignal))
  signal?.addEventListener('abort', onAbort, { once: true })
  const deadline =
    timeoutMs === undefined
      ? undefined
      : to.deadlines.after(timeoutMs, () =>
          to.giveUp(new TimedOut(`The ${verb} took longer than its timeoutMs of ${timeoutMs}.`)),
        )
  if (signal?.aborted) onAbort() // By its own handler, within the call.
  return () => {
    signal?.removeEventListener('abort', onAbort)
    deadline?.cancel()
  }
}

/**
 * The same promise for its caller, with something to be done when it is settled. The caller's own has no other listener: if
 * nobody awaits it, its failure is not swallowed.
 */
export function followed(answer: Promise<unknown>, settled: () => void): Promise<unknown> {
  return answer.then(
    (value) => {
      settled()
      return value
    },
    (error) => {
      settled()
      throw error
    },
  )
}

function aborted(verb: string, { reason }: AbortSignal): Aborted {
  const why = reason instanceof Error ? reason.message : shown(reason)
  return new Aborted(`The signal given to ${verb}() was aborted: ${why}`, { cause: reason })
}
