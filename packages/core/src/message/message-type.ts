import { InvalidMessage, InvalidOption, shown } from '../errors.ts'
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

/**
 * Checks a list of message types.
 *
 * @param what names the list in front of what is wrong with it.
 * @throws {InvalidOption} for what is no list, and for anything in it that no message is of.
 */
export function checkMessageTypes(what: string, types: unknown): readonly MessageType[] {
  const remedy = 'Pass an array of message classes and strings.'
  if (!Array.isArray(types)) throw new InvalidOption(`${what} are ${shown(types)}. ${remedy}`)
  return (types as readonly unknown[]).map((type) => {
    if (!isMessageType(type)) throw new InvalidOption(`Among ${what.toLowerCase()} is ${shown(type)}. ${remedy}`)
    if (typeName(type) !== '') return type
    const text = `Among ${what.toLowerCase()} is a class without a name. Give it a \`static type = 'my.message'\`.`
    throw new InvalidOption(text)
  })
}

/** What is wrong with types that share a name: nothing, where each has its own. */
export function sharedNames(types: Iterable<MessageType>): { readonly text: string; readonly last: MessageType }[] {
  const groups = [...Map.groupBy(types, typeName)].filter(([, group]) => group.length > 1)
  return groups.map(([name, group]) => {
    const list = group.map(shownType).join(', ')
    const text = `${group.length} message types have one name, '${name}': ${list}. Give each its own static type.`
    return { text, last: group.at(-1) ?? '' }
  })
}

function shownType(type: MessageType): string {
  if (typeof type === 'string') return 'a string'
  const name = type.name === '' ? 'a class without a name' : `class ${type.name}`
  const base: unknown = Object.getPrototypeOf(type)
  // A class made by `defineX` has no name, and is there to be extended: its name is meant for the one that does.
  const inherits = !Object.hasOwn(type, 'type') && typeof base === 'function' && base.name !== '' && 'type' in base
  return inherits ? `${name} (which inherits it from ${base.name})` : name
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
