import { contractOf } from '../message/contract.ts'
import { type MessageType, messageTypeOf, typeName } from '../message/message-type.ts'
import { type StandardSchema, validated } from '../message/standard-schema.ts'
import type { Binding } from './binding.ts'
import type { Attempt } from './middleware.ts'
import { isThenable, nativePromise } from './thenable.ts'

/**
 * Checks what is replied, by the handler or by middleware in its place, where the class of the message has a schema for that. The reply stays as it is: it may be
 * an instance that a response event is told by. Where no class has one, the attempt itself.
 */
export function withCheckedReply({ types }: Binding, attempt: Attempt): Attempt {
  const schemas = new Map(types.flatMap((type) => resultOf(type)))
  if (schemas.size === 0) return attempt
  return (message, deps) => {
    const type = messageTypeOf(message)
    const schema = schemas.get(type)
    const reply = attempt(message, deps)
    if (schema === undefined) return reply
    const checked = (value: unknown): unknown => {
      validated(schema, value, { what: 'The reply to', type: typeName(type) })
      return value
    }
    return isThenable(reply) ? nativePromise(reply).then(checked) : checked(reply)
  }
}

function resultOf(type: MessageType): [MessageType, StandardSchema][] {
  const result = typeof type === 'string' ? undefined : contractOf(type).result
  return result === undefined ? [] : [[type, result]]
}
