import { isDeepStrictEqual } from 'node:util'
import { InvalidOption, shown } from '../../errors.ts'
import { isMessageType, markedKind, type MessageType, messageTypeOf, typeName } from '../../message/message-type.ts'
import { isMessageOf } from '../harness/message-match.ts'
import { messageText, valueText } from '../harness/message-text.ts'
import type { RecordedMessage } from '../harness/recorded.ts'

/** A message that is to be caused. */
export interface Expectation {
  readonly type: MessageType
  /** In words. */
  readonly text: string
  /** What it has to have; nothing where every message of the type will do. */
  readonly payload: object | undefined
  readonly matches: (message: object | string) => boolean
}

/**
 * Whether something names a message that is expected, and is no callback of a promise: a string, an object, or a class. A class
 * can be told from any function: its `prototype` cannot be changed.
 */
export function isExpected(value: unknown): value is MessageType | object {
  if (typeof value === 'string' || (typeof value === 'object' && value !== null)) return true
  if (typeof value !== 'function' || !isMessageType(value)) return false
  return markedKind(value) !== undefined || Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false
}

/**
 * @param expected a message; or its class, with what it has to have besides.
 * @throws {InvalidOption} for what cannot be expected. @throws {InvalidMessage} for what is no message.
 */
export function expectationOf(expected: MessageType | object, having: unknown): Expectation {
  if (typeof expected === 'object') return ofInstance(expected)
  const isOf = (message: object | string): boolean => isMessageOf(expected, message)
  const text = typeName(expected)
  if (having === undefined) return { type: expected, text, payload: undefined, matches: isOf }
  if (typeof having === 'function') {
    const matches = (message: object | string): boolean => isOf(message) && having(message) === true
    return { type: expected, text: `${text} for which ${String(having)}`, payload: undefined, matches }
  }
  if (typeof having !== 'object' || having === null || typeof expected === 'string') {
    throw new InvalidOption(`then(${text}) was given ${shown(having)}. Pass some of its fields, or a function.`)
  }
  const matches = (message: object | string): boolean => isOf(message) && hasFields(message, having)
  return { type: expected, text: `${text} with ${valueText(having)}`, payload: having, matches }
}

function ofInstance(expected: object): Expectation {
  const type = messageTypeOf(expected)
  const text = messageText(typeName(type), expected)
  return { type, text, payload: expected, matches: (message) => isDeepStrictEqual(message, expected) }
}

function hasFields(message: object | string, fields: object): boolean {
  return Object.entries(fields).every(([name, value]) => isDeepStrictEqual(Reflect.get(Object(message), name), value))
}

/** What was expected, and did not come; and what came that was not expected. */
export interface Matching {
  readonly missing: readonly Expectation[]
  readonly others: readonly RecordedMessage[]
}

/** Gives each expectation a message of its own, as many as can have one: in whatever order they came. */
export function matched(expectations: readonly Expectation[], messages: readonly RecordedMessage[]): Matching {
  const takenBy = new Map<RecordedMessage, Expectation>()
  const take = (expectation: Expectation, tried: Set<RecordedMessage>): boolean =>
    messages.some((one) => {
      if (tried.has(one) || !expectation.matches(one.message)) return false
      tried.add(one)
      const owner = takenBy.get(one)
      if (owner !== undefined && !take(owner, tried)) return false
      takenBy.set(one, expectation)
      return true
    })
  const missing = expectations.filter((expectation) => !take(expectation, new Set()))
  return { missing, others: messages.filter((one) => !takenBy.has(one)) }
}
