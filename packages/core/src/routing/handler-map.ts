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
  readonly #routes = new Map<string, Route<H>>()
  /** Weak, so that classes made on the fly can go. */
  readonly #classes = new WeakMap<object, Route<H>>()

  constructor(routers: readonly Router[], handlerOf: (binding: Binding) => H) {
    this.#routers = routers
    this.#handlerOf = handlerOf
  }

  /** @throws {InvalidMessage} for what is no message. */
  routeOf(message: unknown): Route<H> {
    if (typeof message === 'string') return this.#routes.get(message) ?? this.#resolve(messageTypeOf(message))
    const known = typeof message === 'object' && message !== null && this.#classes.get(Object.getPrototypeOf(message))
    return known || this.#resolve(messageTypeOf(message))
  }

  #resolve(type: MessageType): Route<H> {
    const found = this.#routers.flatMap((router) => router.find(type))
    // A handler of the very class tells the kind, before one of events that has a base of it.
    const nearest = found.find(({ types }) => types.includes(type)) ?? found[0]
    const kind = markedKind(type) ?? nearest?.router
    const handlers = found.filter((binding) => binding.router === kind).map(this.#handlerOf)
    const route = { type: typeName(type), kind, handlers }
    if (typeof type !== 'string') this.#classes.set(type.prototype, route)
    else if (handlers.length > 0) this.#routes.set(type, route) // Not for any string that someone publishes.
    return route
  }
}
