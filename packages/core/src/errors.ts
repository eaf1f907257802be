/**
 * Every error that iambus throws or rejects with.
 *
 * Each says what happened, to which value, and what to do. `code` is stable and meant for programs; the message is meant
 * for people. An error of a handler reaches whoever waits for it as it was thrown, unless it was no `Error` at all
 * (see {@link NonErrorThrown}).
 */
export class IambusError extends Error {
  /** A stable name for programs, such as `'NOT_ACCEPTING'`. */
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    // The name a person finds in a log, also after minification of `constructor.name`.
    Object.defineProperty(this, 'name', { value: new.target.name, configurable: true, writable: true })
  }
}

/**
 * The dispatcher is put together wrongly. `start()` throws one of these for all faults at once: `problems` holds each,
 * with the stack of the `bind` or `register` that made it. `code` is `'IMPROPERLY_CONFIGURED'` for the sum, and the
 * fault's own for each problem (`'TWO_HANDLERS'`, `'NAME_TAKEN'`, ...).
 */
export class ImproperlyConfigured extends IambusError {
  readonly problems: readonly IambusError[]

  constructor(code: string, message: string, options?: ErrorOptions & { problems?: readonly IambusError[] }) {
    super(code, message, options)
    this.problems = options?.problems ?? []
  }

  static of(problems: readonly IambusError[]): ImproperlyConfigured {
    const list = problems.map((problem, index) => `  ${index + 1}. ${problem.message}`).join('\n')
    const title = problems.length === 1 ? '1 problem' : `${problems.length} problems`
    return new ImproperlyConfigured('IMPROPERLY_CONFIGURED', `The dispatcher cannot start: ${title}.\n${list}`, {
      problems,
    })
  }
}

/** A handler has a shape that cannot be called: no function, no `handle`, too many parameters. */
export class HandlerSignatureError extends IambusError {
  constructor(message: string) {
    super('HANDLER_SIGNATURE', message)
  }
}

/** A command or query was sent or requested, and no handler is bound to it. */
export class HandlerDoesNotExist extends IambusError {
  constructor(message: string) {
    super('HANDLER_DOES_NOT_EXIST', message)
  }
}

/** What was given is no message: neither an instance of a class nor a string. */
export class InvalidMessage extends IambusError {
  constructor(message: string) {
    super('INVALID_MESSAGE', message)
  }
}

/** One place where a value is not what its schema says. */
export interface Violation {
  /** Where, such as `books[2].title`; empty for the whole. */
  readonly path: string
  readonly message: string
}

/** A message, or the reply to one, is not what its schema says. Every place is in `issues`. */
export class ContractViolation extends IambusError {
  /** The name of the message's type. */
  readonly type: string
  readonly issues: readonly Violation[]

  /** @param what names the value in front of its type: `'The message'`, `'The reply to'`. */
  constructor(what: string, type: string, issues: readonly Violation[]) {
    const list = issues.map(({ path, message }) => `  ${path === '' ? 'the whole' : path}: ${message}`).join('\n')
    super('CONTRACT_VIOLATION', `${what} '${type}' breaks its contract. Make it what its schema says:\n${list}`)
    this.type = type
    this.issues = issues
  }
}

/** A codec could not write a message as text, or bring one back: `code` says why (`'UNKNOWN_TYPE'`, `'MALFORMED'`, ...). */
export class CodecError extends IambusError {
  /** The value that it was about, such as `books[2].title`; empty for the whole. */
  readonly path: string

  constructor(code: string, message: string, options?: ErrorOptions & { readonly path?: string }) {
    super(code, message, options)
    this.path = options?.path ?? ''
  }
}

/** An option has a value that it cannot have. */
export class InvalidOption extends IambusError {
  constructor(message: string) {
    super('INVALID_OPTION', message)
  }
}

/** A message met the wrong verb: an event was sent, a command published. */
export class WrongKind extends IambusError {
  constructor(message: string) {
    super('WRONG_KIND', message)
  }
}

/** The dispatcher takes no messages: it has not started, is stopping, or has stopped. */
export class NotAccepting extends IambusError {
  constructor(message: string) {
    super('NOT_ACCEPTING', message)
  }
}

/** The caller's `signal` was aborted: before the message was taken, or while its handler ran. `cause` is the reason. */
export class Aborted extends IambusError {
  constructor(message: string, options: ErrorOptions) {
    super('ABORTED', message, options)
  }
}

/** A handler took longer than its `timeoutMs`, or a caller waited for longer than its own. */
export class TimedOut extends IambusError {
  constructor(message: string) {
    super('TIMED_OUT', message)
  }
}

/** The bus holds as many waiting deliveries as its `capacity` lets, and `whenFull` is `'throw'`. */
export class QueueFull extends IambusError {
  constructor(message: string) {
    super('QUEUE_FULL', message)
  }
}

/** A request came to a key that is parked: a delivery of that key has died, and whatever comes later waits for its replay. */
export class LaneParked extends IambusError {
  constructor(handler: string, key: string | undefined) {
    const remedy = 'Replay or discard the dead letter of this key first: see dp.deadLetters.list({ handler, key }).'
    super('LANE_PARKED', `${handler} is parked for the key '${key}': an earlier message of it is dead. ${remedy}`)
  }
}

/** There is no dead letter with this id, or it cannot be used so just now. */
export class DeadLetterUnavailable extends IambusError {
  constructor(message: string) {
    super('DEAD_LETTER_UNAVAILABLE', message)
  }
}

