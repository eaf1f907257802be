import { asError, AttemptEnded, InvalidOption, shown, Stopped, TimedOut } from '../errors.ts'
import { channels, type Observer } from '../observe.ts'
import type { Clock } from '../ports/clock.ts'
import { isThenable } from '../routing/thenable.ts'
import type { FailedDelivery, Recovery } from '../routing/recover.ts'
import type { DeadLetterQueue } from './dead-letter-queue.ts'
import type { Deadlines } from './deadlines.ts'
import type { Delivery, Rest } from './delivery.ts'
import { type Decision, Failures } from './failures.ts'
import type { HeldLanes } from './held-lanes.ts'
import type { Kept } from './kept.ts'
import { recordResponseEvents } from './response-events.ts'

const { succeeded } = channels

/** What a settlement works with. */
export interface SettlementParts {
  readonly observer: Observer
  readonly clock: Clock
  /** From 0 up to 1, for the jitter of retries. */
  readonly random: () => number
  readonly deadlines: Deadlines
  readonly letters: DeadLetterQueue
  /** How long a handler that was given up may go on before it is reported as stalled, in milliseconds. */
  readonly stallAfterMs: number
  /** To be called once for each delivery that has ended. */
  readonly ended: (delivery: Delivery) => void
  /** To be called for a delivery that ran out of time. */
  readonly giveUp: (delivery: Delivery, error: Error, status: 'dead' | 'stopped') => void
  /** Where a lane is held that is not to go on. */
  readonly held: HeldLanes
}

/** What becomes of an attempt: the one place where deliveries end. */
export class Settlement {
  readonly #parts: SettlementParts

  constructor(parts: SettlementParts) {
    this.#parts = parts
  }

  /** Gives the error that the success became, if it did. */
  succeed(delivery: Delivery, value: unknown): Error | undefined {
    const { target, waiter } = delivery
    if (delivery.rest !== undefined || target.responseEvents.length > 0) {
      delivery.rest?.deadline?.cancel()
      if (delivery.abandoned !== undefined) return this.#endLate(delivery, undefined)
      if (delivery.rest?.isCommitting) return this.#endCommitted(delivery, undefined)
      try {
        recordResponseEvents(delivery, value)
        delivery.rest?.kept?.keeper.prepare(delivery)
      } catch (thrown) {
        return this.fail(delivery, thrown)
      }
    }
    delivery.state = 'ended'
    if (delivery.rest?.kept !== undefined) this.#keepDone(delivery, delivery.rest.kept, value)
    else {
      if (delivery.rest !== undefined) this.#letGo(delivery, delivery.rest)
      if (succeeded.hasSubscribers) this.#saySucceeded(delivery)
      waiter?.done(value, delivery)
    }
    this.#parts.ended(delivery)
    return undefined
  }

  #keepDone(delivery: Delivery, { keeper }: Kept, value: unknown): void {
    const isAwaited = delivery.waiter !== undefined || succeeded.hasSubscribers
    keeper.finish(delivery, isAwaited ? () => this.#tellDone(delivery, value) : undefined)
    keeper.left(delivery)
  }

