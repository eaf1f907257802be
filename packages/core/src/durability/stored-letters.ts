import type { Codec } from '../message/codec.ts'
import type { Cause, Envelope } from '../message/envelope.ts'
import type { Clock } from '../ports/clock.ts'
import type { DeadLetter, StoredLetter } from '../ports/dead-letters.ts'
import type { Claim, StoredDeadLetter, StoredMessage } from '../ports/store.ts'
import { asError } from '../errors.ts'
import { attemptsOf, errorName, storedAttempts } from './stored-failures.ts'
import { envelopeOf, storedOf, Unreadable, unreadableOf } from './stored-envelope.ts'

/** Dead letters as they are stored, and as they are shown. */
export class StoredLetters {
  readonly #codec: Codec
  readonly #clock: Clock

  constructor(codec: Codec, clock: Clock) {
    this.#codec = codec
    this.#clock = clock
  }

  /** @param message as it was stored, where it is still that. */
  stored(letter: StoredLetter, { subscription, partition }: Claim, message?: StoredMessage): StoredDeadLetter {
    const { id, envelope, error, attempts, diedAt } = letter
    return {
      id,
      subscription,
      partition,
      message: message ?? this.kept(envelope),
      correlationId: envelope.correlationId,
      error: errorName(error),
      attempts: storedAttempts(attempts),
      diedAt: diedAt.getTime(),
      isReplaying: false,
    }
  }

  /** What can be stored of a message. One that was changed so that it cannot be is stored without its content. */
  kept(envelope: Envelope): StoredMessage {
    try {
      return this.message(envelope)
    } catch (thrown) {
      const message = new Unreadable('', asError(thrown).message)
      return this.message(envelope.with({ message, headers: envelope.headers }))
    }
  }

  /** @throws {CodecError} */
  message(envelope: Envelope): StoredMessage {
    const { mayRepeat: _, copy: __, ...message } = storedOf(envelope, this.#codec)
    return message
  }

  /** The envelope in a letter; of a message that cannot be read, what is left of it. */
  envelope({ message }: StoredDeadLetter): Envelope {
    try {
      return envelopeOf(message, this.#codec, this.#clock)
    } catch (thrown) {
      return unreadableOf(message, asError(thrown), this.#clock)
    }
  }

  shown(letter: StoredDeadLetter, parked: number): DeadLetter {
    const { id, subscription: handler, isReplaying } = letter
    const envelope = this.envelope(letter)
    const attempts = attemptsOf(letter.attempts)
    const error = attempts.at(-1)?.error ?? new Error('The attempts were redacted.')
    const diedAt = new Date(letter.diedAt)
    return { id, handler, envelope, attempts, error, diedAt, causes: causesOf(envelope), isReplaying, parked }
  }
}

function causesOf({ cause }: Envelope): DeadLetter['causes'] {
  const causes: { id: string; type: string; handler: string }[] = []
  for (let link: Cause | undefined = cause; link !== undefined; link = link.cause) {
    causes.unshift({ id: link.id, type: link.type, handler: link.handler })
  }
  return causes
}
