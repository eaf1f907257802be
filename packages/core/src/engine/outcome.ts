/**
 * What became of a delivery.
 *
 * - `done`: the handler succeeded; `value` is what it returned.
 * - `dead`: it failed for good; `error` says why. It is kept in `dp.deadLetters`.
 * - `skipped`: it was left by an explicit rule: the same `id` again, or `discard()`, then with the `error`.
 * - `parked`: it waits behind a dead delivery of its key, and runs when that is replayed.
 * - `stopped`: the bus stopped first; `error` says so.
 */
export type OutcomeStatus = Outcome['status']

/** What became of a message at one handler, for a caller that waited: settled, never thrown. */
export type Outcome = {
  /** The handler, as `events/update-search`. */
  readonly handler: string
} & (
  | { readonly status: 'done'; readonly value: unknown; readonly error?: undefined }
  | { readonly status: 'skipped'; readonly value?: undefined; readonly error?: Error }
  | { readonly status: 'dead' | 'parked' | 'stopped'; readonly value?: undefined; readonly error: Error }
)
