import { asError, InvalidOption, shown } from '../errors.ts'
import type { MessageHeaders } from '../message/augmentable.ts'
import type { Cause, Envelope } from '../message/envelope.ts'
import { nextId } from '../message/id.ts'
import { messageTypeOf } from '../message/message-type.ts'
import type { Observer } from '../observe.ts'
import { checkMessageOptions } from '../options.ts'
import type { Clock } from '../ports/clock.ts'
import type { DeadLetterStore, FailedAttempt, StoredLetter } from '../ports/dead-letters.ts'
import { isThenable } from '../routing/thenable.ts'
import type { Delivery } from './delivery.ts'
import type { Handler } from './handler.ts'
import type { HeldLanes } from './held-lanes.ts'

/** A dead letter about to be written: what must not be kept can be taken out of it. */
export interface Redactable {
  readonly type: string
  /** The handler, as `events/update-search`. */
  readonly handler: string
  readonly key: string | undefined
  /** Replace it, do not change it: other handlers have the same object. */
  message: object | string
  headers: MessageHeaders
  /** The errors may quote the message. */
  attempts: readonly FailedAttempt[]
}

/** Takes out of a dead letter what must not be kept, when it is written. */
export type Redact = (letter: Redactable) => void

/** How dead letters are kept. */
export interface DeadLetterOptions {
  readonly store: DeadLetterStore
  readonly redact: Redact | undefined
  /** How many dead letters, and deliveries parked behind them, are kept. */
  readonly capacity: number
}

interface DeadLetterQueueParts extends DeadLetterOptions {
  readonly observer: Observer
  readonly clock: Clock
  readonly held: HeldLanes
  readonly handlers: ReadonlyMap<string, Handler>
}

/** Keeps the deliveries that died, each until it has been replayed with success, or is discarded. */
export class DeadLetterQueue {
  readonly #parts: DeadLetterQueueParts

  constructor(parts: DeadLetterQueueParts) {
    this.#parts = parts
  }

  get store(): DeadLetterStore {
    return this.#parts.store
  }

  /** What is kept of a delivery that has died. One that was replayed is the same letter, with its new cause. */
  letterOf({ envelope, handler, rest }: Delivery, attempts: readonly FailedAttempt[]): StoredLetter {
    const { clock } = this.#parts
    const redacted = this.redacted({ envelope, handler, attempts })
    return {
      id: rest?.replays ?? nextId(),
      handler,
      ...redacted,
      error: redacted.attempts.at(-1)?.error ?? new Error('The attempts were redacted.'),
      diedAt: new Date(clock.now()),
      causes: causesOf(envelope.cause),
      isReplaying: false,
    }
  }

  keep(letter: StoredLetter): void {
    this.#parts.store.add(letter)
    this.makeRoom()
  }

  /** Whether the letter of a dead delivery is there, and waits for somebody to do something about it. */
  isKept({ rest }: Delivery): boolean {
    return this.#parts.store.get(rest?.letter ?? '')?.isReplaying === false
  }

  /** The dead delivery of a letter, where it holds its lane. */
  headOf({ id, handler, envelope }: StoredLetter): Delivery | undefined {
    const { key } = envelope
    const head = key === undefined ? undefined : this.#parts.handlers.get(handler)?.lanes.of(key)?.head
    return head?.state === 'dead' && head.rest?.letter === id ? head : undefined
  }

  /** Makes room for the latest: the oldest leaves, with whatever is parked behind it, in a notice that has all of it. */
  makeRoom(): void {
    const { store, held, capacity, observer } = this.#parts
    while (store.size + held.parking.count > capacity) {
      const oldest = this.#oldest()
      if (oldest === undefined) return
      store.remove(oldest.id)
      const head = this.headOf(oldest)
      const parked = head === undefined ? [] : this.dropBehind(head)
      observer.say('evicted', { envelope: oldest.envelope, handler: oldest.handler, letter: oldest, parked })
    }
  }

  /** Takes away what is parked behind a dead delivery, and lets the lane go. A replay among it stays a dead letter. */
  dropBehind(dead: Delivery): Envelope[] {
    const { store, held } = this.#parts
    const dropped = held.parking.drop(dead)
    for (const { rest } of dropped) if (rest?.replays !== undefined) store.update(rest.replays, { isReplaying: false })
    held.free(dead)
    return dropped.filter(({ replayed }) => !replayed).map(({ envelope }) => envelope)
  }

  /** What may be kept of a letter: without what `redact` takes out. */
  redacted(letter: Unredacted): Pick<StoredLetter, 'envelope' | 'attempts'> {
    const { redact, observer } = this.#parts
    const { envelope, handler, attempts } = letter
    if (redact === undefined) return { envelope, attempts }
    const { type, key, message } = envelope
    const draft: Redactable = { type, handler, key, message, headers: envelope.headers, attempts }
    try {
      checkRedacted(redact(draft), draft)
    } catch (thrown) {
      observer.say('redactFailed', { envelope, handler, error: asError(thrown) })
      return { envelope, attempts }
    }
    const headers = Object.freeze({ ...draft.headers })
    return { envelope: envelope.with({ message: draft.message, headers }), attempts: draft.attempts }
  }

  #oldest(): StoredLetter | undefined {
    for (const letter of this.#parts.store.matching({})) if (!letter.isReplaying) return letter
    return undefined
  }
}

type Unredacted = Pick<StoredLetter, 'envelope' | 'handler' | 'attempts'>

/** @throws {InvalidOption} for a redaction that is asynchronous, or has left no message. */
function checkRedacted(result: unknown, { message, headers, attempts }: Redactable): void {
  if (isThenable(result)) {
    result.then(undefined, () => {}) // Its failure, if it has one, is this fault.
    throw new InvalidOption('redact is asynchronous: what it does later has no effect. Make it synchronous.')
  }
  messageTypeOf(message)
  checkMessageOptions({ headers })
  if (!Array.isArray(attempts)) throw new InvalidOption(`redact left attempts as ${shown(attempts)}. Leave an array.`)
}

function causesOf(cause: Cause | undefined): StoredLetter['causes'] {
  const causes: { id: string; type: string; handler: string }[] = []
  for (let link = cause; link !== undefined; link = link.cause) {
    causes.unshift({ id: link.id, type: link.type, handler: link.handler })
  }
  return causes
}