  #tellDone(delivery: Delivery, value: unknown): void {
    if (succeeded.hasSubscribers) this.#saySucceeded(delivery)
    delivery.waiter?.done(value, delivery)
  }

  /** A handler has ended that committed: what it committed stands, whatever it gave or threw since. */
  #endCommitted(delivery: Delivery, error: Error | undefined): Error | undefined {
    const { envelope, handler, rest } = delivery
    const { committed } = rest as Rest
    if (committed === undefined) return this.#fail(delivery, new AttemptEnded(handler, envelope.type))
    delivery.state = 'ended'
    if (error !== undefined) this.#parts.observer.say('late', { envelope, handler, error, hasCommitted: true })
    if (rest?.kept !== undefined) rest.kept.keeper.left(delivery)
    else if (rest?.replays !== undefined) this.#parts.letters.store.remove(rest.replays)
    this.#tellDone(delivery, committed.value)
    this.#parts.ended(delivery)
    return undefined
  }

  /** What it recorded leaves; and if it was a dead letter, it is none any more. */
  #letGo({ target }: Delivery, { recorded, replays }: Rest): void {
    if (recorded !== undefined) target.outlet.release(recorded)
    if (replays !== undefined) this.#parts.letters.store.remove(replays)
  }

  fail(delivery: Delivery, thrown: unknown): Error | undefined {
    const error = asError(thrown)
    delivery.rest?.deadline?.cancel()
    if (delivery.abandoned !== undefined) return this.#endLate(delivery, error)
    if (delivery.rest?.committed !== undefined) return this.#endCommitted(delivery, error)
    return this.#fail(delivery, error)
  }

  #fail(delivery: Delivery, error: Error): Error {
    delivery.state = 'ended'
    if (delivery.waiter?.ownsFailure) this.#reject(delivery, error)
    else this.#carryOut(delivery, this.#recover(delivery, error))
    this.#parts.ended(delivery)
    return error
  }

  /** Gives a delivery up because the bus stops. */
  giveUpAtStop(delivery: Delivery, reason: string): void {
    const { type, handler, rest, waiter, target } = delivery
    const { givenId } = delivery.envelope
    // Its sender may repeat it; but a dead letter is still there, and a request never was in the way.
    const isLost = rest?.replays === undefined && rest?.kept === undefined && !waiter?.ownsFailure
    if (givenId !== undefined && isLost) target.outlet.forget(givenId)
    const cause = rest?.failures?.attempts.at(-1)?.error
    const text = `${reason} while '${type}' was ${delivery.state} for ${handler}.`
    const error = new Stopped(text, cause === undefined ? undefined : { cause })
    if (rest?.replays !== undefined && rest.kept === undefined)
      this.#parts.letters.store.update(rest.replays, { isReplaying: false })
    if (rest?.decision === undefined) return this.#parts.giveUp(delivery, error, 'stopped')
    delete rest.decision // It had run out of time, and will not be tried again.
    waiter?.failed(error, 'stopped', delivery)
  }

  /** Gives the attempt so much time: then it has failed, whatever it still does. */
  limitTime(delivery: Delivery, timeoutMs: number): void {
    delivery.more().deadline = this.#parts.deadlines.after(timeoutMs, () => {
      const { handler, type, waiter } = delivery
      const error = new TimedOut(`${handler} took longer than its timeoutMs of ${timeoutMs} for '${type}'.`)
      if (waiter?.ownsFailure) {
        this.#sayFailed(delivery, error, 'rejected')
        return this.#parts.giveUp(delivery, error, 'dead')
      }
      // Decided now; the lane and the worker are held until the handler ends.
      delivery.abandon(error)
      delivery.more().decision = { ...this.#recover(delivery, error), atMs: this.#parts.deadlines.now() }
      this.watch(delivery)
    })
  }

  /** The turn of a dead delivery has come, which a handler from before a stop had kept from its place. */
  park(dead: Delivery): void {
    this.#parts.held.parking.park(dead)
    if (dead.key !== undefined) dead.rest?.kept?.keeper.parked(dead.key)
  }

  /** Reports a delivery that was given up, and has not ended after the grace time. */
  watch(delivery: Delivery): void {
    const rest = delivery.more()
    rest.deadline?.cancel()
    rest.deadline = this.#parts.deadlines.after(this.#parts.stallAfterMs, () => {
      const { envelope, handler } = delivery
      this.#parts.observer.say('stalled', { envelope, handler, afterMs: this.#parts.stallAfterMs })
    })
  }

  /** The attempt has ended after it had been given up. Gives the reason for that: it is what its caller is told. */
  #endLate(delivery: Delivery, error: Error | undefined): Error {
    const { envelope, handler, abandoned, rest } = delivery
    delivery.state = 'ended'
    if (error !== abandoned) this.#parts.observer.say('late', { envelope, handler, error, hasCommitted: false })
    if (rest?.decision !== undefined) {
      this.#carryOut(delivery, rest.decision, this.#parts.deadlines.now() - rest.decision.atMs)
    }
    this.#parts.ended(delivery)
    return abandoned as Error
  }

  /** Its caller has the error: one attempt, and no dead letter. */
  #reject(delivery: Delivery, error: Error): void {
    this.#sayFailed(delivery, error, 'rejected')
    delivery.waiter?.failed(error, 'dead', delivery)
  }

  /** Decides what becomes of a failed delivery, and tells whoever has to know. */
  #recover(delivery: Delivery, error: Error): Decision {
    const { observer, letters, clock } = this.#parts
    const { envelope, handler, waiter } = delivery
    const rest = delivery.more()
    const { kept } = rest
    const recovery = this.#decide(delivery, error)
    const isFree = recovery.outcome === 'retry' && recovery.isFree === true
    this.#sayFailed(delivery, error, recovery.outcome)
    const failures = (rest.failures ?? new Failures()).with(error, { isFree, atMs: clock.now() })
    if (recovery.outcome === 'retry') {
      const { delayMs } = recovery
      kept?.keeper.retry(delivery, failures, delayMs)
      observer.say('retried', { envelope, handler, error, attempt: failures.next, delayMs, isFree })
      return { recovery, failures }
    }
    if (recovery.outcome === 'dead') {
      const letter = letters.letterOf(delivery, failures.attempts)
      rest.letter = letter.id
      const tell = (): void => {
        observer.say('dead', { envelope: letter.envelope, handler, error: letter.error, letterId: letter.id })
        waiter?.failed(error, 'dead', delivery)
      }
      if (kept !== undefined) kept.keeper.bury(delivery, letter, tell)
      else {
        letters.keep(letter)
        tell()
      }
      return { recovery, failures }
    }
    const tell = (): void => {
      if (recovery.outcome === 'done') return this.#tellDone(delivery, undefined)
      observer.say('dropped', { envelope, handler, error, by: 'recover' })
      waiter?.failed(error, 'skipped', delivery)
    }
    delete rest.recorded
    if (kept !== undefined) kept.keeper.finish(delivery, tell)
    else {
      if (rest.replays !== undefined) letters.store.remove(rest.replays)
      tell()
    }
    return { recovery, failures }
  }

  /** What the delivery's policy says. One that fails itself loses nothing: it is dead. */
  #decide(delivery: Delivery, error: Error): Recovery {
    const { observer, clock } = this.#parts
    const { target, envelope, handler, rest } = delivery
    if (rest?.kept?.isUnreadable) return ofUnreadable(rest.kept)
    try {
      return checked(target.recover(error, failedOf(delivery, clock.now(), this.#parts.random())) ?? dead)
    } catch (thrown) {
      observer.say('recoverFailed', { envelope, handler, error: asError(thrown) })
      return dead
    }
  }

  /** Does what was decided, so many milliseconds ago. */
  #carryOut(delivery: Delivery, decision: Decision, agoMs = 0): void {
    this.#carryOutInLane(delivery, decision, agoMs)
    delivery.rest?.kept?.keeper.left(delivery)
  }

  #carryOutInLane(delivery: Delivery, { recovery, failures }: Decision, agoMs: number): void {
    if (recovery.outcome === 'retry') {
      // What burns no attempt may go on for long: never within this turn.
      const delayMs = Math.max(recovery.isFree ? 1 : 0, recovery.delayMs - agoMs)
      return this.#parts.held.retry(delivery, failures, delayMs)
    }
    if (recovery.outcome !== 'dead') return
    const { letters, held } = this.#parts
    const parks = delivery.key !== undefined && delivery.target.onDead === 'park'
    const { kept } = delivery.more()
    // Whoever was told of the death may have replayed or discarded it meanwhile: then nobody would free the lane.
    const isThere = kept === undefined ? letters.isKept(delivery) : kept.keeper.holds(delivery)
    if (parks && isThere) held.parking.park(delivery)
    if (kept === undefined) letters.makeRoom()
  }

  #saySucceeded({ envelope, handler, attempt }: Delivery): void {
    this.#parts.observer.say('succeeded', { envelope, handler, attempt })
  }

  #sayFailed({ envelope, handler, attempt }: Delivery, error: Error, outcome: Recovery['outcome'] | 'rejected'): void {
    this.#parts.observer.say('failed', { envelope, handler, error, attempt, outcome })
  }
}

