/** For how long to run a case. */
export interface Pace {
  readonly warmUpMs: number
  /** How long a batch takes that is not of a fixed size. */
  readonly batchMs: number
  /** How long to repeat batches; there is one at least. */
  readonly timedMs: number
}

/** What every message has: its number. */
export interface Numbered {
  readonly n: number
}

/** What the handlers of a case have seen since the last reset: proof that they ran, each time, with the right message. */
export class Tally {
  count = 0
  sum = 0
  /** Kept, so that no compiler can do without the message. */
  last: Numbered | undefined

  add(message: Numbered): void {
    this.count += 1
    this.sum += message.n
    this.last = message
  }

  reset(): void {
    this.count = 0
    this.sum = 0
    this.last = undefined
  }
}

/** Makes `n` calls, with the numbers from 1 to `n` in their messages, and resolves when all of them have ended. */
export type Run = (n: number) => Promise<void>

/** One thing to measure: a row of a table, or one cell of it where the table has variants. */
export interface Case {
  readonly name: string
  /** The column, where the group has several. */
  readonly variant?: string
  /** How many handlers add each message to the tally. Default 1. */
  readonly handlers?: number
  /** Where it would take too long with as many calls as the batches of its group have. */
  readonly batch?: number
  /** Called once, in a fresh process. Whatever is heavy is imported here, so that no other case pays for it. */
  readonly setup: (tally: Tally) => Run | Promise<Run>
}

/** What we aim at: a speed beside another row of the same variant, or so much at most. */
export interface Aim {
  readonly name: string
  readonly variant?: string
  /** So many times as fast as which row. */
  readonly atLeast?: readonly [ratio: number, name: string]
  /** In the unit of its column; bytes, in a table of speeds or of bytes. */
  readonly atMost?: number
}

/** One table: a file in `groups/`, as its default export. */
export type Group = SpeedGroup | WeightGroup | FigureGroup

interface Titled {
  readonly title: string
  /** What is done, in words. */
  readonly text: string
  /** How often to measure it. Default: as often as the whole. */
  readonly rounds?: number
  readonly aims?: readonly Aim[]
}

/** A table of bytes that are in use, rather than of speeds. */
export interface WeightGroup extends Titled {
  readonly weights: readonly Weight[]
}

/** One cell of a table of bytes. */
export interface Weight {
  readonly name: string
  readonly variant: string
  /** Called once, in a fresh process with `--expose-gc`: gives the bytes, of one message or key. */
  readonly weigh: () => Promise<number>
}

/** A table of figures, each column with a unit of its own. */
export interface FigureGroup extends Titled {
  /** Their heads, each with its unit. */
  readonly columns: readonly string[]
  readonly rows: readonly FigureRow[]
}

/** One row, measured as a whole: what is in it is compared. */
export interface FigureRow {
  readonly name: string
  /** Called once, in a fresh process with `--expose-gc`: gives a figure for each column, in their order. */
  readonly measure: () => Promise<readonly number[]>
}

export interface SpeedGroup extends Titled {
  /** The name of the case that the others are compared with, in the same round and variant. */
  readonly base: string
  /** What one call is called: 'call', 'message'. */
  readonly unit: string
  /** How many calls one timed batch has. Default: as many as fill the time of a batch. */
  readonly batch?: number
  /** Where the usual time (`measure.ts`) is too short for the heap to settle. */
  readonly pace?: Partial<Pace>
  /** Whether a batch is small enough to count what it allocates. Default true. */
  readonly allocations?: boolean
  readonly cases: readonly Case[]
}

/** What 1 + 2 + ... + n is. */
export const sumTo = (n: number): number => (n * (n + 1)) / 2
