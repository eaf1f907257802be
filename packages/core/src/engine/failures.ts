import type { FailedAttempt } from '../ports/dead-letters.ts'
import type { Recovery } from '../routing/recover.ts'

/** What becomes of a delivery that has failed. */
export interface Decision {
  readonly recovery: Recovery
  /** With this failure. */
  readonly failures: Failures
}

/** How many attempts are remembered: beyond it, the first ones and the latest. No policy of ours has as many. */
const REMEMBERED = 200

/** What has gone wrong with a delivery so far: never changed, each failure makes a new one. */
export class Failures {
  /** The attempts that failed, the oldest first; also those before it was replayed. */
  readonly attempts: readonly FailedAttempt[]
  /** Which attempt is next, from 1 on. */
  readonly next: number
  /** How many failures there were, since it was accepted or replayed. */
  readonly count: number
  /** When the first of these was, in milliseconds since 1970. */
  readonly firstAtMs: number | undefined

  /** Without `of`, it is about to have all its attempts anew: those before are only remembered. */
  constructor(
    attempts: readonly FailedAttempt[] = [],
    of: { readonly next: number; readonly count: number; readonly firstAtMs?: number | undefined } = noFailures,
  ) {
    this.attempts = attempts
    this.next = of.next
    this.count = of.count
    this.firstAtMs = of.firstAtMs
  }

  /** The same with one more. */
  with(error: Error, { isFree, atMs }: { readonly isFree: boolean; readonly atMs: number }): Failures {
    const last = this.attempts.at(-1)
    // Those in a row that burn no attempt may be many: they are one entry.
    const isSame = isFree && last?.isFree === true && last.attempt === this.next && this.count > 0
    const failed = { attempt: this.next, isFree, times: isSame ? last.times + 1 : 1, failedAt: new Date(atMs), error }
    const before = isSame ? this.attempts.slice(0, -1) : this.attempts
    const { length } = before
    const kept =
      length < REMEMBERED ? before : [...before.slice(0, REMEMBERED / 2), ...before.slice(-REMEMBERED / 2 + 1)]
    return new Failures([...kept, failed], {
      next: isFree ? this.next : this.next + 1,
      count: this.count + 1,
      firstAtMs: this.firstAtMs ?? atMs,
    })
  }
}

const noFailures = { next: 1, count: 0 }