const dead: Recovery = { outcome: 'dead' }

/** It waits once, for a node that can read it. */
function ofUnreadable(kept: Kept): Recovery {
  const { waitMs: delayMs } = kept
  kept.waitMs = undefined
  return delayMs === undefined ? dead : { outcome: 'retry', delayMs, isFree: true }
}

function failedOf(delivery: Delivery, now: number, random: number): FailedDelivery {
  const { id, type, message, handler, key, headers, attempt, replayed, rest } = delivery
  const { count = 0, firstAtMs = now } = rest?.failures ?? {}
  const failingMs = Math.max(0, now - firstAtMs)
  return { id, type, message, handler, key, headers, attempt, failures: count + 1, failingMs, replayed, random }
}

/** The decision, in whole milliseconds: never too early. @throws {InvalidOption} for what is none. */
function checked(recovery: Recovery): Recovery {
  if (isThenable(recovery)) recovery.then(undefined, () => {}) // Its failure, if it has one, is this fault.
  const outcome: unknown = (recovery as Partial<Recovery> | null)?.outcome
  if (outcome === 'dead' || outcome === 'skipped' || outcome === 'done') return recovery
  if (outcome !== 'retry') {
    throw new InvalidOption(
      `recover gave ${shown(recovery)}. Return { outcome: 'retry', delayMs } or { outcome: 'dead' }, or undefined to pass it on.`,
    )
  }
  const { delayMs } = recovery as Recovery & { outcome: 'retry' }
  if (typeof delayMs === 'number' && delayMs >= 0 && delayMs < Number.POSITIVE_INFINITY) {
    return { ...recovery, outcome, delayMs: Math.ceil(delayMs) }
  }
  throw new InvalidOption(`recover gave a delayMs of ${shown(delayMs)}. Give a number of milliseconds, 0 or more.`)
}
