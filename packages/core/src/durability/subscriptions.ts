import type { Handler } from '../engine/handler.ts'
import type { MessageType } from '../message/message-type.ts'
import { contractOf } from '../message/contract.ts'
import { typeName } from '../message/message-type.ts'
import type { Subscription } from '../ports/store.ts'
import { type Binding, routerName } from '../routing/binding.ts'
import type { Router } from '../routing/router.ts'

/** The types that a dispatcher knows: what is bound, what is named as a response, and what it names besides. */
export function knownTypes(bindings: readonly Binding[], messages: readonly MessageType[]): MessageType[] {
  return [...new Set([...bindings.flatMap(({ types, responseEvents }) => [...types, ...responseEvents]), ...messages])]
}

/** The durable handlers, as a store is told of them: with every known type that they take, also by a base class. */
export function subscriptionsOf(
  routers: readonly Router[],
  handlers: ReadonlyMap<Binding, Handler>,
  messages: readonly MessageType[],
): Subscription[] {
  const types = knownTypes(
    routers.flatMap(({ bindings }) => bindings),
    messages,
  )
  const taken = new Map<Binding, Map<string, number>>()
  for (const type of types) {
    for (const binding of routers.flatMap((router) => router.find(type))) {
      const of = taken.get(binding) ?? new Map<string, number>()
      taken.set(binding, of.set(typeName(type), typeof type === 'string' ? 1 : contractOf(type).version))
    }
  }
  return [...handlers]
    .filter(([, { isDurable }]) => isDurable)
    .map(([binding, { name }]): Subscription => {
      const formerly = binding.formerly.map((former) => `${routerName[binding.router]}/${former}`)
      const versions = taken.get(binding) ?? new Map<string, number>()
      return { name, formerly, types: [...versions.keys()], versions, from: binding.from }
    })
}
