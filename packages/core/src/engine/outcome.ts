/**
 * What became of a delivery.
 *
 * - `done`: the handler succeeded; `value` is what it returned.
 * - `dead`: it failed for good; `error` says why.
 * - `skipped`: it was not run, by an explicit rule (the same `id` again); nothing is lost.
 * - `stopped`: `stop()` reached its deadline first; `error` says so.
 */
export type OutcomeStatus = 'done' | 'dead' | 'skipped' | 'stopped'

/** What became of a message at one handler, for a caller that waited: settled, never thrown. */
export interface Outcome {
  /** The handler, as `events/update-search`. */
  readonly handler: string
  readonly status: OutcomeStatus
  readonly value?: unknown
  readonly error?: Error
}
