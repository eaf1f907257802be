import type { Progress } from '../ports/progress.ts'
import type { Lack } from '../ports/share.ts'
import type { Exception, LoggedMessage, NewMessage, StoredDeadLetter, Subscription } from '../ports/store.ts'

/** How a memory store works. */
export interface Settings {
  readonly leaseMs: number
  readonly dedupeMs: number
  /** Whether what is finished stays in the log. */
  readonly keeps: boolean
  readonly isShared: boolean
  readonly unknownTypeMs: number
}

/**
 * All that a memory store keeps, and that a restart finds again. Whoever changes it does so in one go, without anything
 * asynchronous in between: that is what makes it a transaction.
 */
export interface Contents {
  readonly settings: Settings
  service: string | undefined
  /** The time of the last write. */
  time: number
  readonly logs: readonly Log[]
  readonly subscriptions: Map<string, SubscriptionRow>
  /** The nodes that have it open, and those of which nobody knows yet that they have died, by their names. */
  readonly members: Map<string, Member>
  /** How many times it was opened. */
  openings: number
  /** Until when each id is remembered. */
  readonly seen: Map<string, number>
  /** In the order in which they were given; what has the same time is due in this order. */
  delayed: DelayedMessage[]
  /** By id, the oldest death first. */
  readonly letters: Map<string, LetterRow>
  deaths: number
  readonly schedules: Map<string, number>
  /** What transactions have written. */
  readonly effects: string[]
}

/** The log of one partition. */
export interface Log {
  tail: number
  messages: LoggedMessage[]
}

export type DelayedMessage = NewMessage & { readonly dueAt: number }

export interface LetterRow {
  /** Which death it was. */
  readonly at: number
  letter: StoredDeadLetter
}

export interface SubscriptionRow {
  readonly name: string
  /** Another array when they have changed. */
  ranges: readonly TypeRow[]
  /** One for each partition. */
  readonly claims: readonly ClaimRow[]
}

/** From where to where a type is a subscription's: a position for each partition. */
export interface TypeRow {
  readonly type: string
  readonly after: readonly number[]
  readonly upTo: readonly number[] | undefined
}

export interface ClaimRow {
  epoch: number
  progress: Progress
  isClean: boolean
  readonly exceptions: Map<number, Exception>
  /** Who has it. */
  holder: Holder | undefined
  /** Until when, where claims are leased; or since when nobody has it. */
  heldUntil: number
}

/** A node, as the others know it. */
export interface Member {
  readonly name: string
  readonly subscriptions: readonly Subscription[]
  /** What it has met, and cannot read. */
  lacks: readonly Lack[]
  /** Until when it is live, unless it renews. */
  liveUntil: number
}

/** Whoever holds claims: an opening of the store. */
export interface Holder {
  readonly member: Member
  readonly isOpen: boolean
}

export function emptyContents(settings: Settings, partitions: number): Contents {
  return {
    settings,
    service: undefined,
    time: 0,
    logs: Array.from({ length: partitions }, () => ({ tail: 0, messages: [] })),
    subscriptions: new Map(),
    members: new Map(),
    openings: 0,
    seen: new Map(),
    delayed: [],
    letters: new Map(),
    deaths: 0,
    schedules: new Map(),
    effects: [],
  }
}
