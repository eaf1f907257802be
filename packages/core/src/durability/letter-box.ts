import type { Outcome } from '../engine/outcome.ts'
import { DeadLetterUnavailable } from '../errors.ts'
import type { Envelope } from '../message/envelope.ts'
import type { DeadLetter } from '../ports/dead-letters.ts'
import type { Awaitable } from '../routing/providers.ts'

/** Where dead letters are kept: in memory, or in the store. */
export interface LetterBox {
  get(id: string): Awaitable<DeadLetter | undefined>
  /** Replays a letter with another message. Gives what becomes of it, once that is known. */
  replayEdited(id: string, envelope: Envelope): Awaitable<Promise<Outcome[]>[]>
}

/** A dead letter that somebody is replaying already. */
export function beingReplayed(id: string): DeadLetterUnavailable {
  return new DeadLetterUnavailable(`The dead letter '${id}' is being replayed. Wait for what becomes of it.`)
}

/** A dead letter that cannot be replayed, since its handler is bound no more. */
export function notBound(id: string, handler: string): DeadLetterUnavailable {
  return new DeadLetterUnavailable(
    `The dead letter '${id}' is of ${handler}, which is not bound. Discard it, or bind that.`,
  )
}

/** A dead letter whose lane is another node's, or will be. */
export function notHere(id: string, handler: string): DeadLetterUnavailable {
  const what = `The dead letter '${id}' is of ${handler}, and another node works for its key, or is about to.`
  return new DeadLetterUnavailable(`${what} Ask that node.`)
}
