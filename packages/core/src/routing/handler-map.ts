import type { Kind } from '../message/kind.ts'
import { type MessageType, markedKind, messageTypeOf, typeName } from '../message/message-type.ts'
import type { Binding } from './binding.ts'
import type { Router } from './router.ts'

/** Where messages of one type go. */
export interface Route<H> {
  /** The name of the type. */
  readonly type: string
  /** `undefined` where neither a marker nor a router tells. */
  readonly kind: Kind | undefined
  /** Its handlers, in the order of their binding. */
  readonly handlers: readonly H[]
}

/**
 * The frozen map from message types to handlers, in whatever form the engine runs them (`H`). Filled type by type, as
 * messages of a type first appear: a handler bound to a base class gets subclasses that nobody had named.
 */
export class HandlerMap<H> {
  readonly #routers: readonly Router[]
  readonly #handlerOf: (binding: Binding) => H
  /** By prototype, or string: the types that have handlers. */
  readonly #routes = new Map<unknown, Route<H>>()
  /** The classes that have none. Weak, so that classes made on the fly can go. */
  readonly #unhandled = new WeakMap<object, Route<H>>()

  constructor(routers: readonly Router[], handlerOf: (binding: Binding) => H) {
    this.#routers = routers
    this.#handlerOf = handlerOf
  }

  /** @throws {InvalidMessage} for what is no message. */
  routeOf(message: unknown): Route<H> {
    const isObject = typeof message === 'object' && message !== null
    return (
      this.#routes.get(isObject ? Object.getPrototypeOf(message) : message) ?? this.#resolve(messageTypeOf(message))
    )
  }

  #resolve(type: MessageType): Route<H> {
    const unhandled = typeof type === 'string' ? undefined : this.#unhandled.get(type)
    if (unhandled !== undefined) return unhandled
    const found = this.#routers.flatMap((router) => router.find(type))
    // A handler of the very class tells the kind, before one of events that has a base of it.
    const nearest = found.find(({ types }) => types.includes(type)) ?? found[0]
    const kind = markedKind(type) ?? nearest?.router
    const handlers = found.filter((binding) => binding.router === kind).map(this.#handlerOf)
    const route = { type: typeName(type), kind, handlers }
    if (handlers.length > 0) this.#routes.set(typeof type === 'string' ? type : type.prototype, route)
    else if (typeof type !== 'string') this.#unhandled.set(type, route)
    return route
  }
}
