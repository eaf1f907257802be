import { checkOf } from '../message/contract.ts'
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
  /** Whether nobody handles it, but another class of the same name. */
  readonly hasNamesake: boolean
  /** Checks a message by the schema of its class, where that has one. @throws {ContractViolation} */
  readonly check: ((message: object) => void) | undefined
}

/**
 * The frozen map from message types to handlers, in whatever form the engine runs them (`H`). Filled type by type, as
 * messages of a type first appear: a handler bound to a base class gets subclasses that nobody had named.
 */
export class HandlerMap<H> {
  readonly #routers: readonly Router[]
  readonly #handlerOf: (binding: Binding) => H
  /** By prototype, or string: the types that a handler was bound to. */
  readonly #routes = new Map<unknown, Route<H>>()
  /** Classes that nobody named. Weak, so that those made on the fly can go. */
  readonly #unnamed = new WeakMap<object, Route<H>>()

  constructor(routers: readonly Router[], handlerOf: (binding: Binding) => H) {
    this.#routers = routers
    this.#handlerOf = handlerOf
  }

  /** @throws {InvalidMessage} for what is no message. @throws {ImproperlyConfigured} for a class with a faulty contract. */
  routeOf(message: unknown): Route<H> {
    const isObject = typeof message === 'object' && message !== null
    return (
      this.#routes.get(isObject ? Object.getPrototypeOf(message) : message) ?? this.#resolve(messageTypeOf(message))
    )
  }

  #resolve(type: MessageType): Route<H> {
    const known = typeof type === 'string' ? undefined : this.#unnamed.get(type)
    if (known !== undefined) return known
    const found = this.#routers.flatMap((router) => router.find(type))
    // A handler of the very class tells the kind, before one of events that has a base of it.
    const named = found.find(({ types }) => types.includes(type))
    const kind = markedKind(type) ?? (named ?? found[0])?.router
    const handlers = found.filter((binding) => binding.router === kind).map(this.#handlerOf)
    const name = typeName(type)
    const hasNamesake = handlers.length === 0 && this.#boundNames().includes(name)
    const route = { type: name, kind, handlers, hasNamesake, check: checkOf(type) }
    if (named !== undefined) this.#routes.set(typeof type === 'string' ? type : type.prototype, route)
    else if (typeof type !== 'string') this.#unnamed.set(type, route)
    return route // A string that nobody named is found anew each time: there may be any number of them.
  }

  #boundNames(): string[] {
    return this.#routers.flatMap(({ bindings }) => bindings.flatMap(({ types }) => types.map(typeName)))
  }
}
