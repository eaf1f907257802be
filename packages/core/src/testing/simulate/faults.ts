/** What may go wrong in a simulation. */
export type Fault =
  /** A node dies, as by `kill -9`, and starts again. */
  | 'crash'
  /** A publisher gives the same message once more: it has heard nothing of the first one. */
  | 'duplicate'
  /** The store refuses a write, or a read: nothing is stored. */
  | 'store-failure'
  /** A call is made, or a message is stored, and the answer gets lost: whoever waits for it is told of a failure. */
  | 'lost-answer'
  /** A call of something outside fails, and nothing has happened there. */
  | 'call-failure'
  /** The time of day is set, forwards or back. */
  | 'clock-jump'

export const FAULTS: readonly Fault[] = [
  'crash',
  'duplicate',
  'store-failure',
  'lost-answer',
  'call-failure',
  'clock-jump',
]

/** Those that strike a step that is about to be taken. The others come between two steps. */
export type StepFault = 'store-failure' | 'lost-answer' | 'call-failure'

/** A fault, and before which step it strikes. */
export interface PlannedFault {
  readonly step: number
  readonly fault: Fault
  /** Which node crashes, which message comes twice, by how many milliseconds the time is set. */
  readonly detail: number
}
