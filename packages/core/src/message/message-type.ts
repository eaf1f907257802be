import { InvalidMessage, shown } from '../errors.ts'
import type { StringEvents } from './augmentable.ts'
import type { Kind } from './kind.ts'

/** A class whose instances are messages. Abstract ones can be bound to, for all their subclasses. */
export type MessageClass<M extends object = object> = abstract new (...args: never) => M

/** What a handler is bound to: a class, or a string (a message without a payload). */
export type MessageType = MessageClass | string

/** The message that a {@link MessageType} stands for: an instance of the class, or the string itself. */
export type MessageOf<T> = T extends string ? T : T extends MessageClass<infer M> ? M : never

/** A string that may be a message. */
export type StringMessage = keyof StringEvents extends never ? string : Extract<keyof StringEvents, string>

/**
 * The type of a message: its class, or the string itself.
 *
 * @throws {InvalidMessage} for whatever is neither an instance of a class nor a string with something in it.
 */
export function messageTypeOf(message: unknown): MessageType {
  if (typeof message === 'string' && message !== '') return message
  if (typeof message !== 'object' || message === null) throw invalid(message)
  const prototype: unknown = Object.getPrototypeOf(message)
  if (prototype === null || Array.isArray(message) || isPromise(message)) throw invalid(message)
  const { constructor } = prototype as { constructor: unknown }
  if (typeof constructor !== 'function' || constructor.prototype !== prototype) throw invalid(message)
  // The class of plain objects; each realm has one of its own.
  if (constructor.name === 'Object' && Object.getPrototypeOf(prototype) === null) throw invalid(message)
  return constructor as MessageClass
}

/**
 * The name of a message type: `static type` of the class (as `defineEvent('library.book-created')` sets it), else the
 * class's own name; a string is its own name. Empty for a class that has neither.
 */
export function typeName(type: MessageType): string {
  if (typeof type === 'string') return type
  const { type: given } = type as { type?: unknown }
  return typeof given === 'string' && given !== '' ? given : type.name
}

/** The kind that the class's marker (`Event`, `Command`, `Query`) gives it, if it has one. */
export function markedKind(type: MessageType): Kind | undefined {
  if (typeof type === 'string') return undefined
  // Read from the prototype, not by `instanceof`: two copies of this package in one program agree on it.
  return (type.prototype as { '~kind'?: Kind })['~kind']
}

/** Whether something can be bound to: a class, or a string with something in it. */
export function isMessageType(value: unknown): value is MessageType {
  if (typeof value === 'string') return value !== ''
  return typeof value === 'function' && typeof value.prototype === 'object' && value.prototype !== null
}

function isPromise(message: object): boolean {
  return 'then' in message && typeof message.then === 'function'
}

function invalid(message: unknown): InvalidMessage {
  const rule = 'A message is an instance of a class, or a string that is not empty.'
  if (typeof message === 'function') {
    const remedy = isMessageType(message) && message.name !== '' ? ` Create an instance: new ${message.name}(...).` : ''
    return new InvalidMessage(`${shown(message)} is no message. ${rule}${remedy}`)
  }
  if (typeof message === 'object' && message !== null && isPromise(message)) {
    return new InvalidMessage(`A promise is no message. ${rule} Await it first.`)
  }
  return new InvalidMessage(`${shown(message)} is no message. ${rule} Define a class with defineEvent('my.event').`)
}
