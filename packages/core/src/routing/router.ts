import { IambusError, ImproperlyConfigured, shown } from '../errors.ts'
import type { Fits, Kind } from '../message/kind.ts'
import {
  isMessageType,
  type MessageClass,
  type MessageOf,
  type MessageType,
  type StringMessage,
  typeName,
} from '../message/message-type.ts'
import { type BindCall, type Binding, type BindOptions, bindingOf, routerName } from './binding.ts'
import type {
  HandlerClass,
  HandlerFunction,
  HandlerObject,
  NamedHandlerFunction,
  NamedHandlerInstance,
} from './handler.ts'
import type { Middleware } from './middleware.ts'
import type { Injected } from './providers.ts'
import { MethodRegistrations, type Registrar, registrar } from './register.ts'

/** What handlers of kind `K` are bound to. */
export type Bindable<K extends Kind> = MessageClass<Fits<K>> | (K extends 'event' ? StringMessage : string)

type Nothing = Record<never, never>

/**
 * Binds the handlers of one kind of message, and finds them.
 *
 * To change how handlers are bound or found, extend {@link EventRouter} or {@link RequestRouter}, override `add` or
 * `find`, and give the class to the dispatcher: `new Dispatcher({ queriesRouter: MyRouter })`.
 */
export abstract class Router<K extends Kind = Kind> {
  readonly kind: Kind
  readonly #bindings: Binding[] = []
  readonly #problems: IambusError[] = []
  readonly #middleware: Middleware[] = []
  readonly #methods = new MethodRegistrations()
  #frozen = false

  constructor(kind: K) {
    this.kind = kind
  }

  /**
   * Binds one handler to a message, or to several.
   *
   * A faulty handler is no error yet: `start()` reports all faults together.
   *
   * @param message a message class, a string, or an array of them.
   * @param handler a function `(message, { context, ...injected })`, a class with `handle`, or an object that has one.
   * @throws {ImproperlyConfigured} once the dispatcher has started.
   */
  bind<T extends Bindable<K>, A extends string, P extends object = Nothing, E extends Fits<'event'> = never>(
    message: T | readonly T[],
    handler:
      | NamedHandlerFunction<NoInfer<MessageOf<T>>, NoInfer<A>, NoInfer<P>, NoInfer<E>>
      | (new (deps: Injected<NoInfer<P>>) => NamedHandlerInstance<NoInfer<MessageOf<T>>, NoInfer<A>, NoInfer<E>>),
    options: BindOptions<P, E> & { readonly argname: A },
  ): void
  bind<T extends Bindable<K>, P extends object = Nothing, E extends Fits<'event'> = never>(
    message: T | readonly T[],
    handler:
      | HandlerFunction<NoInfer<MessageOf<T>>, NoInfer<P>, NoInfer<E>>
      | HandlerClass<NoInfer<MessageOf<T>>, NoInfer<P>, NoInfer<E>>
      | HandlerObject<NoInfer<MessageOf<T>>, NoInfer<E>>,
    options?: BindOptions<P, E> & { readonly argname?: never },
  ): void
  bind(message: unknown, handler: unknown, options: BindCall['options'] = {}): void {
    this.checkOpen('bind')
    this.#take({ message, handler, options })
  }

  /**
   * The same as {@link bind}, as a decorator of a class or of a method (standard and legacy), or as
   * `register(Message)(handler)`. The instance of decorated methods is given by `dp.mount(instance)`.
   *
   * @throws {ImproperlyConfigured} once the dispatcher has started.
   */
  register<T extends Bindable<K>, P extends object = Nothing, E extends Fits<'event'> = never>(
    message: T | readonly T[],
    options: BindOptions<P, E> = {},
  ): Registrar<MessageOf<T>, P, E> {
    this.checkOpen('register')
    const bind = (handler: unknown, ownName?: string): void => {
      this.checkOpen('register')
      this.#take({ message, handler, options, ownName })
    }
    const types: readonly unknown[] = Array.isArray(message) ? message : [message]
    const label = types.map((type) => (isMessageType(type) ? `'${typeName(type)}'` : shown(type))).join(', ')
    return registrar(bind, this.#methods, label)
  }

  /** Puts middleware around each attempt of this router's handlers, inside the dispatcher's own. */
  use(middleware: Middleware): void {
    this.checkOpen('use')
    this.#middleware.push(middleware)
  }

  /** The handlers of a message of this type, in the order of their binding. Asked once per class, and per string that was bound. */
  abstract find(type: MessageType): readonly Binding[]

  /** Takes a binding: `bind` and `register` end here. An `IambusError` refuses it: `start()` will report that. */
  protected add(binding: Binding): void {
    this.#bindings.push(binding)
  }

  /** Every binding, in order. */
  get bindings(): readonly Binding[] {
    return this.#bindings
  }

  /** What is wrong with single bindings and registrations so far. */
  get problems(): readonly IambusError[] {
    return [...this.#problems, ...this.#methods.problems()]
  }

  get middleware(): readonly Middleware[] {
    return this.#middleware
  }

  /** Binds the methods of `instance` that were decorated with this router's `register`. Tells whether there were any. */
  mount(instance: object): boolean {
    return this.#methods.mount(instance)
  }

  /** From now on nothing can be bound; or, where `start()` failed, it can again. */
  freeze(frozen: boolean): void {
    this.#frozen = frozen
  }

  /** @throws {ImproperlyConfigured} when the handlers are frozen. */
  protected checkOpen(verb: string): void {
    if (!this.#frozen) return
    const name = `dp.${routerName[this.kind]}.${verb}`
    throw new ImproperlyConfigured(
      'ALREADY_STARTED',
      `${name} was called after start(): the handler map is frozen. Call it before start().`,
    )
  }

  #take(call: BindCall): void {
    try {
      this.add(bindingOf(this.kind, call))
    } catch (error) {
      if (!(error instanceof IambusError)) throw error
      this.#problems.push(error)
    }
  }
}

/** The router of events: any number of handlers each, also those bound to a base class of the event. */
export class EventRouter extends Router<'event'> {
  constructor() {
    super('event')
  }

  find(type: MessageType): readonly Binding[] {
    const distances = ancestry(type)
    const distanceOf = (binding: Binding): number => Math.min(...binding.types.map((t) => distances.get(t) ?? Infinity))
    const found = this.bindings.filter((binding) => distanceOf(binding) < Infinity)
    // One function bound to a class and to its base runs once: by the binding to the nearest class.
    return found.filter((binding) =>
      found.every((other) => other.handler !== binding.handler || distanceOf(other) >= distanceOf(binding)),
    )
  }
}

/** The router of commands, or of queries: one handler each, bound to the very class of the message. */
export class RequestRouter<K extends 'command' | 'query' = 'command' | 'query'> extends Router<K> {
  find(type: MessageType): readonly Binding[] {
    return this.bindings.filter((binding) => binding.types.includes(type))
  }
}

/** A class and its base classes, each with how far away it is; a string has only itself. */
function ancestry(type: MessageType): Map<unknown, number> {
  const distances = new Map<unknown, number>()
  let ancestor: unknown = type
  while (ancestor === type || (typeof ancestor === 'function' && ancestor !== Function.prototype)) {
    distances.set(ancestor, distances.size)
    ancestor = Object.getPrototypeOf(ancestor)
  }
  return distances
}
