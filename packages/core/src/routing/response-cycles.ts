import { type MessageType, typeName } from '../message/message-type.ts'
import type { Binding } from './binding.ts'

/**
 * Response events that lead back to themselves: not wrong, but worth a warning. Each cycle as the names of its types, the
 * first one repeated at the end. Found depth first, each type once.
 */
export function responseCycles(bindings: readonly Binding[]): string[][] {
  const cycles: string[][] = []
  const path: MessageType[] = []
  const left = new Set<MessageType>()
  const visit = (type: MessageType): void => {
    const seenAt = path.indexOf(type)
    if (seenAt >= 0) cycles.push([...path.slice(seenAt), type].map(typeName))
    if (seenAt >= 0 || left.has(type)) return
    path.push(type)
    const next = bindings.filter((binding) => handles(binding, type)).flatMap((binding) => binding.responseEvents)
    for (const event of new Set(next)) visit(event)
    path.pop()
    left.add(type)
  }
  for (const type of bindings.flatMap((binding) => binding.types)) visit(type)
  return cycles
}

/** Whether messages of this type reach the handler, also by a base class. */
function handles({ types, router }: Binding, type: MessageType): boolean {
  return types.some((bound) => {
    if (bound === type || router !== 'event') return bound === type
    return typeof bound === 'function' && typeof type === 'function' && type.prototype instanceof bound
  })
}