/** A request would wait for a lane or a worker that cannot become free before the request itself has ended. */
export class LaneDeadlock extends IambusError {
  /** Who waits for whom, from the request back to itself. */
  readonly circle: readonly string[]

  constructor(circle: readonly string[]) {
    const remedy = 'Send it without waiting for the answer, give it another key (or none), or allow more workers.'
    super('LANE_DEADLOCK', `This request would wait for itself: ${circle.join(' ')}. ${remedy}`)
    this.circle = circle
  }
}

/** A handler awaits `dp.stop()`, which waits for the handler. The dispatcher stops all the same. */
export class StopDeadlock extends IambusError {
  constructor(handler: string) {
    const remedy = 'The dispatcher is stopping: let the handler end, and do not await stop() in it.'
    super('STOP_DEADLOCK', `${handler} called dp.stop(), and would wait for itself if it awaited that. ${remedy}`)
  }
}

/**
 * `stop()` reached its deadline before the delivery ended, or found it waiting for its next attempt: then the error of the last
 * is the `cause`. Also the reason of its handler's `context.signal`.
 */
export class Stopped extends IambusError {
  constructor(message: string, options?: ErrorOptions) {
    super('STOPPED', message, options)
  }
}

/** A handler used its `context` to cause something after it had ended: nobody would let it go any more. */
export class AttemptEnded extends IambusError {
  constructor(handler: string, type: string) {
    const remedy = 'Await everything in the handler before it returns.'
    super('ATTEMPT_ENDED', `The context of ${handler} was used after it had ended with '${type}'. ${remedy}`)
  }
}

/** A handler threw something that is no `Error`, such as `undefined` or a string: it is kept in `thrown`. */
export class NonErrorThrown extends IambusError {
  readonly thrown: unknown

  constructor(thrown: unknown) {
    super('NON_ERROR_THROWN', `Something that is no Error was thrown: ${shown(thrown)}. Throw an Error instead.`, {
      cause: thrown,
    })
    this.thrown = thrown
  }
}

/** Thrown by a handler: to try again would be of no use. The delivery is dead, whatever attempts it has left. */
export class NonRetryable extends IambusError {
  constructor(message: string, options?: ErrorOptions) {
    super('NON_RETRYABLE', message, options)
  }
}

/** Thrown by a handler: what it needs is away, and that is no fault of the message. It is tried again, and burns no attempt. */
export class Unavailable extends IambusError {
  constructor(message: string, options?: ErrorOptions) {
    super('UNAVAILABLE', message, options)
  }
}

/** Thrown by a handler: it is to be tried again after `delayMs`, and burns no attempt. */
export class RetryLater extends IambusError {
  readonly delayMs: number

  /** @param delayMs in milliseconds. @throws {InvalidOption} for what is no delay. */
  constructor(delayMs: number, message?: string, options?: ErrorOptions) {
    if (typeof delayMs !== 'number' || !(delayMs >= 0)) {
      throw new InvalidOption(`RetryLater was given ${shown(delayMs)}. Pass a number of milliseconds, 0 or more.`)
    }
    super('RETRY_LATER', message ?? `The handler asked to be tried again after ${delayMs} ms.`, options)
    this.delayMs = delayMs
  }
}

/** A `singleton` or `factory` could not be opened. `cause` is its own error. */
export class ProviderFailed extends IambusError {
  readonly provider: string

  constructor(provider: string, message: string, options: ErrorOptions) {
    super('PROVIDER_FAILED', message, options)
    this.provider = provider
  }
}

/** The constructor of a handler class threw. `cause` is its own error. */
export class HandlerConstructionFailed extends IambusError {
  constructor(handler: string, cause: unknown) {
    const why = asError(cause).message
    super('HANDLER_CONSTRUCTION_FAILED', `The constructor of handler class ${handler} threw: ${why}`, { cause })
  }
}

/** A middleware broke its contract, for example by calling `next()` twice. */
export class MiddlewareFault extends IambusError {
  constructor(message: string, options?: ErrorOptions) {
    super('MIDDLEWARE_FAULT', message, options)
  }
}

/** A chain of messages, each caused by the one before, grew past `maxDepth`: it probably feeds itself. */
export class MaxDepthExceeded extends IambusError {
  /** The chain from its first message to the last, as `type -> handler`. At most 1 000 links of it. */
  readonly chain: readonly string[]

  constructor(message: string, chain: readonly string[]) {
    super('MAX_DEPTH_EXCEEDED', message)
    this.chain = chain
  }
}

/** What was thrown, as an `Error`: itself, or wrapped in {@link NonErrorThrown}. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error || isErrorOfAnotherRealm(thrown) ? thrown : new NonErrorThrown(thrown)
}

function isErrorOfAnotherRealm(thrown: unknown): thrown is Error {
  return Object.prototype.toString.call(thrown) === '[object Error]'
}

/** A value as an error message shows it: short, on one line, and never throwing. */
export function shown(value: unknown): string {
  try {
    return described(value)
  } catch {
    return 'a value that cannot be shown'
  }
}

function described(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value)
  if (typeof value === 'function') {
    return typeof value.name === 'string' && value.name !== '' ? `the function ${value.name}` : 'an anonymous function'
  }
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name
  return typeof name === 'string' && name !== '' && name !== 'Object' ? `an instance of ${name}` : 'a plain object'
}
